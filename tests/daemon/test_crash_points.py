"""The daemon dies at every step of a takeover, and the cell has one master again.

The claimant is killed with SIGKILL after each action of its bid, and after each system call by which an
action changes a file. PROTOCOL.md promises: another shadow completes the takeover, one window later, plus one
lease where the claimant may have launched; nobody deletes a file, and there are never two masters. Cells of
one test run side by side, for they mostly wait.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.daemon.puppet import KILLED
from tests.daemon.toys import FAST, LONG, Toys

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

STEPS = (
    *(("Probe", 1), ("Observe", 1), ("MakeClaim", 1), ("Observe", 2), ("PlaceLock", 1), ("WriteNotice", 1)),
    *(("Observe", 3), ("Launch", 1), ("Observe", 4), ("Inspect", 1), ("LaunchScheduler", 1)),
    ("WriteNotice", 2),
)
"""All actions of a takeover, in order; the fourth observation and the first inspection run side by side."""
LAUNCHED = STEPS[STEPS.index(("Launch", 1)) :]
CALLS = 26
"""System calls of the same actions that change a file."""
ABREAST = 7
PROMISED = float(FAST["window"]) * 1.02 + 2.4 * 1.02 + float(FAST["launch_timeout"])
"""One window, one lease (0.9 x 3 s - 0.3 s) and one launch, in seconds."""
SLACK = 25.0


def groups(things: list[object]) -> list[list[object]]:
    """Return the things in groups of those that run side by side."""
    return [things[first : first + ABREAST] for first in range(0, len(things), ABREAST)]


def side_by_side(place: Path, scenes: dict[str, Callable[[Toys], float]]) -> None:
    """Play each scene in a cell of its own; each returns the seconds that the cell was without a master."""

    def play(name: str) -> float:
        toys = Toys.make(place / name.replace(" ", "-"))
        try:
            return scenes[name](toys)
        finally:
            toys.close()

    with ThreadPoolExecutor(len(scenes)) as pool:
        played = {name: pool.submit(play, name) for name in scenes}
        took = {name: future.result() for name, future in played.items()}
    assert max(took.values()) < PROMISED + SLACK, took


def dies(
    wish: dict[str, object], *, with_its_host: bool = False, returns: bool = False
) -> Callable[[Toys], float]:
    """Return the scene in which beta, first in line after alpha's death, dies of its wish."""

    def scene(toys: Toys) -> float:
        toys.start_master()
        claimant = toys.start("beta", wish=wish, stagger=0.3)
        if not returns:
            toys.serve("gamma", stagger=0.3)
        claimant.wait_eligible()
        toys.kill_pair("alpha")
        assert claimant.process.wait(LONG) == KILLED, toys.story()
        crashed = time.monotonic()
        for _ in range(20 if with_its_host else 0):
            toys.kill_pair("beta")  # again and again: a launch may be between fork and exec
            time.sleep(0.05)
        if returns:
            toys.start("beta")
        winner = toys.wait_master(("beta", "gamma"))
        took = time.monotonic() - crashed
        if with_its_host or not toys.pids("beta"):
            assert winner == "gamma", toys.story()
        guard = toys.daemons[winner]
        if guard is not claimant:
            guard.wait_state("active")
        beats = toys.beats()
        while toys.beats() < beats + 5:
            time.sleep(0.05)
        toys.never_two()
        assert toys.wait_master((winner,)) == winner
        assert not (toys.cell.spool / "lock").exists(), toys.story()
        return took

    return scene


@pytest.mark.parametrize("steps", groups(list(STEPS)))
def test_another_shadow_completes_what_a_dead_daemon_began(place: Path, steps: list[tuple[str, int]]) -> None:
    """Killed after an action, the claimant leaves nothing that keeps the cell from having one master."""
    side_by_side(place, {f"{kind} {n}": dies({"kill_after": [kind, n]}) for kind, n in steps})


def test_another_shadow_completes_what_a_dead_host_began(place: Path) -> None:
    """Killed together with what it launched, the claimant is replaced one lease later."""
    scenes = {f"{kind} {n}": dies({"kill_after": [kind, n]}, with_its_host=True) for kind, n in LAUNCHED}
    side_by_side(place, scenes)


@pytest.mark.parametrize("steps", groups(list(STEPS)))
def test_the_same_host_completes_what_its_dead_daemon_began(
    place: Path, steps: list[tuple[str, int]]
) -> None:
    """Started again, alone, the claimant's own host finds what is left and completes it."""
    scenes = {f"{kind} {n}": dies({"kill_after": [kind, n]}, returns=True) for kind, n in steps}
    side_by_side(place, scenes)


@pytest.mark.parametrize("calls", groups(list(range(1, CALLS + 1))))
def test_a_death_between_two_system_calls_harms_nobody(place: Path, calls: list[int]) -> None:
    """Killed after a call that changed a file, the claimant leaves nothing half done that matters."""
    side_by_side(place, {f"call {call}": dies({"kill_after_call": call}) for call in calls})


def test_every_changing_call_was_counted(toys: Toys) -> None:
    """A takeover makes just as many changing calls as the test above dies of."""
    toys.start_master()
    claimant = toys.serve("beta", wish={})
    toys.kill_pair("alpha")
    claimant.wait_told("master.confirmed")
    lines = (claimant.home / "witness").read_text().splitlines()
    took_over = [line.split()[1:] for line in lines]
    took_over = took_over[: took_over.index(["WriteNotice"], took_over.index(["LaunchScheduler"])) + 1]
    assert len([words for words in took_over if words[0] == "call"]) == CALLS, "\n".join(lines)
