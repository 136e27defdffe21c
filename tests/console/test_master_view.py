"""Who is master, judged as the daemons judge: an outcome on disk binds until a beat moved after it."""

from typing import Any

import pytest

from shadowd.console.report import Report
from shadowd.console.text import checks, status
from tests.console.handmade import NOW, HandMade
from tests.console.test_view import LOCKED, SHUT_DOWN, look, text_of, verdicts

RESIDENT = {"reason": "resident", "text": "a master of this cell runs here", "detail": "pid 7", "until": None}
LATER = NOW + 3600


def rest(made: HandMade, later: float = LATER, **changes: Any) -> None:
    """Let both daemons rest beside the ended epoch, having read a moment ago."""
    common = {
        "state": "standby", "reason": "beat_moved", "wall": later - 3, "observed": later - 3, "silence": 9.0,
        "master": None, "timer": {"name": "next_check", "due": later + 57},
    } | changes  # fmt: skip
    for host in ("h1", "h2"):
        made.record(host, **common)
    made.local("h2", **common)


def shut_down(made: HandMade) -> Report:
    """Return the report after epoch 7 ended in an orderly way and its lock is gone."""
    made.claim(7, "h1", "launching", "started", "stopped")
    return look(made, LATER)


def test_a_shutdown_binds_while_the_daemons_say_so(made: HandMade) -> None:
    """Nobody started a master since: the remedy is a person's hand."""
    rest(made, refusals=[SHUT_DOWN], silence=3500.0)
    found = shut_down(made)
    assert found.view.master.stopped
    assert verdicts(found) == {"master": "WARNING", "shadows": "WARNING"}
    assert "watches only, takes nothing over" in status([found])
    assert "nobody takes over: the last master was shut down on purpose" in status([found])
    assert "shadowd takeover" in text_of(found, "master")


def test_a_master_that_beats_after_a_shutdown_is_the_one_in_act_qmaster(made: HandMade) -> None:
    """The startup script started it: the ledger still says stopped, the daemons' records do not."""
    rest(made, refusals=[])
    found = shut_down(made)
    assert not found.view.master.stopped
    assert found.view.master.text == "by act_qmaster; shadowd did not start it"
    assert verdicts(found) == {"protection": "WARNING"}
    assert "2 ready to take over: h1, h2" in text_of(found, "shadows")
    assert checks([found]).startswith("SHADOWD WARNING - default: protection: none: shadowd did not start")


def test_such_a_master_that_then_falls_silent_is_taken_over_from(made: HandMade) -> None:
    """What the daemons do is what status says: no word of a shutdown any more."""
    rest(
        made, state="stale", reason="silent", refusals=[], silence=400.0, since=LATER - 163,
        timer={"name": "takeover", "due": LATER + 437},
    )  # fmt: skip
    found = shut_down(made)
    assert "h1 (SILENT) (by act_qmaster" in status([found])
    assert "shut down on purpose" not in status([found])
    assert found.view.takeover.startswith("h1 takes over at ")


def test_a_takeover_after_it_is_no_shutdown_either(made: HandMade) -> None:
    """While the only witness bids, nobody is told to start a master by hand."""
    rest(
        made, state="accounting", reason="won", since=LATER - 5, refusals=[], silence=900.0,
        timer={"name": "licence", "due": LATER + 40},
    )  # fmt: skip
    found = shut_down(made)
    assert not found.view.master.stopped
    assert "epoch 7 on h1 ended; h1 is taking over" in " ".join(status([found]).split())


@pytest.mark.parametrize(
    "changes",
    [
        {"master": "h1"},
        {"observed": None},
        {"epoch": 6},
        {"wall": LATER - 1000},
        {"reason": "locked", "since": LATER - 3},
    ],
    ids=[
        "read before the outcome",
        "nothing read",
        "an older epoch",
        "old record",
        "an operator was refused",
    ],
)
def test_a_record_that_cannot_know_overrules_nothing(made: HandMade, changes: dict[str, Any]) -> None:
    """Only a daemon that has read the outcome and yet holds nothing against a takeover has seen life."""
    rest(made, **({"refusals": []} | changes))
    assert shut_down(made).view.master.stopped


def test_a_daemon_that_has_not_met_the_lock_yet_overrules_nothing(made: HandMade) -> None:
    """A shutdown leaves its lock before the daemons' next look at it."""
    made.lock(LATER - 20)
    rest(made, refusals=[])
    assert shut_down(made).view.master.stopped
    rest(made, refusals=[LOCKED])
    assert shut_down(made).view.master.host == "h1"


def test_a_master_that_beats_after_a_death_is_seen(made: HandMade) -> None:
    """Somebody was quicker than the shadows: their rest beside a moving beat shows it."""
    rest(made, refusals=[])
    made.claim(7, "h1", "launching", "started", "died")
    found = look(made, LATER)
    assert found.view.master.host == "h1"
    assert "master" not in verdicts(found)


@pytest.mark.parametrize(
    "changes", [{"silence": 500.0}, {"since": LATER - 13, "reason": "started", "silence": 10.0}]
)
def test_a_death_stays_one_while_nothing_beats(made: HandMade, changes: dict[str, Any]) -> None:
    """An old beat, or none since the daemon started, is no sign of another master."""
    rest(made, **({"refusals": []} | changes))
    made.claim(7, "h1", "launching", "started", "died")
    found = look(made, LATER)
    assert found.view.master.text == "none: the master of epoch 7 on h1 died; a shadow takes over"
    assert verdicts(found)["master"] == "CRITICAL"


def test_a_launch_that_act_qmaster_names_already_is_no_stranger(made: HandMade) -> None:
    """sge_qmaster writes its name before it is confirmed."""
    made.claim(7, "h1", "launching", "started", "died")
    made.claim(8, "h2", "launching")
    made.active("h2")
    for write in (made.record, made.local):
        write("h2", state="launching", reason="accounted", wall=LATER - 1, master=None, epoch=8, refusals=[])
    found = look(made, LATER)
    assert "h2 is taking over" in found.view.master.text
    made.forget(7)
    found = look(made, LATER)
    assert found.view.master.text == "by act_qmaster; shadowd is starting it"
    assert found.view.protection.text == "guarded as soon as the new master runs"


def test_the_host_of_a_script_s_master_is_well(made: HandMade) -> None:
    """It runs the master and cannot take over from itself: said plainly, and no warning."""
    made.forget(7)
    made.record("h1", state="standby", refusals=[RESIDENT], master=None, reason="started")
    found = look(made)
    assert verdicts(found) == {"protection": "WARNING"}
    shown = " ".join(status([found]).split())
    assert "runs the master, which shadowd did not start and does not guard" in shown
    assert "while it runs this host cannot take over from itself" in shown
    assert "a master of this cell runs here" not in shown
    assert "Adopting" in text_of(found, "protection")
    assert not next(row for row in found.view.rows if row.host == "h1").eligible


def test_a_master_that_act_qmaster_does_not_name_is_an_intruder(made: HandMade) -> None:
    """Two masters may be writing: critical, and it must be killed, not terminated."""
    for write in (made.record, made.local):
        write("h2", refusals=[RESIDENT])
    found = look(made)
    assert verdicts(found)["host h2"] == "CRITICAL"
    assert "act_qmaster does not name it" in text_of(found, "host h2")
    assert "never TERM" in text_of(found, "host h2")
