"""Whatever a file holds, the answer is settings or a ConfigError; and what is shown can be loaded."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.config.load import examine, load
from shadowd.config.models import CellSettings, Settings
from shadowd.config.show import as_toml
from shadowd.config.tables import LaunchSettings, LogSettings, ProbeSettings
from shadowd.config.toml import key, scalar
from shadowd.errors import ConfigError

KEYS = sorted(
    {*Settings.model_fields, *CellSettings.model_fields, *LogSettings.model_fields, "cell"}
    | {*LaunchSettings.model_fields, *ProbeSettings.model_fields}
)
LEAVES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 1000),
    st.floats(),
    st.text(),
    st.sampled_from(["/opt/sge", "4m", "auto", "torque", "gridengine", "json", "", "a/b", "\x00"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4)
    ),
    max_leaves=10,
)
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS) | st.text(), VALUES, max_size=5)
CELLS = st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5), min_size=1, max_size=3)


def settings_or_words(file: Path, text: str) -> Settings | None:
    """Return settings, or None where a proper ConfigError was raised; all else fails the test."""
    file.write_text(text, encoding="utf-8", newline="")
    try:
        return load(file, {"SGE_ROOT": "/opt/sge"})
    except ConfigError as error:
        told = str(error)
    assert 0 < len(told) < 20_000
    return None


@given(text=st.text())
def test_arbitrary_text_gives_settings_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """No text makes the loader raise anything else."""
    settings_or_words(tmp_path_factory.getbasetemp() / "text.toml", text)


@given(raw=st.binary())
def test_arbitrary_bytes_give_settings_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    """No bytes make the loader raise anything else."""
    file = tmp_path_factory.getbasetemp() / "bytes.toml"
    file.write_bytes(raw)
    try:
        load(file, {"SGE_ROOT": "/opt/sge"})
    except ConfigError as error:
        told = error.reason
    else:
        told = "settings"
    assert told


@given(document=DOCUMENTS, cells=CELLS, flag=st.booleans())
def test_arbitrary_documents_give_settings_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, object], cells: list[object], *, flag: bool
) -> None:
    """No TOML document, near to ours or far from it, makes the loader raise anything else."""
    if flag:
        document = {**document, "cell": cells}
    text = "".join(f"{key(name)} = {scalar(value)}\n" for name, value in document.items())
    settings_or_words(tmp_path_factory.getbasetemp() / "document.toml", text)


GOOD_CELLS = st.fixed_dictionaries(
    {},
    optional={
        "sge_cell": st.text(min_size=1, max_size=9).filter(
            lambda t: "/" not in t and "\0" not in t and t not in {".", ".."}
        ),
        "stale_after": st.integers(300, 3000) | st.just("6m"),
        "delay": st.integers(0, 3000),
        "stagger": st.floats(0, 100),
        "delay_applies": st.sampled_from(["before_takeover", "after_failed_bid"]),
        "observer": st.booleans(),
        "launch": st.fixed_dictionaries(
            {}, optional={"command": st.just(["/x", "ü\x7f"]), "environment": st.just({"A": '"\\'})}
        ),
        "probe": st.fixed_dictionaries({}, optional={"port": st.integers(1, 65535)}),
    },
)


@given(cells=st.lists(GOOD_CELLS, min_size=1, max_size=3), log_file=st.sampled_from(["", "/l"]))
def test_what_is_shown_loads_to_the_same_settings(
    tmp_path_factory: pytest.TempPathFactory, cells: list[dict[str, object]], log_file: str
) -> None:
    """The TOML of `config show`, saved, is the same configuration with everything said."""
    full = [
        {"name": f"c{n}", "sge_root": f"/sge{n}", **{k: v for k, v in cell.items() if v != {}}}
        for n, cell in enumerate(cells)
    ]
    base = tmp_path_factory.getbasetemp()
    (base / "good.toml").write_text(
        f"log.file = {scalar(log_file)}\ncell = {scalar(full)}\n", encoding="utf-8"
    )
    before = examine(base / "good.toml", {})
    (base / "shown.toml").write_text(as_toml(before), encoding="utf-8")
    after = load(base / "shown.toml", {})
    assert [cell.timing() for cell in after.cells] == [cell.timing() for cell in before.settings.cells]
    given_timers = {"step_down_timeout", "lease", "licence", "window"}
    exclude = {"cells": {"__all__": given_timers}}
    assert after.model_dump(exclude=exclude) == before.settings.model_dump(exclude=exclude)
