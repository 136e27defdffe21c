"""A TORQUE cell as people see it: whose ``server.lock`` is, and everything in TORQUE's words."""

import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadowd.adapters.genericfiles import found
from shadowd.adapters.torquefiles import paths_of
from shadowd.client.gridengine import gridengine_list
from shadowd.config.light import light_settings
from shadowd.console import remedies
from shadowd.console.cells import places
from shadowd.console.gather import SeenLock, Shared, gather
from shadowd.console.health import Health
from shadowd.console.report import Report, as_json, report
from shadowd.console.serverlock import server_lock_item, server_lock_view
from shadowd.console.text import status
from shadowd.console.wording import worded
from shadowd.core.reasons import Reason
from shadowd.core.values import Host, Problem, ServerLock, Unknown

HOLDER = (
    "import fcntl, sys, time\n"
    "f = open(sys.argv[1], 'a')\nfcntl.lockf(f, fcntl.LOCK_EX)\nprint(flush=True)\ntime.sleep(60)"
)
NOW = 1_795_172_752.0
ALIEN = re.compile(
    r"sgemaster|act_qmaster|sge_qmaster|binary_path|startup script|[^/]shadow hosts?\b|the master\b"
)
NOT_THERE = {Reason.NOT_GUARDED, Reason.RESIDENT, Reason.ADOPTION_FAILED}


@pytest.fixture
def priv(tmp_path: Path) -> Path:
    """Give the ``server_priv`` of a cell that never had a server, with a configuration beside it."""
    made = tmp_path / "server_priv"
    made.mkdir()
    (made / "serverdb").write_text("")
    assert found(paths_of(made), Host("h1")) is None
    configure(made, "fcntl")
    return made


def configure(priv: Path, method: str) -> None:
    """Write the configuration of h2."""
    (priv.parent / "shadowd.toml").write_text(
        f'host = "h2"\nruntime_dir = "{priv.parent}/run"\n[[cell]]\nkind = "torque"\nname = "torque"\n'
        f'directory = "{priv}"\nlock = "{method}"\n'
    )


def look(priv: Path) -> Report:
    """Return what `status` and `check` say."""
    (gathered,) = gather(places(priv.parent / "shadowd.toml", (), {}), 20, lambda: NOW)
    return report(gathered)


def item(seen: Report, name: str) -> tuple[Health, str]:
    """Return one verdict."""
    return next((one.health, one.text) for one in seen.items if one.name == name)


@pytest.fixture
def held(priv: Path) -> Iterator[Path]:
    """Let a server that is none of ours hold the lock."""
    (priv / "server.lock").write_text("4711\n")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, priv / "server.lock"], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield priv
        holder.kill()


def test_a_lock_that_nobody_holds(priv: Path) -> None:
    """Free, whatever it names; and no word of Grid Engine."""
    assert item(look(priv), "server.lock") == (Health.OK, "free; it names nobody")
    (priv / "server.lock").write_text("4711\n")
    os.utime(priv / "shadowd" / "heartbeat", (NOW - 1000, NOW - 1000))
    health, words = item(look(priv), "server.lock")
    assert health is Health.OK
    assert words == "session 4711, a server that shadowd did not start and that gives no sign of life"
    text = status([look(priv)])
    assert "cell torque (torque)" in text
    assert "\n  server      " in text
    assert ALIEN.search(text) is None, text


def test_a_server_of_ours(priv: Path) -> None:
    """With epoch and host, which the lock itself does not tell."""
    (priv / "server.lock").write_text("7\n")
    record = {"format": 1, "epoch": 3, "nonce": "n", "host": "h1", "inodes": [1], "contents": ["7"]}
    (priv / "shadowd" / "server.session").write_text(json.dumps(record))
    assert item(look(priv), "server.lock") == (Health.OK, "session 7, epoch 3 on h1")


def test_a_stranger_that_serves_is_no_missing_master(held: Path) -> None:
    """A warning that somebody should know, with what to do."""
    seen = look(held)
    assert item(seen, "server.lock") == (Health.WARNING, "session 4711, a server that shadowd did not start")
    assert item(seen, "master")[0] is Health.WARNING
    assert "its host is not known" in item(seen, "master")[1]
    (cell,) = json.loads(as_json([seen]))["cells"]
    assert cell["server_lock"] == {
        "state": "held",
        "text": "session 4711, a server that shadowd did not start",
        "foreign": True,
    }
    assert "pbs_server --ha" in status([seen])


def test_the_beat_of_a_stranger_is_no_number(held: Path) -> None:
    """It is made of dates and looks, thirteen digits of milliseconds, and means nothing to a person."""
    seen = look(held)
    (heartbeat,) = (line for line in status([seen]).splitlines() if line.startswith("  heartbeat"))
    assert "of a server that shadowd did not start, " in heartbeat
    assert item(seen, "heartbeat")[1].startswith("of a server that shadowd did not start")
    (cell,) = json.loads(as_json([seen]))["cells"]
    assert (cell["beat"]["value"], cell["beat"]["foreign"]) == (None, True)


