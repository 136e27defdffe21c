"""The projection and its verdicts, from files as several hosts leave them."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from shadowd.adapters.lockfile import place_lock
from shadowd.console.cells import places
from shadowd.console.gather import Place, Shared, gather
from shadowd.console.health import Health
from shadowd.console.report import Report, as_json, report
from shadowd.console.text import WIDTH, checks, status
from shadowd.core.values import Epoch, Host, Problem, Unknown
from tests.console.handmade import NOW, HandMade
from tests.lab.processes import start_time

LOCKED = {"reason": "locked", "text": "a lock lies in the spool", "detail": "", "until": None}
SHUT_DOWN = {"reason": "shut_down", "text": "the last master was shut down", "detail": "", "until": None}


def look(made: HandMade, now: float = NOW) -> Report:
    """Look at the cell at a moment."""
    (gathered,) = gather(places(made.config, [], {}), 10, lambda: now)
    return report(gathered)


def verdicts(found: Report) -> dict[str, str]:
    """Return the items that are not well."""
    return {item.name: item.health.name for item in found.items if item.health is not Health.OK}


def text_of(found: Report, name: str) -> str:
    """Return an item's text and remedy."""
    return next(f"{item.text} -> {item.remedy}" for item in found.items if item.name == name)


def test_a_healthy_cell_is_well(made: HandMade) -> None:
    """Nothing to say means OK, with the numbers that monitoring plots."""
    found = look(made)
    assert verdicts(found) == {}
    assert checks([found]).splitlines()[0] == (
        "SHADOWD OK - default: master h1, beat 12 s ago, 1 host ready to take over "
        "| beat_age=12s;240;840;0 ready=1;;;0 attempts=0;;;0 epoch=7c"
    )


def test_the_status_of_a_healthy_cell_reads_well(made: HandMade) -> None:
    """The golden text of the commonest case."""
    assert status([look(made)]) == (
        """\
cell default (gridengine), seen from h2 at 11:05:52

  master      h1 since 10:12:03 (53 min 49 s ago), epoch 7 (took over after
              silence)
  heartbeat   00042, moved 11:05:40 (12 s ago), seen by h1
  lock        none
  protection  guarded: the guard on h1 lives

  HOST       STATE       SINCE             REPORTED
  h1         active      10:12:32          3 s ago
             guards the master; stops it if its heartbeat does not move by
             11:18:01 (in 12 min 9 s)
  h2 (here)  standby     10:12:32          3 s ago
             watches; takes over after 14 min of silence"""
    )


def test_a_dead_master_shows_who_takes_over_when(made: HandMade) -> None:
    """Silence, the running timer, its end and what then happens are on the screen."""
    later = NOW + 300
    for write in (made.local, made.record):
        write(
            "h2", wall=later - 3, observed=later - 3, silence=288.0, state="stale", reason="silent",
            since=later - 60, timer={"name": "takeover", "due": NOW + 840 - 12},
        )  # fmt: skip
    found = look(made, later)
    assert verdicts(found) == {"heartbeat": "CRITICAL", "host h1": "CRITICAL", "protection": "WARNING"}
    assert "h2 takes over at 11:19:40 (in 8 min 48 s) by itself" in text_of(found, "heartbeat")
    text = status([found])
    assert "h1 (SILENT) since" in text
    assert "takes over at 11:19:40 (in 8 min 48 s) unless the heartbeat moves" in text
    assert "unknown: no sign of its daemon since 11:05:49" in text


def test_a_beat_that_moved_since_the_last_record_is_no_silence(made: HandMade) -> None:
    """Records are a minute old; the value on disk is now."""
    made.beat(44, NOW)
    found = look(made, NOW + 60)
    assert "moved since h1 looked at 11:05:49 (1 min 3 s ago)" in text_of(found, "heartbeat")
    assert "heartbeat" not in verdicts(found)


