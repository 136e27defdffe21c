"""The failure table of GRIDENGINE.md, row by row, against the real Grid Engine and at its timers 1/2/3.

In each: no second master, and recovery without a human hand wherever the table says so. The row of the
master that is frozen, replaced and thawed is in ``test_guard``.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.lab import stepped
from tests.lab.gridengine import ADMIN, Cell
from tests.lab.ours import Ours, one_master, shadows
from tests.lab.processes import alive, wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

CALM = 9
"""Seconds in which a takeover would have come, at stale_after 2 and delay 3."""


def started(cell: Cell) -> int:
    """Start the master on ``a`` and return its pid."""
    pid = cell.start_qmaster("a")
    assert pid is not None
    return pid


def nobody_takes_over(cell: Cell, daemons: list[Ours], seconds: float = CALM) -> None:
    """Wait long enough for a takeover and see none."""
    time.sleep(seconds)
    assert cell.qmasters() == [], daemons[0].story()


def write(cell: Cell, name: str, data: bytes) -> None:
    """Replace the content of a file of the cell, as its owner would."""
    path = cell.heartbeat if name == "heartbeat" else cell.common / name
    path.write_bytes(data)
    shutil.chown(path, ADMIN, ADMIN)


def test_master_cannot_start_exit_1(cell: Cell) -> None:
    """A master that exits 1: the claim is closed, tried again with back-off; the real one then starts."""
    started(cell)
    with shadows(cell, "b") as (ours,), cell.masters() as masters:
        cell.swap("sge_qmaster", "#!/bin/sh\nexit 1\n")
        cell.kill_qmaster("a")
        ours.wait_said("takeover.failed", 30, reason="launch_failed")
        wait_for(lambda: not cell.lock.exists(), 10, "our lock is removed")
        wait_for(lambda: ours.record().get("attempts", 0) >= 1, 10, "the failed attempt is counted")
        cell.unswap("sge_qmaster")
        one_master(cell, "b", 60)
    masters.never_two()


def test_master_binary_missing(cell: Cell) -> None:
    """A master that is not there: no bid, with the path that is missing; recovery once it is back."""
    started(cell)
    with shadows(cell, "b") as (ours,):
        (cell.bin / "sge_qmaster").rename(cell.bin / "away")
        assert ours.wait_refused("cannot_run")["detail"] == f"no such program {cell.bin / 'sge_qmaster'}"
        cell.kill_qmaster("a")
        nobody_takes_over(cell, [ours])
        (cell.bin / "away").rename(cell.bin / "sge_qmaster")
        one_master(cell, "b", 60)


def test_master_hangs_at_its_start(cell: Cell) -> None:
    """A master that hangs: stopped at launch_timeout, the daemon stays alive, the real one then starts."""
    started(cell)
    with shadows(cell, "b", launch_timeout=4) as (ours,):
        cell.swap("sge_qmaster", "#!/bin/sh\nexec sleep 600\n")
        cell.kill_qmaster("a")
        ours.wait_said("takeover.failed", 40, reason="launch_timeout")
        wait_for(lambda: not cell.lab["b"].pids("sleep"), 10, "the hung program is gone")
        cell.unswap("sge_qmaster")
        ours.kill()
        with shadows(cell, "b"):
            one_master(cell, "b", 60)


def test_another_shadow_starts_where_this_one_cannot(cell: Cell) -> None:
    """A host whose master does not start stands in nobody's way: another shadow takes over."""
    started(cell)
    false = 'command = ["/bin/false"]'
    with (
        shadows(cell, "b", launch=false, retry_after=20, retry_limit=20) as (broken,),
        shadows(cell, "c", stagger=2),
    ):
        cell.kill_qmaster("a")
        broken.wait_said("takeover.failed", 30)
        one_master(cell, "c", 60)


def test_port_taken(cell: Cell) -> None:
    """A port that somebody else holds: closed, retried, and served once the port is free."""
    started(cell)
    hold = f"import socket,time; s=socket.create_server(('',{cell.port})); time.sleep(600)"
    with shadows(cell, "b", launch_timeout=8) as (ours,):
        holder = cell.lab["b"].popen(["python3", "-c", hold])
        cell.kill_qmaster("a")
        ours.wait_said("takeover.failed", 60)
        assert cell.qmasters() == [] or all(host == "b" for host, _, _ in cell.qmasters())
        holder.kill()
        holder.wait()
        ours.kill()
        with shadows(cell, "b"):
            one_master(cell, "b", 60)


