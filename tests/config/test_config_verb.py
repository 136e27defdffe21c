"""``shadowd config``: what it prints and how it ends."""

import argparse
import json
import tomllib
from pathlib import Path

import pytest

from shadowd.cli import config

CELL = '[[cell]]\nsge_root = "/opt/sge"\n'


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the shell that runs the tests may have set."""
    for variable in ("SGE_ROOT", "SGE_CELL", "SGE_QMASTER_PORT", "SHADOWD_CONFIG", "SHADOWD_RUNTIME_DIR"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("SGE_CHECK_INTERVAL", "SGE_GET_ACTIVE_INTERVAL", "SGE_DELAY_TIME"):
        monkeypatch.delenv(variable, raising=False)


def shadowd(*words: str | Path) -> int:
    """Parse and run the verb as the program does."""
    parser = argparse.ArgumentParser(prog="shadowd")
    config.register(parser.add_subparsers())
    args = parser.parse_args(["config", *map(str, words)])
    status = args.run(args)
    assert isinstance(status, int)
    return status


def write(tmp_path: Path, text: str) -> Path:
    """Return a file with this text."""
    file = tmp_path / "shadowd.toml"
    file.write_text(text)
    return file


def test_check_says_ok_with_the_cells_and_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A usable file ends with 0, its cells and what is doubtful."""
    file = write(tmp_path, CELL + f'launch_timeout = 60\n{CELL}name = "b"\nsge_cell = "b"\nobserver = true\n')
    assert shadowd("check", "--config", file) == 0
    out, err = capsys.readouterr()
    *cells, warning, _, _ = out.splitlines()
    assert cells == [
        f"ok: {file}",
        "  cell default: gridengine, /opt/sge/default; takeover at 840 s of silence",
        "  cell b: gridengine, /opt/sge/b; observer",
    ]
    assert warning.startswith("warning: cell default: launch_timeout (60 s)")
    assert err == ""


def test_check_tells_every_error_and_ends_with_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be used says all that is wrong, on standard error."""
    file = write(tmp_path, CELL + "delay = -1\nzzz = 1\n")
    assert shadowd("check", "--config", file) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{file}:3: cell[0].delay" in err
    assert f"{file}:4: cell[0].zzz" in err
    assert err.startswith(f"error: {file}: 2 problems\n")


def test_check_speaks_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tools get the same answers as values."""
    file = write(tmp_path, CELL)
    assert shadowd("check", "--json", "--config", file) == 0
    good = json.loads(capsys.readouterr().out)
    assert good["ok"] is True
    assert good["cells"] == [
        {"name": "default", "kind": "gridengine", "directory": "/opt/sge/default", "observer": False}
    ]
    assert shadowd("check", "--json", "--config", tmp_path / "missing") == 78
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem["reason"] == "there is no such file"


def test_the_variable_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SHADOWD_CONFIG serves where no argument is given."""
    monkeypatch.setenv("SHADOWD_CONFIG", str(write(tmp_path, CELL)))
    assert shadowd("check") == 0
    assert "shadowd.toml" in capsys.readouterr().out


def test_show_prints_toml_with_origins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every value in force is printed, with where it comes from."""
    monkeypatch.setenv("SGE_CHECK_INTERVAL", "70")
    file = write(tmp_path, CELL + "delay = 700\n")
    assert shadowd("show", "--config", file) == 0
    out = capsys.readouterr().out
    assert tomllib.loads(out)["cell"][0]["lease"] == 831
    for line in (
        "check_interval = 70  # SGE_CHECK_INTERVAL",
        f"delay = 700  # {file}:3",
        "stale_after = 240  # default",
        "lease = 831  # derived",
        "# port = found at run time",
    ):
        assert line in out.splitlines()


def test_show_speaks_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Values are one flat list, so that a filter is one expression."""
    assert shadowd("show", "--json", "--config", write(tmp_path, CELL)) == 0
    values = json.loads(capsys.readouterr().out)["values"]
    found = {(value["cell"], value["key"]): (value["value"], value["origin"]) for value in values}
    assert found["default", "lease"] == (741, "derived")
    assert found["default", "probe.qping"] == ("auto", "default")
    assert found[None, "log.level"] == ("info", "default")


def test_show_refuses_what_check_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no effective configuration of a file that cannot be used."""
    assert shadowd("show", "--config", write(tmp_path, "x = 1\n")) == 78
    assert capsys.readouterr().err


def test_schema_describes_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema is JSON, demands no key that may be left out, and forbids unknown ones."""
    assert shadowd("schema") == 0
    schema = json.loads(capsys.readouterr().out)
    cell = schema["$defs"]["CellSettings"]
    top = {
        "cell",
        "log",
        "host",
        "runtime_dir",
        "state_dir",
        "watch",
        "hints",
        "hint_port",
        "hardware_watchdog",
    }
    assert top == set(schema["properties"])
    assert not schema["required"]
    assert not cell["required"]
    assert cell["additionalProperties"] is False
    assert all("description" in described for described in cell["properties"].values())


@pytest.mark.parametrize("action", ["check", "show", "schema"])
def test_help_shows_an_example(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks for help sees the command in use."""
    with pytest.raises(SystemExit) as caught:
        shadowd(action, "--help")
    assert caught.value.code == 0
    assert f"$ shadowd config {action}" in capsys.readouterr().out


def test_output_survives_a_locale_without_the_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that the terminal cannot show is printed escaped, not as a traceback."""
    out = tmp_path / "out"
    file = write(tmp_path, CELL.replace("opt/sge", "opt/sg\u00e9"))
    with out.open("w", encoding="ascii") as narrow:
        monkeypatch.setattr("sys.stdout", narrow)
        assert shadowd("check", "--config", file) == 0
    assert "ok:" in out.read_text()


def test_check_tells_of_names_that_the_cell_confuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning, where the cell's files can be read: the file itself can be used."""
    common = tmp_path / "sge" / "default" / "common"
    common.mkdir(parents=True)
    (common / "bootstrap").write_text(f"admin_user none\nqmaster_spool_dir {tmp_path}\nignore_fqdn true\n")
    (common / "host_aliases").write_text("h1 h2\n")
    (common / "shadow_masters").write_text("h1\nh2\n")
    file = write(tmp_path, f'[[cell]]\nsge_root = "{tmp_path}/sge"\n')
    assert shadowd("check", "--config", file) == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning:")]
    assert any("h1 and h2" in line and "host_aliases" in line for line in warnings)
    assert shadowd("check", "--json", "--config", file) == 0
    assert any("h1 and h2" in line for line in json.loads(capsys.readouterr().out)["warnings"])
