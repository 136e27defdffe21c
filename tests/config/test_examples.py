"""The files in config/: they load, and the one that explains every key does."""

import re
from pathlib import Path

import pytest

from shadowd.config.load import examine, load
from shadowd.config.models import CellSettings, Settings
from shadowd.config.tables import FenceSettings, HealthSettings, LaunchSettings, LogSettings, ProbeSettings
from shadowd.core.timing import DelayApplies, Timing
from shadowd.core.values import FencePolicy

FOLDER = Path(__file__).parents[2] / "config"
EXPLAINED = FOLDER / "shadowd.toml"


def keys() -> list[str]:
    """Return every key of every table, as the file spells it."""
    of_cells = (CellSettings, LaunchSettings, ProbeSettings, HealthSettings, FenceSettings)
    models = (Settings, LogSettings, *of_cells)
    return sorted({field.alias or name for model in models for name, field in model.model_fields.items()})


def uncommented(tmp_path: Path) -> Path:
    """Return the explained file with every "#key = value" in force."""
    file = tmp_path / "shadowd.toml"
    text, options = EXPLAINED.read_text().split("[cell.fence.options]")
    # A fence's options need its agent, which lengthens the licence.
    file.write_text(re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE))
    assert options.count("\n#") == 4
    return file


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.toml")), ids=lambda file: file.name)
def test_every_example_loads_without_a_warning(file: Path) -> None:
    """What we hand out is beyond reproach."""
    assert examine(file, {}).warnings() == ()


def test_there_is_an_example_for_each_use() -> None:
    """The small files that the documentation names are there."""
    assert {file.name for file in FOLDER.glob("*.toml")} >= {
        "shadowd.toml",
        "gridengine.toml",
        "gridengine-ancestor-timers.toml",
        "gridengine-many-cells.toml",
        "gridengine-fenced.toml",
        "generic.toml",
        "generic-licences.toml",
        "generic-cron.toml",
        "generic-slurmctld.toml",
        "torque.toml",
    }


@pytest.mark.parametrize("name", keys())
def test_every_key_is_explained(name: str) -> None:
    """No key of the models is missing from the file that documents them."""
    assert re.search(rf"^((# ?)?{name} = |\[\[?([a-z]+\.)*{name}\]\]?$)", EXPLAINED.read_text(), re.MULTILINE)


def test_the_values_that_are_shown_as_defaults_are_the_defaults(tmp_path: Path) -> None:
    """With every comment sign removed the file still loads, to the timing of an empty cell."""
    loaded = examine(uncommented(tmp_path), {})
    (cell,) = loaded.settings.cells
    assert cell.timing() == Timing().derived()
    (empty,) = load(EXPLAINED, {}).cells
    assert cell.model_dump(exclude={"launch", "probe", *derived()}) == empty.model_dump(
        exclude={"launch", "probe", *derived()}
    )
    assert loaded.settings.log.model_dump(exclude={"file"}) == LogSettings().model_dump(exclude={"file"})


def derived() -> set[str]:
    """Return the keys whose default is a rule and not a value."""
    return {"step_down_timeout", "lease", "licence", "window"}


def test_the_small_files_are_what_they_say() -> None:
    """The ancestor's timers bid at 240 s; the manual's at 840; many cells are many."""
    (cell,) = load(FOLDER / "gridengine.toml", {}).cells
    assert float(cell.timing().earliest) == 840
    (cell,) = load(FOLDER / "gridengine-ancestor-timers.toml", {}).cells
    assert float(cell.timing().earliest) == 240
    assert cell.timing().delay_applies is DelayApplies.AFTER_FAILED_BID
    (cell,) = load(FOLDER / "gridengine-fenced.toml", {}).cells
    assert cell.fence.policy is FencePolicy.REQUIRED
    assert cell.fence.secrets == ()
    (cell,) = load(FOLDER / "generic.toml", {}).cells
    assert (cell.kind, cell.place, float(cell.timing().earliest)) == ("generic", Path("/shared/redis"), 90)
    (cell,) = load(FOLDER / "torque.toml", {}).cells
    assert (cell.name, cell.lock, float(cell.timing().earliest)) == ("torque", "lease", 9)
    assert [cell.name for cell in load(FOLDER / "gridengine-many-cells.toml", {}).cells] == [
        "physics",
        "biology",
        "test",
    ]