def test_shadow_host_dies_between_lock_and_start(cell: Cell) -> None:
    """The host that holds the lock dies: the next epoch supersedes, no file is deleted by hand."""
    started(cell)
    cell.swap("sge_qmaster", "#!/bin/sh\nexec sleep 600\n")
    with shadows(cell, "b", beat_interval=1, lease=4, launch_timeout=6) as (dead,):
        cell.kill_qmaster("a")
        dead.wait_said("takeover.launching", 30)
        wait_for(lambda: cell.lab["b"].pids("sleep"), 20, "the launch hangs")
        cell.lab["b"].stop()
        cell.unswap("sge_qmaster")
        assert cell.lock.exists()
        with shadows(cell, "c") as (ours,):
            refusal = ours.wait_refused("window_open", 30)
            assert refusal["until"] is not None
            one_master(cell, "c", 60)


@pytest.mark.parametrize("content", [None, b"", b"hello\n", b"00000\n", b"-0005\n", b"\0\xff\x01"])
def test_heartbeat_unknown_when_the_master_dies(cell: Cell, content: bytes | None) -> None:
    """A heartbeat missing, empty, garbage, 0 or -5: reported as unknown, no takeover, and recovery."""
    started(cell)
    with shadows(cell, "b") as (ours,):
        cell.kill_qmaster("a")
        before = cell.heartbeat.read_bytes()
        if content is None:
            cell.heartbeat.unlink()
        else:
            write(cell, "heartbeat", content)
        ours.wait_refused("beat_unknown")
        assert ours.said("heartbeat.unknown")
        nobody_takes_over(cell, [ours], 7)
        write(cell, "heartbeat", before)
        one_master(cell, "b", 40)


def test_heartbeat_becomes_a_directory(cell: Cell) -> None:
    """A directory in the heartbeat's place is unknown too."""
    started(cell)
    with shadows(cell, "b") as (ours,):
        cell.kill_qmaster("a")
        cell.heartbeat.unlink()
        cell.heartbeat.mkdir()
        refusal = ours.wait_refused("beat_unknown")
        assert "not a regular file" in refusal["detail"]
        nobody_takes_over(cell, [ours], 7)
        cell.heartbeat.rmdir()
        write(cell, "heartbeat", b"00009\n")
        one_master(cell, "b", 40)


def test_heartbeat_missing_when_the_shadow_starts(cell: Cell) -> None:
    """A heartbeat that is missing at the start blinds nobody: it waits, reports and recovers."""
    cell.heartbeat.unlink()
    with shadows(cell, "b") as (ours,):
        ours.wait_refused("beat_unknown")
        started(cell)
        wait_for(lambda: ours.record().get("beat"), 20, "the beat is seen")
        wait_for(lambda: ours.said("shadow.eligible"), 20, "eligible again")
        cell.kill_qmaster("a")
        one_master(cell, "b", 40)


@pytest.mark.parametrize("content", [b"00001\n", b"99999999999\n"])
def test_heartbeat_goes_down_or_is_huge(cell: Cell, content: bytes) -> None:
    """Any change of the beat is a sign of life, down and huge too: the silence begins anew."""
    cell.heartbeat.write_text("00500\n")
    started(cell)
    with shadows(cell, "b", delay=8) as (ours,):
        wait_for(lambda: (ours.record().get("beat") or 0) > 500, 20, "the beat is seen")
        cell.kill_qmaster("a")
        ours.wait_said("heartbeat.stale", 20)
        write(cell, "heartbeat", content)
        ours.wait_said("shadow.standby", 10, reason="beat_moved")
        assert cell.qmasters() == []
        one_master(cell, "b", 40)


@pytest.mark.parametrize("content", [None, b"", b"nosuch.host\n", b"\001\377\000abc"])
def test_act_qmaster_unknown(cell: Cell, content: bytes | None) -> None:
    """act_qmaster missing, empty, an unknown host or binary: no takeover, reported, and recovery."""
    reason = "active_unasked" if content == b"nosuch.host\n" else "active_unknown"
    started(cell)
    with shadows(cell, "b") as (ours,):
        cell.kill_qmaster("a")
        before = cell.act_qmaster.read_bytes()
        if content is None:
            cell.act_qmaster.unlink()
        else:
            write(cell, "act_qmaster", content)
        ours.wait_refused(reason)
        nobody_takes_over(cell, [ours], 7)
        check = ours.verb("check")
        assert check.returncode == 2, check.stdout
        assert "act_qmaster" in check.stdout
        write(cell, "act_qmaster", before)
        one_master(cell, "b", 40)


def test_act_qmaster_names_this_host(cell: Cell) -> None:
    """The last shadow left restarts the master on its own host."""
    cell.start_qmaster("b")
    with shadows(cell, "b") as (ours,):
        wait_for(lambda: ours.record().get("active"), 20, "act_qmaster is read")
        cell.kill_qmaster("b")
        one_master(cell, "b", 40)


