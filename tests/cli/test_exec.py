"""``shadowd exec``: a command against the serving host, in a process of its own."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.console.handmade import PROBE, HandMade
from tests.lab.net import Net, greets, hangs_up

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture
def net() -> Iterator[Net]:
    """Close all sockets afterwards."""
    with ExitStack() as stack:
        yield Net(stack)


def call(tmp_path: Path, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the verb."""
    return subprocess.run(
        [sys.executable, "-m", "shadowd", "exec", *argv],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=TOP,
        env=os.environ | {"SHADOWD_RUNTIME_DIR": str(tmp_path / "run")} | environ,
    )


def test_the_command_is_told_the_serving_server(net: Net, tmp_path: Path) -> None:
    """By both of TORQUE's variables, whatever they said before."""
    serving = f"127.0.0.1:{net.server(hangs_up)}"
    dead = f"127.0.0.2:{net.closed_port()}"
    show = ["sh", "-c", 'echo "$PBS_DEFAULT $PBS_SERVER $1"', "sh", "--servers"]
    done = call(tmp_path, "--servers", f"{dead},{serving}", "--", *show, PBS_DEFAULT=dead)
    assert done.stdout == f"{serving} {serving} --servers\n"
    assert (done.stderr, done.returncode) == ("", 0)
    assert call(tmp_path, "--servers", serving, *show).stdout == done.stdout  # without --


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sh", "-c", "exit 23"], 23),
        (["sh", "-c", "kill -TERM $$"], -signal.SIGTERM),
        (["sh", "-c", "kill -PIPE $$"], -signal.SIGPIPE),
        (["shadowd-no-such-command"], 127),
        (["/dev/null"], 126),
    ],
)
def test_the_exit_status_is_the_command_s(net: Net, tmp_path: Path, command: list[str], code: int) -> None:
    """Signals too, for the process becomes the command; what cannot be run has env(1)'s status."""
    done = call(tmp_path, "--servers", f"127.0.0.1:{net.server(hangs_up)}", "--", *command)
    assert done.returncode == code
    assert ("shadowd: " in done.stderr) == (code in {126, 127})


def test_nothing_is_run_when_nobody_answers(net: Net, tmp_path: Path) -> None:
    """The status tells it from the command's own failure, and the message tells who was asked."""
    marker = tmp_path / "ran"
    argv = ["--servers", f"127.0.0.1:{net.closed_port()}", "--timeout", "0.2", "--", "touch", str(marker)]
    done = call(tmp_path, *argv)
    assert done.returncode == 69
    assert "refuses: 127.0.0.1: connection refused" in done.stderr
    assert not marker.exists()


def test_a_grid_engine_command_waits_for_the_master_in_act_qmaster(
    made: HandMade, net: Net, tmp_path: Path
) -> None:
    """Another host that answers is of no use to it; the cell's variables are set."""
    port = net.server(greets, "127.0.0.3")
    probe = f'probe = {{ port = {port}, addresses = {{ h1 = "127.0.0.2", h2 = "127.0.0.3" }} }}'
    made.config.write_text(made.config.read_text().replace(PROBE, probe))
    argv = ["--config", str(made.config), "--probe-timeout", "0.2"]
    done = call(tmp_path, *argv, "--timeout", "0.5", "--", "true")
    assert done.returncode == 69
    assert "h2" not in done.stderr
    threading.Timer(0.3, made.active, ["h2"]).start()
    show = ["sh", "-c", "echo $SGE_ROOT $SGE_CELL $SGE_QMASTER_PORT $PBS_DEFAULT"]
    done = call(tmp_path, *argv, "--timeout", "50", "--", *show)
    assert done.stdout == f"{made.root} default {port}\n"


def test_a_torque_command_of_a_cell_is_told_its_server(net: Net, tmp_path: Path) -> None:
    """Whoever answers, named in ``master`` or not; with TORQUE's own variables."""
    made = tmp_path / "server_priv"
    (made / "shadowd" / "hosts").mkdir(parents=True)
    (made / "serverdb").touch()
    (made / "shadowd" / "master").write_text("h1\n")
    (made / "shadowd" / "hosts" / "h2.json").write_text("{}")
    config = tmp_path / "shadowd.toml"
    port = net.server(greets, "127.0.0.3")
    config.write_text(
        f'host = "h3"\n[[cell]]\nkind = "torque"\nname = "one"\ndirectory = "{made}"\n'
        f"[cell.probe]\nport = {port}\n"
        'addresses = { h1 = "127.0.0.2", h2 = "127.0.0.3", h3 = "127.0.0.4" }\n'
    )
    show = ["sh", "-c", "echo $SHADOWD_CELL $SHADOWD_HOST $PBS_DEFAULT $PBS_SERVER"]
    done = call(tmp_path, "--config", str(config), "--", *show)
    assert done.stdout == "one h2 h2 h2\n", done.stderr
