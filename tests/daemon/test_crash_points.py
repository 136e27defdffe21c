"""The daemon dies at every step of a takeover, and the cell has one master again.

The claimant is killed with SIGKILL after each action of its bid, and after each system call by which an
action changes a file. PROTOCOL.md promises: another shadow completes the takeover, nobody deletes a file, and
there are never two masters. *When* it does is asked in virtual time (``tests/sim/test_takeover.py``). Cells
of one test run side by side, for they mostly wait.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.daemon.crowds import STEPS, groups, side_by_side
from tests.daemon.puppet import KILLED
from tests.daemon.toys import LONG, Toys

pytestmark = [pytest.mark.real, pytest.mark.crowd, pytest.mark.timeout(300)]

LAUNCHED = STEPS[STEPS.index(("Launch", 1)) :]
CALLS = 42
"""System calls of the same actions that change a file, the cell's identity and its memory among them."""


def dies(
    wish: dict[str, object], *, with_its_host: bool = False, returns: bool = False
) -> Callable[[Toys], None]:
    """Return the scene in which beta, first in line after alpha's death, dies of its wish.

    On a machine that stands still for moments a lease may run out too, and costs a healthy master: then
    there is another one in the end.
    """

    def scene(toys: Toys) -> None:
        toys.start_master()
        claimant = toys.start("beta", wish=wish, stagger=0.3)
        if not returns:
            toys.serve("gamma", stagger=0.3)
        claimant.wait_eligible()
        toys.kill_pair("alpha")
        assert claimant.process.wait(LONG) == KILLED, toys.story()
        for _ in range(20 if with_its_host else 0):
            toys.kill_pair("beta")  # again and again: a launch may be between fork and exec
            time.sleep(0.05)
        if returns:
            toys.start("beta")
        heirs = ("gamma",) if with_its_host else ("beta", "gamma")
        guard = toys.daemons[toys.wait_master(heirs)]
        if guard is not claimant:
            guard.wait_state("active")
        beats = toys.beats()
        while toys.beats() < beats + 5:
            time.sleep(0.05)
        toys.never_two()
        toys.wait_master(heirs)
        assert not (toys.cell.spool / "lock").exists(), toys.story()

    return scene


@pytest.mark.parametrize("steps", groups(list(STEPS)))
def test_another_shadow_completes_what_a_dead_daemon_began(place: Path, steps: list[tuple[str, int]]) -> None:
    """Killed after an action, the claimant leaves nothing that keeps the cell from having one master."""
    side_by_side(place, {f"{kind} {n}": dies({"kill_after": [kind, n]}) for kind, n in steps})


def test_another_shadow_completes_what_a_dead_host_began(place: Path) -> None:
    """Killed together with what it launched, the claimant is replaced by the other host."""
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
