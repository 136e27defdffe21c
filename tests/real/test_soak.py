"""All kinds of processes die at random: never two masters, one in the end, and the whole story told.

Three hosts, SIGKILL, toy pairs; in a long run real masters as well. ``SOAK_SECONDS`` says how long the blows
fall, ``SOAK_SEED`` repeats the plan of a run: which blow follows after which pause. What a blow hits depends
on who is master by then, so a repeated plan is not a repeated run, but comes close::

    SOAK_SECONDS=600 ./tests/run tests/real/test_soak.py -n0 -s
"""

import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from shadowd.adapters.marks import nonce_of
from shadowd.sim.toycell import HOSTS
from tests.daemon.starts import Starts, ToyStarts
from tests.daemon.toys import LONG, Toys, end_all, patiently
from tests.lab import processes
from tests.lab.gridengine import Cell
from tests.lab.lanes import QUICK
from tests.lab.ours import Ours
from tests.lab.pulse import Pulse

SECONDS = float(os.environ.get("SOAK_SECONDS", "12"))
SEED = int(os.environ.get("SOAK_SEED") or random.randrange(2**32))  # noqa: S311 - no secret
LONG_RUN = 60.0
"""Seconds from which on real masters are worth their while."""
ROLES = ("daemon", "guard", "enforcer", "master", "scheduler")
OUTCOMES = frozenset({"failed", "stopped", "died", "stepped_down"})
PAUSES = (0.0, 0.05, 0.3, 1.0, 2.0)
"""Seconds between two blows: some hit a daemon that has hardly begun, or two at once."""
AWAY = (0.1, 0.5, 2.0, 4.0)
"""Seconds after which a killed daemon is started again."""

pytestmark = [pytest.mark.real, pytest.mark.timeout(SECONDS + 120)]


@dataclass(frozen=True)
class Blow:
    """One step of the plan."""

    pause: float
    role: str
    host: int
    """The number of the host whose daemon it hits, if the role is one that every host has."""
    away: float


def plan(seed: int) -> Iterator[Blow]:
    """Yield the blows of this seed, without end."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    while True:
        yield Blow(dice.choice(PAUSES), dice.choice(ROLES), dice.randrange(len(HOSTS)), dice.choice(AWAY))


class Stage(Protocol):
    """A cell that is played on: hosts are named as in claims."""

    @property
    def hosts(self) -> Sequence[str]:
        """All hosts."""
        ...

    @property
    def spool(self) -> Path:
        """The master's spool directory."""
        ...

    def start(self, host: str) -> int:
        """Start a host's daemon; return its pid."""
        ...

    def kill(self, host: str) -> None:
        """Kill a host's daemon."""
        ...

    def pids(self, role: str) -> list[int]:
        """Return all enforcers, masters, or schedulers; of a cell without schedulers its masters."""
        ...

    def active(self) -> str:
        """Return whom ``act_qmaster`` names."""
        ...

    def story(self) -> str:
        """Return what a person would read when it fails."""
        ...


@dataclass
class ToyStage:
    """Toys on this machine."""

    toys: Toys
    hosts: Sequence[str] = HOSTS

    @property
    def spool(self) -> Path:
        """The master's spool directory."""
        return self.toys.cell.spool

    def start(self, host: str) -> int:
        """Start a host's daemon; return its pid."""
        return self.toys.start(host, stagger=0.2).pid

    def kill(self, host: str) -> None:
        """Kill a host's daemon."""
        self.toys.daemons[host].kill()

    def pids(self, role: str) -> list[int]:
        """Return all enforcers, masters, or schedulers."""
        return self.toys.enforcers() if role == "enforcer" else self.toys.pids(role=role)

    def active(self) -> str:
        """Return whom ``act_qmaster`` names."""
        return (self.toys.cell.common / "act_qmaster").read_text().strip()

    def story(self) -> str:
        """Return what a person would read when it fails."""
        return self.toys.story()