def test_a_regular_shutdown_says_since_when_whose_and_what_to_do(made: HandMade) -> None:
    """The ancestor is silent for ever here (GRIDENGINE.md, failure table)."""
    later = NOW + 3600
    made.claim(7, "h1", "launching", "started", "stopped")
    made.lock(NOW + 30)
    for host in ("h1", "h2"):
        made.record(
            host, wall=later, observed=later, silence=3600.0, state="standby", master=None,
            refusals=[LOCKED, SHUT_DOWN], timer={"name": "next_check", "due": later + 60},
        )  # fmt: skip
    made.local("h2", wall=later, observed=later, silence=3600.0, refusals=[LOCKED, SHUT_DOWN], master=None)
    found = look(made, later)
    assert found.health is Health.WARNING
    assert verdicts(found).keys() == {"master", "lock", "shadows"}
    lock = text_of(found, "lock")
    assert "since 11:06:22 (59 min 30 s ago), owner " in lock
    assert "regular shutdown" in lock
    assert f"rm {made.spool}/lock" in lock
    assert "the master of epoch 7 on h1 was shut down on purpose" in status([found])


def test_a_foreign_lock_beside_a_beating_master_is_critical(made: HandMade) -> None:
    """It keeps everybody from taking over, although every host last said that it would."""
    made.lock(NOW - 300)
    found = look(made)
    assert verdicts(found) == {"lock": "CRITICAL", "shadows": "WARNING"}
    assert not any(row.eligible for row in found.view.rows)
    assert "takes nothing over" in status([found])


def test_the_lock_of_a_shutdown_is_none_of_a_stray_s_while_the_last_beat_is_young(made: HandMade) -> None:
    """Whoever shut down a minute ago is not told to remove the lock, whether or not an epoch tells."""
    made.lock(NOW - 20)
    found = look(made)
    assert verdicts(found) == {"lock": "WARNING", "shadows": "WARNING"}
    assert "After a shutdown: start the master" in text_of(found, "lock")
    made.claim(7, "h1", "launching", "started", "stopped")
    made.lock(NOW - 300)
    assert verdicts(look(made))["lock"] == "WARNING"


def test_the_lock_of_a_takeover_names_its_epoch(made: HandMade) -> None:
    """Our own lock is explained and needs no hand, before and after its epoch's end."""
    made.claim(8, "h2", "launching")
    assert place_lock(made.spool / "lock", "default", Host("h2"), Epoch(8), "x" * 32)
    lock = look(made).view.lock
    assert lock is not None
    assert not lock.blocks
    assert lock.text == "of the takeover of epoch 8 by h2, which is under way"
    made.claim(8, "h2", "launching", "failed")
    found = look(made)
    assert "of the takeover of epoch 8 by h2, which is over" in text_of(found, "lock")
    assert verdicts(found) == {"lock": "WARNING"}


def test_a_lock_for_root_s_eyes_is_told_from_the_daemon_s_word(made: HandMade) -> None:
    """Monitoring is not root; the daemon is, and its record says what the lock is."""
    denied = Unknown(Problem.UNREADABLE, str(made.spool / "lock"), "Permission denied")
    (gathered,) = gather(places(made.config, [], {}), 10, lambda: NOW)
    assert isinstance(gathered.shared, Shared)
    gathered = gathered._replace(shared=gathered.shared._replace(lock=denied))
    assert "Permission denied" in text_of(report(gathered), "lock")
    made.local("h2", wall=NOW, lock={"kind": "foreign", "epoch": None, "since": NOW - 600})
    (fresh,) = gather(places(made.config, [], {}), 10, lambda: NOW)
    found = report(fresh._replace(shared=gathered.shared))
    assert "since 10:55:52 (10 min ago), not ours" in text_of(found, "lock")


def test_a_shadow_without_a_record_is_critical(made: HandMade) -> None:
    """A legacy daemon there knows no claims; no daemon there is no failover."""
    made.shadows("h1", "h2", "h3")
    found = look(made)
    assert verdicts(found) == {"host h3": "CRITICAL"}
    assert "sge_shadowd" in text_of(found, "host h3")


