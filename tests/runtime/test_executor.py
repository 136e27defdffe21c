"""Actions become port calls, and every one of them is answered, whatever the port does."""

from collections.abc import Callable
from typing import Any

import pytest

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
from shadowd.core.answers import ANSWERS
from shadowd.core.events import (
    BeatWritten,
    ClaimAnswered,
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
from shadowd.core.ledger import Ledger
from shadowd.core.values import (
    ClaimReason,
    Epoch,
    ExitKind,
    FenceOutcome,
    Host,
    Instant,
    LockKind,
    NoticeKind,
    ProbeOutcome,
    Problem,
    Protection,
    Seconds,
    Unknown,
)
from shadowd.runtime.executor import Executor, Lane, Ports, lane_of
from shadowd.runtime.requests import Request
from shadowd.sim.disk import Op
from shadowd.sim.host import SimHost
from shadowd.sim.machines import Name
from shadowd.sim.world import World
from tests.core.rounds import claim

EPOCH = Epoch(1)
CLAIM = MakeClaim(
    epoch=EPOCH,
    reason=ClaimReason.SILENCE,
    supersedes=Epoch(0),
    lease=Seconds(741),
    licence=Seconds(57),
    window=Seconds(180),
    protection=Protection.GUARDED,
)
REQUESTS: tuple[Request, ...] = (
    Observe(),
    ListEpochs(),
    Probe(Host("a")),
    Identify(Host("a")),
    CLAIM,
    WriteNotice(EPOCH, NoticeKind.DIED, "n"),
    PlaceLock(EPOCH, "n"),
    ClearLock(),
    Launch(EPOCH, "n"),
    LaunchScheduler(EPOCH, "n"),
    Inspect(EPOCH, "n"),
    StopPair(EPOCH, "n"),
    TermPair(EPOCH, "n"),
    Adopt(EPOCH, "n", 7),
    StopStray(7),
    RestoreClaim(claim(1)),
    Fence(EPOCH, Host("b")),
    NameMaster(Host("a")),
    ClearMark(),
    WriteBeat(EPOCH),
    AskHealth(EPOCH),
)


class Raising:
    """A port with a programming error in every method."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*_: object) -> None:
            raise RuntimeError(f"{name} broke")

        return fail


class Stage:
    """An executor over the ports of one simulated host."""

    def __init__(self) -> None:
        self.world = World(["a"])
        self.host: SimHost = self.world["a"]
        self.seat = self.host.seats["cell"]
        name = Name(
            cell="cell",
            host=Host("a"),
            machine_id="m",
            boot_id="b",
            pid=7,
            start_token="t",  # noqa: S106 - a process's start time
            nonce=lambda: "nonce",
        )
        self.executor = Executor(
            Ports(
                clock=self.host,
                claims=self.seat,
                files=self.seat,
                probe=self.seat,
                launcher=self.seat,
                identity=name,
                fencer=self.seat,
            )
        )

    def perform(self, action: Request) -> Any:
        """Perform one action as a worker would."""
        answers: list[Any] = []
        self.host.submit(lambda: answers.append(self.executor.perform(action)))
        self.world.run(1)
        return answers[0]


@pytest.mark.parametrize("action", REQUESTS, ids=lambda action: type(action).__name__)
def test_every_action_is_answered_by_its_event(action: Request) -> None:
    """A sound world answers each request with the event that the core awaits for it."""
    assert type(Stage().perform(action)) is ANSWERS[type(action)]


@pytest.mark.parametrize("action", REQUESTS, ids=lambda action: type(action).__name__)
def test_a_port_that_raises_gives_doubt_and_not_silence(action: Request) -> None:
    """The answer is the same event, with Unknown in it, or a process that must be assumed to run."""
    broken: Any = Raising()
    clock = Stage().host
    ports = Ports(
        clock=clock,
        claims=broken,
        files=broken,
        probe=broken,
        launcher=broken,
        identity=broken,
        fencer=broken,
        beater=broken,
        names=broken,
    )
    event = Executor(ports).perform(action)
    assert type(event) is ANSWERS[type(action)]
    unknown: object
    match event:
        case Observed():
            unknown = event.ledger
            assert unknown == event.lock == event.beat.value == event.active == event.shadows == event.pause
            assert event.resident is None
        case Listed():
            unknown = event.ledger
        case Probed():
            assert event.outcome is ProbeOutcome.UNRESOLVABLE
            assert event.detail == "RuntimeError: ask broke"
            return
        case Identified():
            assert event.here is None
            return
        case ClaimAnswered():
            unknown = event.claim
            assert not event.won
        case Fenced():
            assert event.outcome is FenceOutcome.FAILED
            assert event.detail == "RuntimeError: fence broke"
            return
        case StrayStopped():
            assert event.alive
            return
        case NoticeAnswered() | LockCleared() | MasterNamed() | Launched() | BeatWritten() | HealthAnswered():
            unknown = event.problem
        case LockAnswered():
            unknown = event.lock
        case Inspected():
            assert (event.pair.master, event.pair.alive) == (ExitKind.RUNNING, 1)
            return
        case _:
            raise AssertionError(event)
    assert isinstance(unknown, Unknown)
    assert (unknown.problem, unknown.subject) == (Problem.UNREADABLE, type(action).__name__)
    assert unknown.detail.startswith("RuntimeError: ")


def test_a_cell_whose_master_beats_by_itself_writes_no_beat() -> None:
    """Nobody is asked there; whoever asked all the same would be told that the file is not ours."""
    stage = Stage()
    written = stage.perform(WriteBeat(EPOCH))
    assert written.problem.problem is Problem.FOREIGN
    assert stage.perform(AskHealth(EPOCH)) == HealthAnswered(EPOCH)


def test_a_round_reads_the_listing_then_the_lock_then_the_beat() -> None:
    """The order is what rules 4 and 6 rest on, and each date is taken on its side of the reads."""
    stage = Stage()
    order: list[Op] = []
    stage.host.on_operation = lambda _cell, op: order.append(op)
    seen = stage.perform(Observe())
    assert order == [
        Op.LIST,
        Op.READ_LOCK,
        Op.READ_BEAT,
        Op.READ_ACTIVE,
        Op.READ_SHADOWS,
        Op.READ_PAUSE,
    ]
    assert isinstance(seen, Observed)
    assert seen.ledger == Ledger()
    assert not isinstance(seen.lock, Unknown)
    assert seen.lock.kind is LockKind.ABSENT
    assert Instant(0) < seen.listed <= seen.beat.issued <= seen.beat.completed <= seen.completed
    assert (seen.beat.value, seen.active, seen.shadows, seen.pause) == (1, "a", ("a",), None)


def test_a_claim_carries_who_we_are_and_a_nonce_of_its_own() -> None:
    """The core says what is claimed and why; the executor adds who claims, and the wall time."""
    stage = Stage()
    answer = stage.perform(CLAIM)
    claim = stage.world.disk.claims[EPOCH]
    assert answer == ClaimAnswered(EPOCH, "nonce", claim)
    assert answer.won
    assert (claim.cell, claim.host, claim.machine_id, claim.boot_id) == ("cell", "a", "m", "b")
    assert (claim.pid, claim.start_token, claim.nonce) == (7, "t", "nonce")
    assert (claim.reason, claim.supersedes, claim.protection) == (CLAIM.reason, 0, CLAIM.protection)
    assert (claim.lease, claim.licence, claim.window) == (CLAIM.lease, CLAIM.licence, CLAIM.window)
    assert claim.wall > 1e9


def test_what_may_hang_together_shares_a_lane() -> None:
    """A stop waits for a launch that hangs, and for nothing else."""
    lanes = {type(action): lane_of(action) for action in REQUESTS}
    assert {lanes.pop(Probe), lanes.pop(Identify)} == {Lane.NETWORK}
    assert lanes.pop(Inspect) is Lane.LOOKS
    assert lanes.pop(Fence) is Lane.FENCE
    assert (lanes.pop(WriteBeat), lanes.pop(AskHealth)) == (Lane.BEAT, Lane.HEALTH)
    processes = (Launch, LaunchScheduler, StopPair, TermPair, Adopt, StopStray)
    local = {lanes.pop(kind) for kind in processes}
    assert local == {Lane.LOCAL}
    assert set(lanes.values()) == {Lane.SHARED}
