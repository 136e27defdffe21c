"""Daemons, masters and schedulers die at random: never two masters, one in the end, and the whole story told.

Three hosts, toy pairs, SIGKILL. ``SOAK_SECONDS`` says how long the blows go on, ``SOAK_SEED`` repeats the
plan of a run: which blow follows after which pause. What a blow hits depends on who is master by then, so
a repeated plan is not a repeated run, but comes close::

    SOAK_SECONDS=600 ./tests/run tests/real/test_soak.py -n0 -s
"""

import json
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shadowd.sim.toycell import HOSTS
from tests.daemon.starts import Starts
from tests.daemon.toys import LONG, Toys, end_all, patiently
from tests.lab import processes

SECONDS = float(os.environ.get("SOAK_SECONDS", "12"))
SEED = int(os.environ.get("SOAK_SEED") or random.randrange(2**32))  # noqa: S311 - no secret
ROLES = ("daemon", "guard", "master", "scheduler")
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
    host: str
    """Whose daemon it hits if the role is not one that only one host has."""
    away: float


def plan(seed: int) -> Iterator[Blow]:
    """Yield the blows of this seed, without end."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    while True:
        yield Blow(dice.choice(PAUSES), dice.choice(ROLES), dice.choice(HOSTS), dice.choice(AWAY))


@dataclass
class Soak:
    """A cell under blows."""

    toys: Toys
    owners: set[tuple[str, int]] = field(default_factory=set)
    """Host and pid of every daemon that ever ran."""
    struck: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _away: dict[str, float] = field(default_factory=dict)
    """Hosts without a daemon, and when they get one again."""

    def begin(self, host: str) -> None:
        """Start a host's daemon."""
        self._away.pop(host, None)
        daemon = self.toys.start(host, stagger=0.2)
        self.owners.add((host, daemon.pid))

    def open(self) -> None:
        """Let a master that was started by hand die, and one of ours take its place."""
        self.toys.start_master(HOSTS[0])
        for host in HOSTS:
            self.begin(host)
        patiently(
            lambda: self.toys.daemons["beta"].record().get("beat"), LONG, "the beat is read", self.story
        )
        self.toys.kill_pair(HOSTS[0])
        patiently(lambda: "started" in self.notices().get(1, ()), LONG, "the first master", self.story)

    def strike(self, blow: Blow) -> None:
        """Kill what the blow is for, if it is there."""
        active = (self.toys.cell.common / "act_qmaster").read_text().strip()
        hit: list[int] = []
        if blow.role in ("master", "scheduler"):
            hit = self.toys.pids(role=blow.role)
            processes.kill(hit)
        elif (host := active if blow.role == "guard" else blow.host) in HOSTS and host not in self._away:
            hit = [self.toys.daemons[host].pid]
            self.toys.daemons[host].kill()
            self._away[host] = time.monotonic() + blow.away
        self.struck.append(f"{time.monotonic() - self._began:7.2f} {blow} on {active}: {hit}")

    def rest(self, seconds: float) -> None:
        """Let time pass, and daemons come back."""
        ends = time.monotonic() + seconds
        while (now := time.monotonic()) < ends:
            for host in [host for host, due in self._away.items() if now >= due]:
                self.begin(host)
            time.sleep(min(0.02, max(0.0, ends - now)))

    def settle(self) -> str:
        """Start all daemons; wait until one pair runs and all else is closed; return its host."""
        for host in tuple(self._away):
            self.begin(host)
        patiently(self._settled, LONG, "one pair, everything else closed", self.story)
        return self.toys.wait_master(HOSTS)

    def _settled(self) -> bool:
        claims, notices = self.claims(), self.notices()
        last = max(claims, default=0)
        closed = all(notices.get(epoch, set()) & OUTCOMES for epoch in claims if epoch != last)
        runs = "started" in notices.get(last, set()) and not notices[last] & OUTCOMES
        return (
            closed and runs and all(len(self.toys.pids(role=role)) == 1 for role in ("master", "scheduler"))
        )

    def claims(self) -> dict[int, dict[str, Any]]:
        """Return the claims by epoch."""
        return {
            int(path.stem): json.loads(path.read_bytes()) for path in self.toys.claims.glob("[0-9]*.json")
        }

    def notices(self) -> dict[int, set[str]]:
        """Return the kinds of notices by epoch."""
        found: dict[int, set[str]] = {}
        for path in (self.toys.cell.spool / "shadowd" / "notices").glob("[0-9]*.json"):
            epoch, kind, _ = path.name.split(".")
            found.setdefault(int(epoch), set()).add(kind)
        return found

    def story(self) -> str:
        """Return what a person would read when it fails."""
        return "\n".join([f"SOAK_SEED={SEED}", *self.struck, self.toys.story()])


def told_whole(soak: Soak, starts: Starts, winner: str) -> None:
    """Fail if the directory of claims does not tell of every start, or tells of what never was."""
    claims, notices = soak.claims(), soak.notices()
    last = max(claims)
    assert sorted(claims) == list(range(1, last + 1))
    assert notices.keys() <= claims.keys()
    assert claims[last]["host"] == winner
    seen = {start.epoch: start for start in starts.starts if start.epoch}
    assert len(seen) == len([start for start in starts.starts if start.epoch]), "one claim, one start"
    for epoch, claim in claims.items():
        kinds = notices.get(epoch, set())
        assert (claim["host"], claim["pid"]) in soak.owners, f"epoch {epoch} is of nobody"
        assert len(kinds & OUTCOMES) == (0 if epoch == last else 1), f"epoch {epoch}: {kinds}"
        if "started" in kinds:
            assert epoch in seen, f"epoch {epoch} is said to have started"
            assert "failed" not in kinds, f"epoch {epoch} was confirmed and failed"
        if epoch in seen:
            assert seen[epoch].nonce == claim["nonce"]
            assert "launching" in kinds, f"epoch {epoch} started unannounced"
    assert seen.keys() <= claims.keys()
    order = sorted(starts.starts, key=lambda start: starts.starts[start].first)
    assert order == sorted(order, key=lambda start: start.epoch)


def test_whoever_dies_there_is_one_master_and_the_whole_story(tmp_path: Path) -> None:
    """At every instant at most one master, one at the end, and every start has its claim and its end."""
    toys = Toys.make(tmp_path / "cell")
    soak = Soak(toys)
    print(f"SOAK_SEED={SEED} SOAK_SECONDS={SECONDS:g}")  # noqa: T201 - what repeats this run
    try:
        with Starts(toys.root) as starts:
            soak.open()
            ends = time.monotonic() + SECONDS
            for blow in plan(SEED):
                soak.rest(blow.pause)
                if time.monotonic() > ends:
                    break
                soak.strike(blow)
            winner = soak.settle()
            soak.rest(1)
        try:
            starts.never_two()
            toys.never_two()
            told_whole(soak, starts, winner)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{starts}\n{soak.story()}") from None
        print(f"{len(soak.struck)} blows, {len(starts.starts)} masters, blind for {starts.blind:.3f} s")  # noqa: T201
    finally:
        end_all(toys.root)
