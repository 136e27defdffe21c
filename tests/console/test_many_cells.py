"""Several cells on one host: the overview, and cells of which only a daemon knows."""

import json
from pathlib import Path

import pytest

from shadowd.console.cells import all_places
from shadowd.console.gather import gather
from shadowd.console.health import Health
from shadowd.console.report import Report, report
from shadowd.console.text import WIDTH, status
from shadowd.errors import ConfigError
from tests.console.handmade import NOW, HandMade, handmade, standard


@pytest.fixture
def two(made: HandMade, tmp_path: Path) -> HandMade:
    """Give the healthy cell a neighbour in the same configuration, whose master is silent."""
    (tmp_path / "night").mkdir()
    night = handmade(tmp_path / "night")
    night.beat(42, NOW - 400)
    night.forget(7)
    with made.config.open("a") as config:
        config.write(f'[[cell]]\nname = "night"\nsge_root = "{night.root}"\nsge_cell = "default"\n')
    for write in (night.record, night.local):
        write(
            "h2", cell="night", silence=400.0, state="stale", reason="silent", since=NOW - 160,
            timer={"name": "takeover", "due": NOW + 440}, pid=made.pid,
        )  # fmt: skip
    night.record("h1", cell="night", wall=NOW - 500, observed=NOW - 500)
    local = night.runtime / "default@h2.state.json"
    local.rename(made.runtime / "night@h2.state.json")
    return made


def look(made: HandMade) -> list[Report]:
    """Look at everything there is."""
    return [report(each) for each in gather(all_places(made.config, {}), 10, lambda: NOW)]


def stranger(made: HandMade, **changes: object) -> None:
    """Leave the local record of a cell that no configuration names."""
    record = {**standard("h2"), "cell": "alien", "pid": made.pid, **changes}
    (made.runtime / "alien@h2.state.json").write_text(json.dumps(record))


def test_several_cells_are_shown_in_brief(two: HandMade) -> None:
    """A line a cell, the gravest first, its worst problems below it, and how to see more."""
    shown = status(look(two), compact=True)
    lines = shown.splitlines()
    assert lines[:3] == [
        "2 cells, seen at 11:05:52; all of one: shadowd status --cell NAME",
        "",
        "VERDICT   CELL     MASTER       HEARTBEAT, TAKEOVER",
    ]
    assert lines[-1] == "OK        default  h1           moved 12 s ago; 1 host ready to take over"
    text = " ".join(shown.split())
    assert (
        "CRITICAL night h1 (SILENT) moved 6 min 43 s ago; h2 takes over at 11:13:12 (in 7 min 20 s)" in text
    )
    assert "- heartbeat: stands still" in text
    assert "more" in lines[-2]
    assert all(len(line) <= WIDTH for line in lines)


def test_one_cell_is_never_shown_in_brief(made: HandMade) -> None:
    """The overview is for those who have to choose."""
    assert status(look(made), compact=True) == status(look(made))


def test_a_cell_that_only_its_daemon_knows_is_shown(made: HandMade) -> None:
    """A shell without the cell's variables must not hide it; what is known is its daemon's record."""
    stranger(made)
    default, alien = look(made)
    assert default.health is Health.OK
    assert alien.health is Health.UNKNOWN
    assert alien.view.kind == "gridengine"
    assert alien.view.master.host == "h1"
    assert "cell alien: is not configured here" in " ".join(status([alien]).split())


def test_what_a_dead_daemon_left_is_no_cell(made: HandMade) -> None:
    """Old records in the runtime directory are nobody's cell, and neither is any file that looks like one."""
    stranger(made, boot_id="another")
    (made.runtime / "x@h2.state.json").write_text("{")
    (made.runtime / "@.state.json").write_text("")
    assert [each.view.name for each in look(made)] == ["default"]


def test_without_any_configuration_the_daemons_cells_are_shown(
    made: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root at 3 a.m. has no SGE_ROOT; where no daemon runs either, that is the error."""
    monkeypatch.setattr("shadowd.console.cells.default_runtime_dir", lambda _environ: made.runtime)
    monkeypatch.setattr("shadowd.console.cells.find", lambda _path, _environ: None)
    monkeypatch.setattr("shadowd.config.light.find", lambda _path, _environ: None)
    (made.runtime / "default@h2.state.json").unlink()
    with pytest.raises(ConfigError, match="SGE_ROOT"):
        all_places(None, {})
    stranger(made)
    assert [place.name for place in all_places(None, {})] == ["alien"]


def test_a_bad_file_is_an_error_and_not_an_empty_picture(made: HandMade) -> None:
    """Only the absence of any configuration is made up for."""
    stranger(made)
    made.config.write_text("[")
    with pytest.raises(ConfigError):
        all_places(made.config, {})
