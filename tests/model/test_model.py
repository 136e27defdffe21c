"""The protocol searched exhaustively by spin: it holds, and no rule of it can be missed.

``takeover.pml`` says what is modelled and what is not. The model as it stands must come through a search
that left nothing out; with one rule dropped, spin must find the run that breaks a promise. A failure prints
that run and the command that shows it again.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).with_name("takeover.pml")
PROGRAMS = {"spin": "spin", "gcc": "gcc libc6-dev"}
DEEP = 10_000
"""Steps that a search may go down; the longest run has a few hundred."""
LINES = 400

THAWED = ("-DFAULTS=0",)
"""The old master's host has one trouble of any kind: frozen and thawed, stuck, crashed, its daemon killed."""
CRASHED = ("-DOLD_DEAD",)
"""The old master's host is dead, and one shadow crashes or its master does, between any two steps."""

HOLDS = {
    "a thawed master": THAWED,
    "crashed claimants": CRASHED,
    "no promise of speed": (*THAWED, "-DBEATS=0", "-DASYNCHRONOUS"),
}
BREAKS = {
    "nonce check": (*CRASHED, "-DNO_NONCE_CHECK"),
    "list after the claim": (*CRASHED, "-DNO_RELIST"),
    "superseded check": (*THAWED, "-DBEATS=0", "-DASYNCHRONOUS", "-DNO_SUPERSEDED"),
    "account for everyone": (*THAWED, "-DNO_ACCOUNTS"),
    "window": (*CRASHED, "-DNO_WINDOW"),
    "bound of a launch": (*CRASHED, "-DNO_LAUNCH_BOUND"),
    "outcome last": (*THAWED, "-DEARLY_OUTCOME"),
    "lease": (*THAWED, "-DNO_LEASE"),
    "lease outlives the daemon": (*THAWED, "-DNO_LEASE_FILE"),
    "expired lease": (*THAWED, "-DRENEW_EXPIRED"),
    "date early": (*THAWED, "-DLATE_DATING"),
    "lease before started": (*THAWED, "-DLATE_LEASE"),
}

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not all(map(shutil.which, PROGRAMS)),
        reason=f"no model checker: apt-get install {' '.join(PROGRAMS.values())}",
    ),
]


def run(argv: list[str], where: Path) -> str:
    """Run one program of the checker and return what it printed."""
    done = subprocess.run(argv, cwd=where, check=False, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return done.stdout


def search(where: Path, switches: tuple[str, ...]) -> str:
    """Return pan's report on the model with these switches.

    ``-E``: at the end all daemons wait for ever, and the model itself judges whether they may.
    """
    run(["spin", *switches, "-a", str(MODEL)], where)
    run(["gcc", "-O1", "-w", "-DSAFETY", "-DMEMLIM=2000", "-o", "pan", "pan.c"], where)
    return run(["./pan", "-E", f"-m{DEEP}"], where)


def story(where: Path, switches: tuple[str, ...]) -> str:
    """Return the end of the run that spin found, and how to see all of it."""
    trail = where / f"{MODEL.name}.trail"
    if not trail.exists():
        return ""
    argv = ["spin", *switches, "-k", str(trail), "-p", "-g", str(MODEL)]
    lines = run(argv, where).splitlines()
    return "\n".join([*lines[-LINES:], f"again: {' '.join(argv)}"])


@pytest.mark.parametrize("switches", HOLDS.values(), ids=HOLDS)
def test_the_protocol_holds(tmp_path: Path, switches: tuple[str, ...]) -> None:
    """No run breaks a promise, and none was left out."""
    report = search(tmp_path, switches)
    assert "errors: 0" in report, f"{report}\n{story(tmp_path, switches)}"
    assert not re.search(r"error: |max search depth too small|not completed|out of memory", report), report
    states = re.search(r"(\S+) states, stored", report)
    assert states is not None, report
    assert float(states[1]) > 100_000, f"too small to be the whole search:\n{report}"


@pytest.mark.parametrize("switches", BREAKS.values(), ids=BREAKS)
def test_no_rule_can_be_missed(tmp_path: Path, switches: tuple[str, ...]) -> None:
    """With one rule dropped, a run breaks a promise: the model would notice."""
    report = search(tmp_path, switches)
    assert "assertion violated" in report, report
    assert "assertion violated" in story(tmp_path, switches)