class RealStage:
    """Real masters on the hosts of a lab."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._daemons = {host.short: Ours(cell, host, {**QUICK, "launch_timeout": 30}) for host in cell.hosts}
        self.hosts: Sequence[str] = tuple(self._daemons)
        self.spool = cell.spool

    def start(self, host: str) -> int:
        """Start a host's daemon; return its pid."""
        process = self._daemons[host].start().process
        assert process is not None
        return process.pid

    def kill(self, host: str) -> None:
        """Kill a host's daemon."""
        self._daemons[host].kill()

    def pids(self, role: str) -> list[int]:
        """Return all enforcers, or masters; here the scheduler is a thread of theirs."""
        assert role in ROLES
        if role == "enforcer":
            everybody = [pid for host in self._cell.hosts for pid in host.pids()]
            return [pid for pid in everybody if "shadowd.app.enforcer" in processes.arguments(pid)]
        return [pid for _, pid, _ in self._cell.qmasters()]

    def active(self) -> str:
        """Return whom ``act_qmaster`` names."""
        named = self._cell.active()
        return next((host.short for host in self._cell.hosts if host.name == named), named)

    def story(self) -> str:
        """Return what a person would read when it fails."""
        return "\n".join(daemon.story() for daemon in self._daemons.values())


@dataclass
class Soak:
    """A cell under blows."""

    stage: Stage
    owners: set[tuple[str, int]] = field(default_factory=set)
    """Host and pid of every daemon that ever ran."""
    struck: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _away: dict[str, float] = field(default_factory=dict)
    """Hosts without a daemon, and when they get one again."""

    def begin(self, host: str) -> None:
        """Start a host's daemon."""
        self._away.pop(host, None)
        self.owners.add((host, self.stage.start(host)))

    def rain(self, seconds: float) -> str:
        """Wait for a first master; let blows fall for that long, settle, and return who is master then."""
        patiently(lambda: "started" in self.notices().get(1, ()), LONG, "the first master", self.story)
        ends = time.monotonic() + seconds
        for blow in plan(SEED):
            self.rest(blow.pause)
            if time.monotonic() > ends:
                break
            self.strike(blow)
        for host in tuple(self._away):
            self.begin(host)
        patiently(self._settled, LONG, "one pair runs, and all else is closed", self.story)
        self.rest(1)
        return self.stage.active()

    def strike(self, blow: Blow) -> None:
        """Kill what the blow is for, if it is there."""
        active = self.stage.active()
        host = active if blow.role == "guard" else self.stage.hosts[blow.host]
        hit: object = None
        if blow.role in ("enforcer", "master", "scheduler"):
            hit = self.stage.pids(blow.role)
            processes.kill(self.stage.pids(blow.role))
        elif host in self.stage.hosts and host not in self._away:
            hit = host
            self.stage.kill(host)
            self._away[host] = time.monotonic() + blow.away
        self.struck.append(f"{time.monotonic() - self._began:7.2f} {blow} on {active}: {hit}")

    def rest(self, seconds: float) -> None:
        """Let time pass, and daemons come back."""
        ends = time.monotonic() + seconds
        while (now := time.monotonic()) < ends:
            for host in [host for host, due in self._away.items() if now >= due]:
                self.begin(host)
            time.sleep(min(0.02, max(0.0, ends - now)))

    def _settled(self) -> bool:
        claims, notices = self.claims(), self.notices()
        last = max(claims, default=0)
        closed = all(notices.get(epoch, set()) & OUTCOMES for epoch in claims if epoch != last)
        runs = "started" in notices.get(last, set()) and not notices[last] & OUTCOMES
        pairs = [len(self.stage.pids(role)) for role in ("master", "scheduler")]
        return closed and runs and pairs == [1, 1]

    def claims(self) -> dict[int, dict[str, Any]]:
        """Return the claims by epoch."""
        paths = (self.stage.spool / "shadowd" / "claims").glob("[0-9]*.json")
        return {int(path.stem): json.loads(path.read_bytes()) for path in paths}

    def notices(self) -> dict[int, set[str]]:
        """Return the kinds of notices by epoch."""
        found: dict[int, set[str]] = {}
        for path in (self.stage.spool / "shadowd" / "notices").glob("[0-9]*.json"):
            epoch, kind, _ = path.name.split(".")
            found.setdefault(int(epoch), set()).add(kind)
        return found

    def story(self) -> str:
        """Return what a person would read when it fails."""
        return "\n".join([f"SOAK_SEED={SEED}", *self.struck, self.stage.story()])

    def told_whole(self, starts: Starts, winner: str) -> None:
        """Fail if there were two, or the claims do not tell of every start, or tell of what never was."""
        try:
            starts.never_two()
            told_whole(self, starts, winner)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{starts}\n{self.story()}") from None
        masters = len(starts.starts)
        print(f"{len(self.struck)} blows, {masters} masters, blind for {starts.blind:.3f} s")  # noqa: T201


