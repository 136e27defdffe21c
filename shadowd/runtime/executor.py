"""One action in, one event out: the core's requests carried out through the ports.

``perform`` may block for as long as the world likes and is therefore only ever called by a lane's worker.
It answers whatever happens: a port that raises (a programming error, or an operating system that does
something new) becomes the answer "unknown", because a machine that waits for ever is worse than a doubt.
"""

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from shadowd.core.actions import (
    ClearLock,
    Inspect,
    Launch,
    LaunchScheduler,
    ListEpochs,
    MakeClaim,
    Observe,
    PlaceLock,
    Probe,
    StopPair,
    WriteNotice,
)
from shadowd.core.events import (
    ClaimAnswered,
    Event,
    Inspected,
    Launched,
    Listed,
    LockAnswered,
    LockCleared,
    NoticeAnswered,
    Observed,
    Probed,
)
from shadowd.core.values import (
    BeatReading,
    Claim,
    ExitKind,
    PairView,
    ProbeOutcome,
    Problem,
    Unknown,
)
from shadowd.ports import CellFiles, ClaimLog, Clock, Identity, Launcher, MasterProbe

Request = (
    Observe
    | ListEpochs
    | Probe
    | MakeClaim
    | WriteNotice
    | PlaceLock
    | ClearLock
    | Launch
    | LaunchScheduler
    | Inspect
    | StopPair
)
"""Every action that has an answer: all but ``Say``."""


class Lane(Enum):
    """What may hang together: each lane of a cell does one thing at a time, in order."""

    SHARED = "shared directory"
    LOCAL = "local processes"
    LOOKS = "process table"
    """Not among the local processes: a look that hangs must not keep a guard from stopping its master."""
    NETWORK = "network"
    STATE = "local state file"
    RECORDS = "records for people"
    """In the shared directory too, but a takeover must not wait for them: on NFSv4 a dead reader holds up
    the replacement of a file for 104 s (NFS.md)."""


def lane_of(action: Request) -> Lane:
    """Return the lane that this action may block."""
    match action:
        case Probe():
            return Lane.NETWORK
        case Inspect():
            return Lane.LOOKS
        case Launch() | LaunchScheduler() | StopPair():
            # A stop must wait for a launch that hangs, or the launch would survive it.
            return Lane.LOCAL
        case _:
            return Lane.SHARED


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world of one cell."""

    clock: Clock
    claims: ClaimLog
    files: CellFiles
    probe: MasterProbe
    launcher: Launcher
    identity: Identity


class Executor:
    """Performs the actions of one cell."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def perform(self, action: Request) -> Event:
        """Do it and return the answer; never raises for what the world does."""
        try:
            return self._perform(action)
        except Exception as error:  # noqa: BLE001 - whatever a port does, the machine gets an answer
            return self._unanswered(action, f"{type(error).__name__}: {error}")

    def _perform(self, action: Request) -> Event:
        ports = self._ports
        match action:
            case Observe():
                return self._observe()
            case ListEpochs():
                return Listed(ports.clock.now(), ports.claims.list())
            case Probe(host):
                outcome, detail = ports.probe.ask(host)
                return Probed(host, outcome, detail)
            case MakeClaim():
                return self._claim(action)
            case WriteNotice(epoch, kind, detail):
                return NoticeAnswered(epoch, kind, ports.claims.notice(epoch, kind, detail))
            case PlaceLock(epoch, nonce):
                return LockAnswered(ports.files.place_lock(epoch, nonce))
            case ClearLock():
                return LockCleared(ports.files.clear_lock())
            case _:
                return self._handle_pair(action)

    def _handle_pair(self, action: Launch | LaunchScheduler | Inspect | StopPair) -> Launched | Inspected:
        epoch, nonce, launcher = action.epoch, action.nonce, self._ports.launcher
        match action:
            case Launch():
                return Launched(epoch, launcher.launch(epoch, nonce))
            case LaunchScheduler():
                return Launched(epoch, launcher.launch_scheduler(epoch, nonce))
            case Inspect():
                return Inspected(epoch, launcher.inspect(epoch, nonce))
            case StopPair():
                return Inspected(epoch, launcher.stop(epoch, nonce))
            case _:
                assert_never(action)

    def _observe(self) -> Observed:
        """One round, in the order that rules 4 and 6 need: listing, lock, beat, then the rest."""
        now, files = self._ports.clock.now, self._ports.files
        listed = now()
        ledger = self._ports.claims.list()
        lock = files.read_lock()
        issued = now()
        value = files.read_beat()
        beat = BeatReading(value, issued, now())
        return Observed(
            listed=listed,
            ledger=ledger,
            lock=lock,
            beat=beat,
            active=files.read_active(),
            shadows=files.read_shadows(),
            pause=files.read_pause(),
            resident=files.resident(),
            completed=now(),
        )

    def _claim(self, action: MakeClaim) -> ClaimAnswered:
        who = self._ports.identity
        claim = Claim(
            cell=who.cell,
            epoch=action.epoch,
            host=who.host,
            machine_id=who.machine_id,
            boot_id=who.boot_id,
            pid=who.pid,
            start_token=who.start_token,
            nonce=who.nonce(),
            reason=action.reason,
            supersedes=action.supersedes,
            lease=action.lease,
            licence=action.licence,
            window=action.window,
            protection=action.protection,
            wall=self._ports.clock.wall(),
        )
        return ClaimAnswered(action.epoch, claim.nonce, self._ports.claims.claim(claim))

    def _unanswered(self, action: Request, why: str) -> Event:
        unknown = Unknown(Problem.UNREADABLE, type(action).__name__, why)
        now = self._ports.clock.now()
        match action:
            case Observe():
                beat = BeatReading(unknown, now, now)
                return Observed(now, unknown, unknown, beat, unknown, unknown, unknown, None, now)
            case ListEpochs():
                return Listed(now, unknown)
            case Probe(host):
                return Probed(host, ProbeOutcome.UNRESOLVABLE, why)
            case MakeClaim(epoch):
                return ClaimAnswered(epoch, "", unknown)
            case WriteNotice(epoch, kind):
                return NoticeAnswered(epoch, kind, unknown)
            case PlaceLock():
                return LockAnswered(unknown)
            case ClearLock():
                return LockCleared(unknown)
            case Launch(epoch) | LaunchScheduler(epoch):
                return Launched(epoch, unknown)
            case Inspect(epoch) | StopPair(epoch):
                # Not knowing must neither end a reign nor count as a death: assume that it runs.
                return Inspected(epoch, PairView(ExitKind.RUNNING, None, None, alive=1))
            case _:
                assert_never(action)