def test_not_in_shadow_masters(cell: Cell) -> None:
    """A host that is not listed observes and says so; it reads the list again."""
    started(cell)
    cell.shadow_masters.write_text(f"{cell.lab['c'].fqdn}\n")
    with shadows(cell, "b") as (ours,):
        ours.wait_refused("not_a_shadow")
        cell.kill_qmaster("a")
        nobody_takes_over(cell, [ours])
        with cell.shadow_masters.open("a") as masters:
            masters.write(f"{cell.lab['b'].fqdn}\n")
        one_master(cell, "b", 40)


def test_spool_unreadable_for_a_while(cell: Cell) -> None:
    """A spool that cannot be read is reported in the local log; silence does not grow meanwhile."""
    started(cell)
    with shadows(cell, "b", delay=6) as (ours,):
        cell.kill_qmaster("a")
        cell.spool.rename(cell.spool.with_name("away"))
        ours.wait_said("shadow.ineligible", 20)
        time.sleep(6)
        cell.spool.with_name("away").rename(cell.spool)
        back = time.monotonic()
        one_master(cell, "b", 40)
        assert time.monotonic() - back > 4, "the silence went on while nothing could be read"


def test_lock_present(cell: Cell) -> None:
    """A lock that is not ours: never, and status and check say since when, whose, and what to do."""
    started(cell)
    with shadows(cell, "b") as (ours,):
        cell.lock.touch()
        cell.kill_qmaster("a")
        ours.wait_refused("locked")
        nobody_takes_over(cell, [ours])
        for verb in ("status", "check"):
            said = ours.verb(verb)
            assert str(cell.lock) in said.stdout, said.stdout
        cell.lock.unlink()
        one_master(cell, "b", 40)


def test_second_daemon_on_the_host(cell: Cell) -> None:
    """A second daemon refuses by the local lock, and starts at once when the first was killed."""
    started(cell)
    with shadows(cell, "b") as (ours,):
        second = ours.verb("run")
        assert second.returncode == 75, second.stderr
        assert "is locked by pid" in second.stderr
        ours.kill()
        with shadows(cell, "b"):
            pass


def test_frozen_master_is_probed_within_the_limit(cell: Cell) -> None:
    """A frozen master's port is asked within probe_timeout, and the takeover goes on."""
    pid = started(cell)
    with shadows(cell, "b") as (ours,):
        os.kill(pid, signal.SIGSTOP)
        ours.wait_said("takeover.claiming", 30)
        assert not any(line.get("event") == "io.stuck" for line in ours.events())
        os.kill(pid, signal.SIGKILL)
        one_master(cell, "b", 100)


def test_after_it_started_a_master_it_guards_it(cell: Cell) -> None:
    """The daemon that started a master replaces it on its own host when it dies again."""
    started(cell)
    with shadows(cell, "b") as (ours,):
        cell.kill_qmaster("a")
        one_master(cell, "b")
        ours.wait_said("master.confirmed", 60)
        cell.kill_qmaster("b")
        ours.wait_said("master.ended", 10)
        one_master(cell, "b", 30)


@pytest.mark.parametrize("value", ["0", "-1", "60abc", ""])
def test_bad_intervals_are_errors_at_the_start(cell: Cell, value: str) -> None:
    """Intervals 0, -1 and 60abc are errors that name the variable."""
    said = cell.run("b", sys.executable, "-m", "shadowd", "run", env={"SGE_CHECK_INTERVAL": value})
    assert said.returncode == 78
    assert "SGE_CHECK_INTERVAL" in said.stderr


def test_terminated_in_under_a_second(cell: Cell) -> None:
    """TERM ends the daemon at once and leaves a running master alone."""
    started(cell)
    with shadows(cell, "b") as (ours,):
        cell.kill_qmaster("a")
        one_master(cell, "b")
        ours.wait_said("master.confirmed", 60)
        (master,) = cell.lab["b"].pids("sge_qmaster")
        assert ours.process is not None
        began = time.monotonic()
        ours.process.terminate()
        assert ours.process.wait(10) == 0
        assert time.monotonic() - began < 5
        assert alive(master)
        with shadows(cell, "b") as (again,):
            again.wait_said("master.attached", 20)
            assert cell.lab["b"].pids("sge_qmaster") == [master]


@pytest.mark.parametrize("shift", [-3600, 3600])
def test_wall_clock_steps(cell: Cell, shift: int) -> None:
    """A wall clock that steps an hour back or forth under the daemon has no effect on the takeover."""
    started(cell)
    offset = cell.lab.dir / "clock"
    offset.write_text("0")
    program = (Path(stepped.__file__), offset)
    ours = Ours(cell, cell.lab["b"], {"stale_after": 4, "delay": 4}, program=program).start()
    before = ours.record()["wall"]
    offset.write_text(str(shift))
    wait_for(lambda: abs(ours.record().get("wall", before) - before) > 3000, 20, "the clock stepped")
    cell.kill_qmaster("a")
    killed = time.monotonic()
    one_master(cell, "b", 40)
    assert time.monotonic() - killed > 4, "the step was taken for silence"