def told_whole(soak: Soak, starts: Starts, winner: str) -> None:
    """Compare the directory of claims with what was seen."""
    claims, notices = soak.claims(), soak.notices()
    last = max(claims)
    assert sorted(claims) == list(range(1, last + 1))
    assert notices.keys() <= claims.keys()
    assert claims[last]["host"] == winner
    seen = {start.epoch: start for start in starts.starts if start.epoch}
    assert len(seen) == len([start for start in starts.starts if start.epoch]), "one claim, one start"
    assert seen.keys() <= claims.keys()
    for epoch, claim in claims.items():
        kinds = notices.get(epoch, set())
        assert (claim["host"], claim["pid"]) in soak.owners, f"epoch {epoch} is of nobody"
        assert len(kinds & OUTCOMES) == (0 if epoch == last else 1), f"epoch {epoch}: {kinds}"
        if "started" in kinds:
            assert epoch in seen, f"epoch {epoch} is said to have started"
            assert "failed" not in kinds, f"epoch {epoch} was confirmed and failed"
        if epoch in seen:
            assert nonce_of(seen[epoch].nonce) == claim["nonce"]
            assert "launching" in kinds, f"epoch {epoch} started unannounced"
    order = sorted(starts.starts, key=lambda start: starts.starts[start].first)
    assert order == sorted(order, key=lambda start: start.epoch)


def test_whoever_dies_there_is_one_master_and_the_whole_story(tmp_path: Path) -> None:
    """At every instant at most one master, one at the end, and every start has its claim and its end."""
    toys = Toys.make(tmp_path / "cell")
    soak = Soak(ToyStage(toys))
    print(f"SOAK_SEED={SEED} SOAK_SECONDS={SECONDS:g}")  # noqa: T201 - what repeats this run
    try:
        with ToyStarts(toys.root) as starts:
            toys.start_master(HOSTS[0])
            for host in HOSTS:
                soak.begin(host)
            beats = lambda: toys.daemons["beta"].record().get("beat")  # noqa: E731 - a name for a long line
            patiently(beats, LONG, "the beat is read", soak.story)
            toys.kill_pair(HOSTS[0])
            winner = soak.rain(SECONDS)
        soak.told_whole(starts, winner)
        toys.never_two()
    finally:
        end_all(toys.root)


@pytest.mark.skipif(SECONDS < LONG_RUN, reason=f"for a run of SOAK_SECONDS={LONG_RUN:g} and more")
def test_real_masters_have_the_same_story(cell: Cell) -> None:
    """The same with Grid Engine: its masters beat faster than they would, so that leases can be short."""
    soak = Soak(RealStage(cell))
    print(f"SOAK_SEED={SEED} SOAK_SECONDS={SECONDS:g}")  # noqa: T201 - what repeats this run
    with Starts(cell.hosts) as starts, Pulse(cell):
        for host in soak.stage.hosts:
            soak.begin(host)
        winner = soak.rain(SECONDS)
    soak.told_whole(starts, winner)
