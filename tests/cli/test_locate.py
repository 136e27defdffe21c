"""``shadowd locate`` and ``config acl-hosts`` as scripts and people call them."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shadowd.cli import main
from tests.console.handmade import PROBE, HandMade
from tests.lab.net import Net, greets, hangs_up

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWD_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture
def net() -> Iterator[Net]:
    """Close all sockets afterwards."""
    with ExitStack() as stack:
        yield Net(stack)


def test_the_serving_host_is_printed_and_nothing_else(net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    """So that it can stand in a command line; the second time it is asked first."""
    serving = f"127.0.0.1:{net.server(hangs_up)}"
    servers = f"127.0.0.2:{net.closed_port()},{serving}"
    for _ in range(2):
        assert main(["locate", "--servers", servers]) == 0
        assert capsys.readouterr() == (f"{serving}\n", "")


def test_nobody_answers(net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 69, and all that was tried, however long the list is."""
    port = net.closed_port()
    servers = ",".join(f"127.0.1.{number}:{port}" for number in range(1, 201))
    assert main(["locate", "--servers", servers, "--timeout", "0"]) == 69
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("shadowd: --servers: no server answered at the first attempt; tried:\n")
    assert said.err.count("connection refused") == 200
    assert said.err.endswith("hint: is a server running on any of these?\n")
    assert main(["locate", "--servers", servers, "--timeout", "0", "--json"]) == 69
    data = json.loads(capsys.readouterr().out)
    assert data["server"] is None
    assert {one["state"] for one in data["servers"]} == {"refuses"}


