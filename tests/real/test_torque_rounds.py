"""A hundred servers killed one after the other, with three standbys each time.

Exactly one takes over, within a retry interval and its start-up; a fair order is not promised, but nobody
starves: TORQUE's third never gets the mutex while a second waits.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import pytest

from tests.lab import processes
from tests.lab.hosts import Lab
from tests.lab.torque import QUICK, TorqueCell

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

LANES = 2
ROUNDS = 50
"""In each lane."""
SLOWEST = 6.6
"""Seconds for any round, on whatever machine: the real one's quickest."""
USUAL = 2.0
"""Seconds that half of all rounds stay below: a retry interval of 0.2 s, a look, a start."""
STARVED = 30
"""Rounds without a turn. If each of three standbys is as likely, one waits that long once in 200,000."""


@contextmanager
def cells() -> Iterator[list[TorqueCell]]:
    """Give the lanes, four hosts each, in one lab."""
    names = [tuple(f"{letter}{number}" for number in range(1, 5)) for letter in "efghij"[:LANES]]
    with Lab([name for lane in names for name in lane]) as lab:
        made = (
            TorqueCell(lab, lane, name=f"lane{number}", paired=False) for number, lane in enumerate(names)
        )
        yield [cell.build(writes=0.2) for cell in made]
        lab.stop()


def play(cell: TorqueCell) -> tuple[list[float], list[str]]:
    """Kill each server when it has settled; return how long each new one took, and where it was."""
    cell.serve(**QUICK)
    reign = cell.settled()
    seconds, hosts = [], [reign.host]
    for _ in range(ROUNDS):
        killed = time.monotonic()
        processes.kill([reign.pid])
        new = cell.wait_server(after=reign)
        seconds.append(time.monotonic() - killed)
        assert new.host != reign.host, cell.story()
        hosts.append(new.host)
        reign = cell.settled()
    assert len(cell.reigns()) == cell.claims() == ROUNDS + 1, cell.story()
    cell.never_two()
    return seconds, hosts


def longest_wait(host: str, hosts: list[str]) -> int:
    """Return the most rounds in a row in which another one had the turn."""
    turns = [-1, *(turn for turn, winner in enumerate(hosts) if winner == host), len(hosts)]
    return max(later - earlier - 1 for earlier, later in pairwise(turns))


def test_of_three_standbys_exactly_one_takes_over_a_hundred_times() -> None:
    """And the third has its turns as the others have."""
    with cells() as lanes, ThreadPoolExecutor(LANES) as pool:
        played = list(pool.map(play, lanes))
        for cell, (_, hosts) in zip(lanes, played, strict=True):
            waited = {name: longest_wait(name, hosts) for name in cell.names}
            assert max(waited.values()) < STARVED, (waited, hosts)
    seconds = sorted(each for took, _ in played for each in took)
    assert len(seconds) == LANES * ROUNDS
    assert seconds[-1] < SLOWEST, seconds
    assert seconds[len(seconds) // 2] < USUAL, seconds
