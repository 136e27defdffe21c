"""``shadowd stop`` and ``start`` without a daemon: what they put there, and what they refuse."""

import json
from pathlib import Path

import pytest

from shadowd.adapters.lockfile import place_lock
from shadowd.adapters.records import Notice, encode_claim, encode_notice
from shadowd.cli import main
from shadowd.core.values import Epoch, Host, NoticeKind
from tests.core.rounds import claim


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Give the directory of a generic cell, with a configuration beside it."""
    made = tmp_path / "shared"
    made.mkdir()
    (tmp_path / "shadowd.toml").write_text(
        f'host = "alpha"\nruntime_dir = "{tmp_path}/run"\n[[cell]]\nkind = "generic"\nname = "one"\n'
        f'directory = "{made}"\n[cell.launch]\ncommand = ["/bin/true"]\n'
    )
    return made


def call(shared: Path, *words: str) -> int:
    """Run a verb with the configuration of the cell."""
    return main([words[0], "--config", str(shared.parent / "shadowd.toml"), *words[1:]])


def test_a_cell_where_nothing_runs_is_shut_down_at_once(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mark is all; a second time it is there already."""
    assert call(shared, "stop") == 0
    assert "until: shadowd start one" in capsys.readouterr().out
    assert (shared / "lock").read_bytes() == b""
    assert call(shared, "stop", "one", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"format": 1, "cell": "one", "stopped": True}


def test_a_takeover_under_way_is_waited_for(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its lock is not touched, and the time limit says so."""
    place_lock(shared / "lock", "one", Host("beta"), Epoch(1), "nonce")
    assert call(shared, "stop", "--timeout", "0.3") == 1
    assert "a takeover is under way" in capsys.readouterr().err
    assert b"nonce" in (shared / "lock").read_bytes()


def test_a_master_that_may_still_run_is_named(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its host has written no outcome: nobody takes over, and nobody can say that it is gone."""
    state = shared / "shadowd"
    (state / "claims").mkdir(parents=True)
    (state / "notices").mkdir()
    (state / "claims" / "0000000001.json").write_bytes(encode_claim(claim(1, Host("beta"), cell="one")))
    (state / "notices" / "0000000001.launching.json").touch()
    assert call(shared, "stop", "--timeout", "0.3") == 1
    assert "beta has not said that the master ended" in capsys.readouterr().err
    assert (shared / "lock").read_bytes() == b""
    failed = state / "notices" / "0000000001.failed.json"
    failed.touch()
    assert call(shared, "stop", "--timeout", "0.3") == 1
    mine = claim(1, Host("beta"))
    failed.write_bytes(
        encode_notice(Notice("one", Epoch(1), NoticeKind.FAILED, mine.host, 1, 1.0, "", mine.nonce))
    )
    assert call(shared, "stop") == 0


@pytest.mark.parametrize("verb", ["stop", "start"])
def test_a_grid_engine_cell_has_its_own_script(
    shared: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The remedy is what a person would call there."""
    config = shared.parent / "shadowd.toml"
    config.write_text('[[cell]]\nsge_root = "/opt/sge"\n')
    assert call(shared, verb, "default") == 64
    assert f"sgemaster {verb}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("stop", "two"), 64),
        (("start", "two"), 64),
        (("start", "one"), 69),
        (("stop", "--timeout", "0"), 64),
    ],
)
def test_what_is_refused(shared: Path, words: tuple[str, ...], status: int) -> None:
    """No such cell, no daemon to ask, no such time; and nothing is touched."""
    assert call(shared, *words) == status
    assert list(shared.iterdir()) == []


def test_a_directory_that_is_not_there(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not mounted: no mark in an empty mount point's place."""
    shared.rmdir()
    assert call(shared, "stop") == 66
    assert "is the file system mounted?" in capsys.readouterr().err


def test_pause_and_history_know_generic_cells(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever works on files alone works on these."""
    assert call(shared, "pause", "--why", "new disks") == 0
    assert (shared / "shadowd" / "pause.json").exists()
    assert call(shared, "resume") == 0
    assert call(shared, "history") == 0
    capsys.readouterr()
    call(shared, "status", "--json")
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    assert cell["kind"] == "generic"


def test_a_torque_cell_is_stopped_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The mark lies in our directory of its ``server_priv``; a start needs a daemon, and no list of hosts."""
    made = tmp_path / "server_priv"
    (made / "shadowd").mkdir(parents=True)
    (made / "serverdb").touch()
    (tmp_path / "shadowd.toml").write_text(
        f'host = "alpha"\nruntime_dir = "{tmp_path}/run"\n[[cell]]\nkind = "torque"\nname = "one"\n'
        f'directory = "{made}"\n'
    )
    assert call(made, "stop") == 0
    assert (made / "shadowd" / "lock").read_bytes() == b""
    assert {path.name for path in made.iterdir()} == {"serverdb", "shadowd"}
    assert call(made, "start") == 69
    (made / "serverdb").unlink()
    capsys.readouterr()
    assert call(made, "stop") == 66
    assert "mount server_priv" in capsys.readouterr().err
