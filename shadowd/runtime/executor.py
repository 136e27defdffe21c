"""One action in, one event out: the core's requests carried out through the ports.

``perform`` may block for as long as the world likes and is therefore only ever called by a lane's worker.
It answers whatever happens: a port that raises (a programming error, or an operating system that does
something new) becomes the answer "unknown", because a machine that waits for ever is worse than a doubt.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import assert_never

from shadowd.core.actions import (
    Adopt,
    AskHealth,
    ClearLock,
    ClearMark,
    Fence,
    Identify,
    Inspect,
    Launch,
    LaunchScheduler,
    ListEpochs,
    MakeClaim,
    NameMaster,
    Observe,
    PlaceLock,
    Probe,
    RestoreClaim,
    StopPair,
    StopStray,
    TermPair,
    WriteBeat,
    WriteNotice,
)
from shadowd.core.events import (
    BeatWritten,
    ClaimAnswered,
    Event,
    Fenced,
    HealthAnswered,
    Identified,
    Inspected,
    Launched,
    Listed,
    LockAnswered,
    LockCleared,
    MasterNamed,
    NoticeAnswered,
    Observed,
    Probed,
    StrayStopped,
)
from shadowd.core.fitness import Fitness
from shadowd.core.values import BeatReading, Claim, ClaimKey, Epoch, Host, Problem, Unknown
from shadowd.ports import (
    Beater,
    CellFiles,
    ClaimLog,
    Clock,
    Fencer,
    HostCheck,
    Identity,
    Launcher,
    MasterProbe,
    NameService,
)
from shadowd.runtime.requests import OnPair, Request, unanswered


class Lane(Enum):
    """What may hang together: each lane of a cell does one thing at a time, in order."""

    SHARED = "shared directory"
    LOCAL = "local processes"
    LOOKS = "process table"
    """Not among the local processes: a look that hangs must not keep a guard from stopping its master."""
    NETWORK = "network"
    FENCE = "fence agent"
    BEAT = "heartbeat"
    """Not in the shared directory's lane: a beat that hangs must not hide a later claim from a guard."""
    HEALTH = "health command"
    STATE = "local state file"
    RECORDS = "records for people"
    """In the shared directory too, but a takeover must not wait for them: on NFSv4 a dead reader holds up
    the replacement of a file for 104 s (NFS.md)."""


def lane_of(action: Request) -> Lane:
    """Return the lane that this action may block."""
    match action:
        case Probe() | Identify():
            return Lane.NETWORK
        case Fence():
            return Lane.FENCE
        case WriteBeat():
            return Lane.BEAT
        case AskHealth():
            return Lane.HEALTH
        case Inspect():
            return Lane.LOOKS
        case Launch() | LaunchScheduler() | StopPair() | TermPair() | Adopt() | StopStray():
            # A stop must wait for a launch that hangs, or the launch would survive it.
            return Lane.LOCAL
        case _:
            return Lane.SHARED


class BeatsByItself:
    """The port ``Beater`` of a cell whose master writes its own heartbeat: nothing is ever written."""

    def write_beat(self, epoch: Epoch) -> Unknown | None:
        """Refuse: two writers of one heartbeat would hide a death."""
        return Unknown(Problem.FOREIGN, "heartbeat", f"the master of epoch {epoch} writes its own")

    def ask_health(self) -> Unknown | None:
        """Have nothing to say against the master."""
        return None


class NothingNeeded:
    """The port ``HostCheck`` of a cell whose master needs nothing."""

    def fitness(self) -> Fitness:
        """Return that nothing is missing."""
        return Fitness()