def test_a_host_that_would_not_take_over_says_why(made: HandMade) -> None:
    """The refusals of a host come with their remedies; those of the moment are no fault."""
    moment = {"reason": "lease_runs", "text": "the lease runs", "detail": "", "until": NOW + 700}
    hard = {"reason": "resident", "text": "a master runs here", "detail": "pid 7", "until": None}
    made.record("h2", refusals=[moment])
    made.local("h2", refusals=[moment])
    assert verdicts(look(made)) == {}
    assert "the lease runs" not in status([look(made)])
    for write in (made.record, made.local):
        write("h2", refusals=[moment, hard])
    found = look(made)
    assert verdicts(found) == {"host h2": "CRITICAL", "shadows": "CRITICAL"}
    assert "- a master runs here: pid 7" in status([found])
    assert "kill -KILL" in text_of(found, "host h2")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"attempts": 1}, {"host h2": "WARNING"}),
        ({"attempts": 3}, {"host h2": "CRITICAL"}),
        ({"io_stuck": NOW - 100}, {"host h2": "CRITICAL", "shadows": "CRITICAL"}),
        ({"wall": NOW + 60}, {"host h2": "WARNING"}),
        ({"timing": {"check_interval": 60, "stale_after": 50, "delay": 600, "delay_applies": "x"}}, "timers"),
    ],
)
def test_faults_of_this_host_are_found(made: HandMade, change: dict[str, Any], expected: object) -> None:
    """Failed attempts, a stuck mount, a fast clock and unwise timers are items of their own."""
    made.record("h2", **change)
    made.local("h2", **change)
    found = verdicts(look(made))
    assert found == expected or expected in found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_port_that_another_user_holds_is_named(made: HandMade) -> None:
    """A new master could not bind it, so nobody must learn that from a takeover."""
    program = (
        "import os, socket; os.setuid(65534); s = socket.create_server(('', 0)); "
        "print(s.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as stranger:
        assert stranger.stdout is not None
        port = int(stranger.stdout.readline())
        made.config.write_text(made.config.read_text().replace("probe = {", f"probe = {{ port = {port},"))
        seen = look(made)
        assert verdicts(seen) == {"port": "CRITICAL"}
        told = f"{port} of this host is held by nobody (uid 65534)"
        assert told in " ".join(status([seen]).split())
        stranger.kill()


def test_what_a_daemon_meant_to_do_that_runs_no_more_is_no_plan(made: HandMade) -> None:
    """A moment after its end its record is young, and says nothing about what will happen."""
    made.local("h2", pid=1)
    shown = status([look(made)])
    assert "takes over" not in shown
    assert "its daemon does not run; its last word was at 11:05:49" in " ".join(shown.split())


def test_a_daemon_that_does_not_run_is_critical(made: HandMade) -> None:
    """The local record's process must live and be a shadowd of this boot."""
    made.local("h2", boot_id="another")
    dead = {"daemon": "CRITICAL", "shadows": "CRITICAL"}
    assert verdicts(look(made)) == dead
    made.local("h2", pid=1)
    assert verdicts(look(made)) == dead
    made.local("h2", start_token=str(start_time(made.pid)))
    assert verdicts(look(made)) == {}
    made.local("h2", start_token=str(start_time(os.getpid())))
    assert verdicts(look(made)) == dead, "the number came round"
    (made.runtime / "default@h2.state.json").unlink()
    assert verdicts(look(made)) == {"daemon": "CRITICAL"}


def test_a_process_that_only_speaks_of_shadowd_is_no_daemon(made: HandMade) -> None:
    """Anybody's, under the number that a record of an earlier release names: an editor with our log in it."""
    argv = ["sh", "-c", "echo; read x", "shadowd"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        made.local("h2", pid=other.pid)
        assert verdicts(look(made))["daemon"] == "CRITICAL"


def test_a_daemon_that_says_nothing_any_more_is_critical(made: HandMade) -> None:
    """Alive is not enough."""
    found = look(made, NOW + 1000)
    assert "has said nothing for 16 min 43 s" in text_of(found, "daemon")
    assert verdicts(found)["daemon"] == "CRITICAL"


def test_a_pause_is_shown_with_who_and_why(made: HandMade) -> None:
    """Maintenance that was forgotten is found by reading one line."""
    (made.state / "pause.json").write_text(json.dumps({"who": "eva", "why": "upgrade", "until": None}))
    found = look(made)
    assert text_of(found, "pause").startswith("paused by eva: upgrade")
    assert verdicts(found) == {"pause": "WARNING", "shadows": "WARNING"}


@pytest.mark.parametrize(
    ("spoil", "item"),
    [
        (lambda made: (made.spool / "heartbeat").write_text(""), "heartbeat"),
        (lambda made: (made.common / "act_qmaster").write_bytes(b"\xff\xfe"), "act_qmaster"),
        (lambda made: (made.common / "shadow_masters").unlink(), "shadow_masters"),
        (lambda made: (made.state / "claims" / "0000000009.json").write_text("{"), "claims"),
        (lambda made: (made.spool / "lock").mkdir(), "lock"),
    ],
)
def test_every_spoilt_file_is_named_with_a_remedy(made: HandMade, spoil: Any, item: str) -> None:
    """What cannot be read is said with its path, and what to do about it."""
    spoil(made)
    found = look(made)
    assert verdicts(found)[item] == "CRITICAL"
    assert " -> " in text_of(found, item)


def test_nothing_but_an_installation_is_understood(made: HandMade) -> None:
    """Before the first daemon: no records, no claims, and the words to begin with."""
    for path in (*made.state.rglob("*.json"), *made.runtime.iterdir()):
        path.unlink()
    found = look(made)
    bad = verdicts(found)
    assert bad["daemon"] == bad["host h1"] == "CRITICAL"
    assert found.view.master.host == "h1"
    assert found.view.beat.seen_by == "the file's time (no daemon watches)"


def test_a_hung_mount_is_said_from_the_local_file(made: HandMade) -> None:
    """Since when the daemon's reads hang is known although nothing shared can be read."""
    made.local("h2", io_stuck=NOW - 95)
    gate = threading.Event()
    (place,) = places(made.config, [], {})

    def hang() -> Any:
        gate.wait(60)

    (gathered,) = gather([place._replace(read=hang)], 0.2, lambda: NOW)
    gate.set()
    found = report(gathered)
    text = status([found])
    assert found.health is Health.CRITICAL
    assert "no answer within 0.2 s: the file system hangs" in text
    assert "its reads of the cell's files hang since 11:04:17" in text
    assert "master      h1" in text


def test_a_cell_that_cannot_be_understood_is_unknown(made: HandMade) -> None:
    """A missing bootstrap is the cell's own problem and says its remedy."""
    (made.common / "bootstrap").unlink()
    found = look(made)
    assert verdicts(found) == {"files": "UNKNOWN"}
    assert [row.host for row in found.view.rows] == ["h2"]


def test_a_record_that_nobody_can_read_is_critical(made: HandMade) -> None:
    """Also this host's own: the others see it."""
    for host in ("h1", "h2"):
        (made.state / "hosts" / f"{host}.json").write_text("{")
    (made.runtime / "default@h2.state.json").write_text("")
    bad = verdicts(look(made))
    assert bad["host h1"] == bad["host h2"] == bad["daemon"] == "CRITICAL"


def test_nothing_read_reaches_the_terminal_raw(made: HandMade) -> None:
    """Escape sequences in records, names and owners are made harmless."""
    evil = "\x1b[2J\x1b]0;evil\x07"
    made.record("h2", version=evil, text=evil, refusals=[{**LOCKED, "text": evil}])
    made.local("h2", version=evil, refusals=[{**LOCKED, "text": evil, "reason": evil}])
    made.record("h1", state=evil, master=evil, active=evil)
    (made.state / "hosts" / f"{evil[:4]}.json").write_text("{}")
    (made.common / "act_qmaster").write_text(evil)
    found = look(made)
    assert "\x1b" not in status([found]) + checks([found])


def test_every_line_fits_eighty_columns(made: HandMade) -> None:
    """Terminals, mails and monitoring's pages; the plugin's one line apart."""
    made.shadows("h1", "h2", "h3.a-very-long-name-of-a-department.of-a-very-long-university.example.org")
    made.lock(NOW - 100_000)
    made.record("h1", attempts=5, refusals=[{**LOCKED, "detail": "word " * 60}])
    found = look(made, NOW + 100_000)
    for line in [*status([found]).splitlines(), *checks([found]).splitlines()[1:]]:
        assert len(line) <= WIDTH or " " not in line.strip().removeprefix("-> "), line


def test_several_cells_share_one_first_line(made: HandMade) -> None:
    """The worst cell leads; the labels of the numbers name their cells; no stray separator."""
    well = look(made)
    made.lock(NOW - 500)
    bad = look(made)
    other = bad._replace(view=bad.view._replace(name="night|ly"))
    first = checks([well, other]).splitlines()[0]
    assert first.startswith("SHADOWD CRITICAL - night/ly: lock: since ")
    assert "1 of 2 cells have problems | default_beat_age=" in first
    assert checks([well, well]).splitlines()[0].startswith("SHADOWD OK - 2 cells, all well |")


def test_json_has_what_the_text_has(made: HandMade) -> None:
    """Programs get the same facts, as objects with names."""
    document = json.loads(as_json([look(made)]))
    (cell,) = document["cells"]
    assert document["health"] == cell["health"] == "ok"
    assert cell["master"]["host"] == "h1"
    assert cell["rows"][1]["does"] == "watches; takes over after 14 min of silence"
    assert {check["name"] for check in cell["checks"]} >= {"master", "heartbeat", "lock", "timers"}


def test_a_bug_in_a_reader_is_not_hidden(made: HandMade) -> None:
    """Only what the disk does becomes a verdict; a programming error stays one."""

    def broken() -> Any:
        raise AssertionError("bug")

    with pytest.raises(AssertionError, match="bug"):
        gather([Place("c", "gridengine", "h2", made.runtime, "/spool", broken)], 5, lambda: NOW)


def test_looking_loads_no_heavy_library(made: HandMade) -> None:
    """Monitoring calls this each minute: neither pydantic nor structlog nor watchdog is imported."""
    program = (
        "import sys; from shadowd.cli import main; code = main(sys.argv[1:]); "
        "print(sorted({'pydantic', 'structlog', 'watchdog', 'rich'} & set(sys.modules)), file=sys.stderr)"
    )
    top = Path(__file__).resolve().parents[2]
    for verb in ("status", "check"):
        argv = [sys.executable, "-c", program, verb, "--config", str(made.config)]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60, cwd=top)
        assert done.stderr == "[]\n"


def test_what_a_guard_cannot_put_right_is_critical(made: HandMade) -> None:
    """Each with its remedy; a release without such a field has nothing to say."""
    said = {"reason": "name_unwritten", "text": "cannot be written", "detail": "a link", "until": None}
    made.record("h1", complaints=[said])
    found = look(made)
    assert verdicts(found) == {"host h1": "CRITICAL"}
    assert text_of(found, "host h1").startswith("cannot be written: a link -> See why the named file")
    assert "cannot be written: a link" in status([found])


def test_names_that_the_cell_confuses_are_told(made: HandMade) -> None:
    """Two shadows that an alias makes one are critical, one host of two spellings is a warning."""
    (made.common / "host_aliases").write_text("h1 h9\n")
    made.shadows("h1", "h9", "h2")
    found = look(made)
    assert verdicts(found) == {"names": "CRITICAL"}
    assert "h1 and h9" in text_of(found, "names")
    (made.common / "host_aliases").unlink()
    made.shadows("h1", "h2")
    bootstrap = made.common / "bootstrap"
    bootstrap.write_text(bootstrap.read_text().replace("ignore_fqdn true", "ignore_fqdn false"))
    made.active("h1.lab")
    found = look(made)
    assert verdicts(found)["names"] == "WARNING"
    assert "count as two hosts: ignore_fqdn is false" in text_of(found, "names")