def test_a_lock_that_cannot_be_read(priv: Path) -> None:
    """Nobody bids, so it is critical."""
    (priv / "server.lock").symlink_to("server.lock")
    health, text = item(look(priv), "server.lock")
    assert health is Health.CRITICAL
    assert text.endswith("nobody bids")


def test_a_lease_is_a_strangers_as_long_as_it_moves(priv: Path) -> None:
    """Without daemons the file's own time is all there is."""
    configure(priv, "lease")
    (priv / "server.lock").write_text("4711\n")
    os.utime(priv / "shadowd" / "heartbeat", (NOW - 1000, NOW - 1000))
    health, text = item(look(priv), "server.lock")
    shown = (Health.OK, "session 4711, a server that shadowd did not start and that gives no sign of life")
    assert (health, text) == shown


def test_a_lock_that_no_living_server_takes_is_critical() -> None:
    """The method is fcntl, a daemon sees beats, and the kernel knows no lock: the release is a later one."""
    shared = shared_with(SeenLock(ServerLock.CLEAR, "4711", "3 on h1", unlocked=True))
    for beating, watched in ((False, True), (True, False)):
        view = server_lock_view(shared, beating=beating, watched=watched)
        assert view is not None
        assert server_lock_item(view, "/priv").health is Health.OK
    view = server_lock_view(shared, beating=True, watched=True)
    assert view is not None
    seen = server_lock_item(view, "/priv")
    assert (seen.health, view.state) == (Health.CRITICAL, "unlocked")
    assert 'Set lock = "lease"' in seen.remedy


@pytest.mark.parametrize("beating", [True, False])
def test_how_a_lease_is_told(*, beating: bool) -> None:
    """Named and alive is in the way; named and silent is not."""
    shared = shared_with(SeenLock(ServerLock.NAMED, "4711", ""))
    view = server_lock_view(shared, beating=beating)
    assert view is not None
    assert (view.state, view.foreign) == ("named", beating)
    assert server_lock_view(shared_with(None), beating=beating) is None
    unknown = server_lock_view(shared_with(Unknown(Problem.EMPTY, "server.lock", "held")), beating=beating)
    assert unknown is not None
    assert (unknown.state, unknown.text, unknown.foreign) == ("unknown", "server.lock is empty (held)", False)


def shared_with(lock: SeenLock | Unknown | None) -> Shared:
    """Return a look that shows this lock, and nothing else."""
    nothing = Unknown(Problem.MISSING, "nothing")
    return Shared("h2", "", {}, nothing, nothing, "", nothing, None, nothing, nothing, None, server_lock=lock)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in NOT_THERE])
def test_every_remedy_in_torques_words(reason: Reason) -> None:
    """A server and its standbys, and files where they lie."""
    for text in (reason.text, remedies.remedy(reason, "/var/spool/torque/server_priv")):
        said = worded("torque", "torque", text)
        assert ALIEN.search(said) is None, said
        assert "server_priv/lock" not in said
        assert "server_priv/heartbeat" not in said


def test_hints_name_the_startup_script_of_a_torque_host() -> None:
    """There is no sgemaster; a restart by ours would hand the server over, so the unit is named there."""
    assert "Start it: /etc/init.d/pbs_server start (under systemd" in worded("torque", "x", remedies.START)
    assert "There: /etc/init.d/pbs_server status (under" in worded("torque", "x", remedies.STATUS)
    assert worded("torque", "x", remedies.RESTART) == "Restart it: systemctl restart shadowd."
    assert "Start it: systemctl start shadowd. " in worded("generic", "x", remedies.START)


def test_a_host_called_master_stays() -> None:
    """Only what follows an article is the server."""
    assert worded("torque", "x", "the master on master, epoch 3") == "the server on master, epoch 3"
    assert worded("torque", "x", ("a shadow host", 7)) == ("a standby host", 7)


def test_its_hosts_are_asked_as_torque_servers(priv: Path) -> None:
    """On TORQUE's port, or that of the probe."""
    (cell,) = light_settings(priv.parent / "shadowd.toml", {}).cells
    servers = gridengine_list(cell, {"SGE_QMASTER_PORT": "1"})
    assert [server.host for server in servers.servers] == ["h1", "h2"]
    assert (servers.protocol.kind, servers.protocol.port) == ("torque", 15001)
    assert gridengine_list(cell._replace(port=7), {}).protocol.port == 7


def test_who_looks_takes_nothing(held: Path) -> None:
    """Not even for a moment."""
    look(held)
    with (held / "server.lock").open("r+") as file, pytest.raises(OSError, match="unavailable"):
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