class NamesUntold:
    """The port ``NameService`` of a host whose names nobody looks up."""

    def is_here(self, host: Host) -> bool | None:
        """Know nothing of any name."""
        del host
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world of one cell."""

    clock: Clock
    claims: ClaimLog
    files: CellFiles
    probe: MasterProbe
    launcher: Launcher
    identity: Identity
    fencer: Fencer
    beater: Beater = field(default_factory=BeatsByItself)
    host: HostCheck = field(default_factory=NothingNeeded)
    names: NameService = field(default_factory=NamesUntold)


class Executor:
    """Performs the actions of one cell."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def perform(self, action: Request) -> Event:
        """Do it and return the answer; never raises for what the world does."""
        try:
            return self._perform(action)
        except Exception as error:  # noqa: BLE001 - whatever a port does, the machine gets an answer
            return unanswered(action, f"{type(error).__name__}: {error}", self._ports.clock.now())

    def _perform(self, action: Request) -> Event:
        ports = self._ports
        match action:
            case Observe():
                return self._observe()
            case ListEpochs():
                return Listed(ports.clock.now(), ports.claims.list())
            case MakeClaim():
                return self._claim(action)
            case WriteNotice(epoch, kind, nonce, detail):
                return NoticeAnswered(epoch, kind, ports.claims.notice(ClaimKey(epoch, nonce), kind, detail))
            case PlaceLock(epoch, nonce):
                return LockAnswered(ports.files.place_lock(epoch, nonce))
            case ClearLock():
                return LockCleared(ports.files.clear_lock())
            case ClearMark():
                return LockCleared(ports.files.clear_mark())
            case NameMaster(host):
                return MasterNamed(ports.files.name_master(host))
            case RestoreClaim(claim):
                return ClaimAnswered(claim.epoch, claim.nonce, ports.claims.claim(claim))
            case Identify(host):
                return Identified(host, ports.names.is_here(host))
            case Probe() | Fence() | WriteBeat() | AskHealth():
                return self._deal_with_life(action)
            case _:
                return self._handle_pair(action)

    def _deal_with_life(self, action: Probe | Fence | WriteBeat | AskHealth) -> Event:
        """Find out whether a master lives, end it with its host, or bear witness to it."""
        ports = self._ports
        match action:
            case Probe(host):
                return Probed(host, *ports.probe.ask(host))
            case Fence(epoch, host):
                return Fenced(epoch, host, *ports.fencer.fence(epoch, host))
            case WriteBeat(epoch):
                return BeatWritten(epoch, ports.beater.write_beat(epoch))
            case AskHealth(epoch):
                return HealthAnswered(epoch, ports.beater.ask_health())
            case _:
                assert_never(action)

    def _handle_pair(self, action: OnPair) -> Event:
        launcher = self._ports.launcher
        match action:
            case Launch(epoch, nonce):
                return Launched(epoch, launcher.launch(epoch, nonce))
            case LaunchScheduler(epoch, nonce):
                return Launched(epoch, launcher.launch_scheduler(epoch, nonce))
            case Inspect(epoch, nonce, serving):
                return Inspected(epoch, launcher.inspect(epoch, nonce, serving=serving))
            case StopPair(epoch, nonce):
                return Inspected(epoch, launcher.stop(epoch, nonce))
            case TermPair(epoch, nonce):
                return Inspected(epoch, launcher.terminate(epoch, nonce))
            case Adopt(epoch, nonce, pid):
                return Inspected(epoch, launcher.adopt(epoch, nonce, pid))
            case StopStray(pid):
                return StrayStopped(pid, launcher.stop_stray(pid))
            case _:
                assert_never(action)

    def _observe(self) -> Observed:
        """One round, in the order that rules 4 and 6 need: listing, lock, beat, then the rest."""
        ports = self._ports
        now, files = ports.clock.now, ports.files
        listed = now()
        ledger = ports.claims.list()
        lock = files.read_lock()
        server_lock = files.read_server_lock()
        issued = now()
        value = files.read_beat()
        beat = BeatReading(value, issued, now())
        active, shadows = files.read_active(), files.read_shadows()
        pause, pauses = files.read_pause()
        return Observed(
            listed=listed,
            ledger=ledger,
            lock=lock,
            beat=beat,
            active=active,
            shadows=shadows,
            pause=pause,
            resident=files.resident(),
            completed=now(),
            pauses=pauses,
            server_lock=server_lock,
            fitness=ports.host.fitness(),
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