def test_json_says_who_and_why_not_the_others(net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    """One document."""
    serving = f"127.0.0.1:{net.server(hangs_up)}"
    assert main(["locate", "--json", "--servers", f"127.0.0.2:{net.closed_port()},{serving}"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["server"], data["kind"], data["origin"]) == (serving, "torque", "--servers")
    assert [one["state"] for one in data["servers"]] == ["refuses", "answers"]


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_all_shows_everybody(net: Net, capsys: pytest.CaptureFixture[str], extra: list[str]) -> None:
    """Each host with its state and its reason; the status says whether anybody serves."""
    serving, closed = f"127.0.0.1:{net.server(hangs_up)}", f"127.0.0.2:{net.closed_port()}"
    argv = ["locate", "--all", "--probe-timeout", "5", *extra, "--servers"]
    assert main([*argv, f"{closed},{serving}"]) == 0
    shown = capsys.readouterr().out
    if extra:
        data = json.loads(shown)
        assert data["server"] == serving
        assert [one["server"] for one in data["servers"]] == [closed, serving]
    else:
        first, second = shown.splitlines()
        assert first.split()[:2] == [closed, "refuses"]
        assert "connection refused" in first
        assert second.split()[:2] == [serving, "answers"]
    assert main([*argv, closed]) == 69


def test_watch_prints_a_line_a_change(net: Net) -> None:
    """First who serves, then that nobody does; it ends by a signal."""
    alive = threading.Event()
    alive.set()

    def answers(client: socket.socket) -> None:
        if alive.is_set():
            hangs_up(client)
        else:
            client.recv(1)  # the rest is unread, so the close is a reset

    serving = f"127.0.0.1:{net.server(answers)}"
    argv = [sys.executable, "-m", "shadowd", "locate", "--watch", "--interval", "0.05", "--servers", serving]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TOP)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline().split()[1:] == [serving]
        alive.clear()
        assert child.stdout.readline().split()[1:] == ["-"]
        alive.set()
        assert child.stdout.readline().split()[1:] == [serving]
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130


def test_a_job_name_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """The first server of the list, whoever serves."""
    assert main(["locate", "--servers", "h1:15002,h2", "--job-name", "12"]) == 0
    assert capsys.readouterr().out == "12.h1\n"
    assert main(["locate", "--servers", "h1", "--job-name", "12.h1"]) == 78
    assert "'12.h1' is none" in capsys.readouterr().err
    assert main(["locate", "--kind", "gridengine", "--job-name", "12"]) == 78
    assert "has no list of servers" in capsys.readouterr().err


def test_the_list_comes_from_where_it_is(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """PBS_DEFAULT with one dead name, then the file; ``--only`` leaves it at that name."""
    serving = f"127.0.0.1:{net.server(hangs_up)}"
    file = tmp_path / "server_name"
    file.write_text(f"# ours\n{serving}\n")
    monkeypatch.setenv("PBS_DEFAULT", f"127.0.0.2:{net.closed_port()}")
    argv = ["locate", "--timeout", "0", "--server-name", str(file)]
    assert main(argv) == 0
    assert capsys.readouterr().out == f"{serving}\n"
    assert main([*argv, "--only"]) == 69
    assert "PBS_DEFAULT: no server answered" in capsys.readouterr().err
    monkeypatch.delenv("PBS_DEFAULT")
    file.write_bytes(b"h1\nh2 \x1b[2J\n")
    assert main(argv) == 78
    said = capsys.readouterr().err
    assert said.startswith(f"shadowd: {file}:2: is no text: ")
    assert "\x1b" not in said


def test_it_does_not_guess_between_two_systems(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A client of both says which; of neither, what to set."""
    assert main(["locate"]) == 78
    assert "hint: name them by --servers" in capsys.readouterr().err
    monkeypatch.setenv("PBS_DEFAULT", "h1")
    monkeypatch.setenv("SGE_ROOT", "/nowhere")
    assert main(["locate"]) == 78
    assert "hint: say which by --kind torque or --kind gridengine" in capsys.readouterr().err
    assert main(["locate", "--kind", "gridengine", "--timeout", "0"]) == 66
    assert "/nowhere/default/common/bootstrap" in capsys.readouterr().err
    assert main(["locate", "--kind", "torque", "--only", "--job-name", "1"]) == 0


def test_a_server_host_of_torque_goes_by_its_list(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has server_name and a file that describes the cell: both tell of TORQUE; another cell is doubt."""
    serving = f"127.0.0.1:{net.server(hangs_up)}"
    file, config = tmp_path / "server_name", tmp_path / "shadowd.toml"
    file.write_text(f"{serving}\n")
    config.write_text('[[cell]]\nkind = "torque"\n')
    monkeypatch.setenv("PBS_HOME", str(tmp_path))
    monkeypatch.setenv("SHADOWD_CONFIG", str(config))
    for words in ([], ["--config", str(config)], ["--cell", "torque"]):
        assert main(["locate", *words]) == 0
        assert capsys.readouterr().out == f"{serving}\n"
    config.write_text(config.read_text() + '[[cell]]\nsge_root = "/nowhere"\n')
    assert main(["locate"]) == 78
    assert "one tells of TORQUE, the other of Grid Engine" in capsys.readouterr().err
    assert main(["locate", "--cell", "torque"]) == 0
    assert main(["locate", "--cell", "default", "--timeout", "0"]) == 66
    config.write_text("[[cell]\n")
    assert main(["locate", "--config", str(config)]) == 78
    assert str(config) in capsys.readouterr().err


def test_a_grid_engine_cell(made: HandMade, net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    """act_qmaster names a dead host; a shadow host has the master."""
    port = net.server(greets, "127.0.0.3")
    probe = f'probe = {{ port = {port}, addresses = {{ h1 = "127.0.0.2", h2 = "127.0.0.3" }} }}'
    made.config.write_text(made.config.read_text().replace(PROBE, probe))
    config = ["--config", str(made.config)]
    assert main(["locate", *config]) == 0
    assert capsys.readouterr().out == "h2\n"
    assert main(["locate", "--all", *config]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["h1", "refuses"],
        ["h2", "answers"],
    ]
    assert main(["locate", "--only", "--timeout", "0", *config]) == 69
    assert main(["locate", "--cell", "other", *config]) == 78
    assert "cells here: default" in capsys.readouterr().err
    (made.common / "shadow_masters").unlink()
    assert main(["locate", "--all", *config]) == 69
    assert "note: " in capsys.readouterr().out


def test_several_cells_want_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no first one to prefer."""
    file = tmp_path / "shadowd.toml"
    file.write_text('[[cell]]\nname = "a"\nsge_root = "/a"\n[[cell]]\nname = "b"\nsge_root = "/b"\n')
    assert main(["locate", "--config", str(file)]) == 78
    assert "hint: cells here: a, b" in capsys.readouterr().err


def test_acl_hosts_are_commands_for_qmgr(capsys: pytest.CaptureFixture[str]) -> None:
    """One a host of the list."""
    assert main(["config", "acl-hosts", "--servers", "h1,h2:15002"]) == 0
    assert capsys.readouterr().out == "set server acl_hosts += h1\nset server acl_hosts += h2\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["locate", "--timeout", "-1"], "at least 0"),
        (["locate", "--probe-timeout", "0"], "more than 0"),
        (["locate", "--interval", "nan"], "more than 0"),
        (["locate", "--all", "--watch"], "not allowed with"),
        (["exec", "--servers", "h1"], "there is no command"),
        (["exec", "--servers", "h1", "--"], "there is no command"),
    ],
)
def test_a_wrong_command_line(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Usage errors are 64, with a hint."""
    assert main(argv) == 64
    assert words in capsys.readouterr().err
