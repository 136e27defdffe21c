"""The reader without pydantic: the same cells as the models give, at a fraction of the cost."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.config.light import LightCell, light_settings
from shadowd.config.load import load
from shadowd.config.toml import scalar
from shadowd.errors import ConfigError

CELL = '[[cell]]\nsge_root = "/opt/sge"\n'


def write(tmp_path: Path, text: str) -> Path:
    """Return a file with this text."""
    file = tmp_path / "shadowd.toml"
    file.write_text(text)
    return file


def test_neither_pydantic_nor_the_models_are_imported() -> None:
    """Monitoring calls do not pay for what only the daemon needs."""
    program = (
        "import sys; from shadowd.config.light import light_settings\n"
        "light_settings(None, {'SGE_ROOT': '/opt/sge', 'SHADOWD_CONFIG': sys.argv[1]})\n"
        "print([m for m in ('pydantic', 'structlog', 'watchdog', 'dataclasses') if m in sys.modules])"
    )
    example = str(Path(__file__).with_name("empty.toml"))
    done = subprocess.run(
        [sys.executable, "-c", program, example], capture_output=True, check=True, timeout=60
    )
    assert done.stdout == b"[]\n"


def test_the_file_gives_cells_host_and_runtime_dir(tmp_path: Path) -> None:
    """All that a look at the files needs is there."""
    file = write(tmp_path, f'host = "me"\nruntime_dir = "/r"\n{CELL}name = "x"\nsge_cell = "c"\n')
    found = light_settings(file, {})
    assert (found.path, found.host, found.runtime_dir) == (file, "me", Path("/r"))
    assert found.cells == (
        LightCell("x", "gridengine", Path("/opt/sge"), "c", Path("/opt/sge/c"), "me", Path("/r")),
    )


def test_the_environment_gives_the_cell(tmp_path: Path) -> None:
    """SGE_ROOT and SGE_CELL are enough here too, and SHADOWD_RUNTIME_DIR wins."""
    environ = {"SGE_ROOT": "/opt/sge", "SGE_CELL": "prod", "SHADOWD_RUNTIME_DIR": "/r"}
    (cell,) = light_settings(write(tmp_path, ""), environ).cells
    assert (cell.name, cell.directory, cell.runtime_dir) == ("prod", Path("/opt/sge/prod"), Path("/r"))


def test_a_wrong_timer_does_not_stop_the_look(tmp_path: Path) -> None:
    """Keys that are not needed are not judged: a file that `run` refuses can still be looked at."""
    file = write(tmp_path, f'{CELL}delay = "never"\nnonsense = 1\n')
    assert light_settings(file, {"SGE_DELAY_TIME": "x"}).cells[0].name == "default"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cell = 5",
        "cell = [5]",
        "[cell]\nsge_root = '/x'",
        "[[cell]]",
        "host = ''\n" + CELL,
        "runtime_dir = 1\n" + CELL,
        CELL + "name = '../x'",
        CELL + "kind = 'slurm'",
        CELL + "sge_cell = ''",
        "[[cell]]\nsge_root = 'x'",
        "=",
    ],
)
def test_what_is_needed_and_wrong_is_a_config_error(tmp_path: Path, text: str) -> None:
    """Names that become paths are checked here as strictly as by the models."""
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        light_settings(file, {})
    assert str(file) in str(caught.value)


LEAVES = st.sampled_from(["/opt/sge", "default", "prod", "gridengine", "torque", "a b", "", 5, True, 1.5])
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "host": LEAVES,
        "runtime_dir": LEAVES,
        "cell": LEAVES
        | st.lists(
            st.dictionaries(
                st.sampled_from(["name", "kind", "sge_root", "sge_cell", "probe", "delay"]), LEAVES
            ),
            max_size=3,
        ),
    },
)
ENVIRONMENTS = st.dictionaries(
    st.sampled_from(["SGE_ROOT", "SGE_CELL", "SHADOWD_RUNTIME_DIR", "SGE_QMASTER_PORT"]),
    st.sampled_from(["/opt/sge", "x", "", "6444", "/"]),
)


@given(document=DOCUMENTS, environ=ENVIRONMENTS)
def test_both_readers_agree(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, object], environ: dict[str, str]
) -> None:
    """Whatever the models take, the light reader takes to be the same cells in the same places."""
    file = tmp_path_factory.getbasetemp() / "agree.toml"
    file.write_text("".join(f"{name} = {scalar(value)}\n" for name, value in document.items()))
    try:
        light = light_settings(file, environ)
    except ConfigError:
        with pytest.raises(ConfigError):
            load(file, environ)
        return
    try:
        full = load(file, environ)
    except ConfigError:
        return
    assert (light.host, light.runtime_dir) == (full.host, full.runtime_dir)
    assert [(c.name, c.kind, c.directory) for c in light.cells] == [
        (c.name, c.kind, c.place) for c in full.cells
    ]


@pytest.mark.parametrize(
    ("text", "port", "addresses"),
    [
        ("", None, {}),
        ('[cell.probe]\nport = 4711\naddresses = { H1 = "192.0.2.1" }\n', 4711, {"h1": "192.0.2.1"}),
        ('[cell.launch.environment]\nSGE_QMASTER_PORT = "4712"\n', 4712, {}),
        ("[cell.probe]\nport = 70000\naddresses = { h1 = 1 }\n", None, {}),
        ("probe = 1\nlaunch = 2\n", None, {}),
    ],
)
def test_how_a_master_is_reached(tmp_path: Path, text: str, port: int | None, addresses: object) -> None:
    """Port and addresses of the probe; what is wrong in there is for `run` to refuse."""
    (cell,) = light_settings(write(tmp_path, CELL + text), {}).cells
    assert (cell.port, cell.addresses) == (port, addresses)
