"""The description of a cell: bootstrap, the older configuration, ports; every error says what to do."""

import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.adapters import gridengine
from shadowd.adapters.gridengine import GridEngineCell, discover, host_names, qmaster_port
from shadowd.errors import CellError, ConfigError

BOOTSTRAP = """\
# Version: 8.1.9
admin_user              sgeadmin
default_domain          none
ignore_fqdn             true
spooling_method         classic
spooling_lib            libspoolc
spooling_params         /opt/sge/default/common;/opt/sge/default/spool/qmaster
binary_path             /opt/sge/bin
qmaster_spool_dir       /opt/sge/default/spool/qmaster
security_mode           none
"""
CONFIGURATION = """\
qmaster_spool_dir         /usr/SGE/default/spool/qmaster
execd_spool_dir           /usr/SGE/default/spool
binary_path               /usr/SGE/bin
mailer                    /usr/sbin/Mail
admin_user                none
"""


def installation(root: Path, name: str, text: str | bytes, cell: str = "default") -> Path:
    """Make an installation of one file and return its root."""
    common = root / cell / "common"
    common.mkdir(parents=True, exist_ok=True)
    (common / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return root


def test_bootstrap_describes_the_cell(tmp_path: Path) -> None:
    """The keys of bootstrap become the cell; 'none' is no domain."""
    common = tmp_path / "lab" / "common"
    assert discover(installation(tmp_path, "bootstrap", BOOTSTRAP, "lab"), "lab") == GridEngineCell(
        root=tmp_path,
        name="lab",
        common=common,
        spool=Path("/opt/sge/default/spool/qmaster"),
        admin_user="sgeadmin",
        binary_path=Path("/opt/sge/bin"),
        ignore_fqdn=True,
        default_domain=None,
        spooling=(Path("/opt/sge/default/common"), Path("/opt/sge/default/spool/qmaster")),
    )


def test_the_files_lie_where_grid_engine_has_them(tmp_path: Path) -> None:
    """Spool and common directory hold the files of GRIDENGINE.md, "Files"."""
    cell = discover(installation(tmp_path, "bootstrap", BOOTSTRAP))
    spool, common = Path("/opt/sge/default/spool/qmaster"), tmp_path / "default" / "common"
    assert cell.paths.lock == spool / "lock"
    assert cell.paths.beat == spool / "heartbeat"
    assert cell.paths.pid_file == spool / "qmaster.pid"
    assert cell.paths.active == common / "act_qmaster"
    assert cell.paths.shadows == common / "shadow_masters"
    assert cell.paths.state == spool / "shadowd"
    assert cell.environment == (("SGE_ROOT", str(tmp_path)), ("SGE_CELL", "default"))


def test_an_empty_cell_name_means_default(tmp_path: Path) -> None:
    """SGE_CELL defaults to 'default'."""
    assert discover(installation(tmp_path, "bootstrap", BOOTSTRAP), "").name == "default"


def test_the_older_configuration_counts_where_there_is_no_bootstrap(tmp_path: Path) -> None:
    """Releases 5.x keep spool directory and owner in common/configuration; none means root."""
    cell = discover(installation(tmp_path, "configuration", CONFIGURATION))
    assert cell.spool == Path("/usr/SGE/default/spool/qmaster")
    assert cell.admin_user is None
    assert cell.binary_path == Path("/usr/SGE/bin")
    assert cell.ignore_fqdn is True


def test_bootstrap_goes_before_configuration(tmp_path: Path) -> None:
    """Where both exist the older file does not count."""
    installation(tmp_path, "configuration", CONFIGURATION)
    assert discover(installation(tmp_path, "bootstrap", BOOTSTRAP)).admin_user == "sgeadmin"


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("ADMIN_USER Root2", "admin_user", "Root2"),
        ("admin_user NONE", "admin_user", None),
        ("ignore_fqdn 0", "ignore_fqdn", False),
        ("ignore_fqdn TRUE", "ignore_fqdn", True),
        ("default_domain example.com", "default_domain", "example.com"),
        ("\tqmaster_spool_dir\t/late/line   rest\r", "spool", Path("/late/line")),
        ("# qmaster_spool_dir /commented/out", "spool", Path("/opt/sge/default/spool/qmaster")),
        ("qmaster_spool_dir", "spool", Path("/opt/sge/default/spool/qmaster")),
        ("key_of_another_release x", "spool", Path("/opt/sge/default/spool/qmaster")),
    ],
)
def test_lines_are_read_as_grid_engine_reads_them(
    tmp_path: Path, line: str, field: str, value: object
) -> None:
    """Keys without case, the last line wins, comments and lines without a value are passed over."""
    cell = discover(installation(tmp_path, "bootstrap", f"{BOOTSTRAP}{line}\n"))
    assert getattr(cell, field) == value


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("qmaster_spool_dir", "#", "it has no qmaster_spool_dir"),
        ("admin_user", "#", "it has no admin_user"),
        ("ignore_fqdn", "#", "it has no ignore_fqdn"),
        ("ignore_fqdn             true", "ignore_fqdn maybe", "neither true nor false"),
        ("/opt/sge/default/spool/qmaster\ns", "spool/qmaster\ns", "no absolute path"),
        ("/opt/sge/bin", "bin", "no absolute path"),
        ("sgeadmin", "--help", "no user name"),
        ("sgeadmin", "a\0b", "binary"),
    ],
)
def test_a_value_that_cannot_be_is_an_error_with_a_remedy(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    """A missing or impossible value names the file, the reason and the remedy."""
    installation(tmp_path, "bootstrap", BOOTSTRAP.replace(old, new))
    with pytest.raises(CellError) as caught:
        discover(tmp_path)
    assert caught.value.subject == str(tmp_path / "default" / "common" / "bootstrap")
    assert reason in caught.value.reason
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["bootstrap", "configuration"])
@pytest.mark.parametrize("what", ["directory", "FIFO", "loop", "gigabyte"])
def test_a_description_that_is_no_file_is_an_error(tmp_path: Path, name: str, what: str) -> None:
    """A directory, a FIFO, a link to itself or a gigabyte in place of the file is named, at once."""
    path = tmp_path / "default" / "common" / name
    path.parent.mkdir(parents=True)
    if what == "directory":
        path.mkdir()
    elif what == "FIFO":
        os.mkfifo(path)
    elif what == "loop":
        path.symlink_to(path)
    else:
        path.touch()
        os.truncate(path, 1 << 30)
    with pytest.raises(CellError, match=str(path)):
        discover(tmp_path)


def test_no_installation_is_an_error_that_names_both_variables(tmp_path: Path) -> None:
    """Where neither file exists the remedy points to SGE_ROOT, SGE_CELL and the mount."""
    with pytest.raises(CellError, match="SGE_ROOT and SGE_CELL"):
        discover(tmp_path, "nowhere")


@pytest.mark.parametrize("cell", ["../up", "a/b", "..", "-x", "a\0b", "x" * 300])
def test_a_cell_name_is_no_path(tmp_path: Path, cell: str) -> None:
    """SGE_CELL may not lead out of SGE_ROOT."""
    with pytest.raises(CellError) as caught:
        discover(tmp_path, cell)
    assert caught.value.subject == "SGE_CELL"


def test_a_relative_root_is_refused() -> None:
    """SGE_ROOT counts from /: a daemon changes its directory."""
    with pytest.raises(CellError) as caught:
        discover(Path("sge"))
    assert caught.value.subject == "SGE_ROOT"


@given(data=st.binary() | st.binary().map(lambda tail: BOOTSTRAP.encode() + tail))
def test_no_bytes_break_discovery(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever bootstrap holds, the answer is a cell with an absolute spool, or an error."""
    root = installation(tmp_path_factory.getbasetemp() / f"bytes-{os.getpid()}", "bootstrap", data)
    with suppress(CellError):
        assert discover(root).spool.is_absolute()


def test_host_aliases_may_be_missing(tmp_path: Path) -> None:
    """A cell without host_aliases has no aliases."""
    cell = discover(installation(tmp_path, "bootstrap", BOOTSTRAP))
    assert host_names(cell).canonical("A.b") == "a"


def test_host_aliases_are_part_of_the_rules(tmp_path: Path) -> None:
    """The aliases beside bootstrap are read with it."""
    installation(tmp_path, "host_aliases", "head other\n")
    assert host_names(discover(installation(tmp_path, "bootstrap", BOOTSTRAP))).canonical("other") == "head"


def test_host_aliases_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    """Guessing at aliases would make one host two; so a directory in their place is an error."""
    cell = discover(installation(tmp_path, "bootstrap", BOOTSTRAP))
    (cell.common / "host_aliases").mkdir()
    with pytest.raises(CellError, match="host_aliases"):
        host_names(cell)


def test_the_port_comes_from_the_variable_first() -> None:
    """SGE_QMASTER_PORT goes before the services."""
    assert qmaster_port({"SGE_QMASTER_PORT": " 16444 "}) == 16444


def test_without_a_variable_the_services_or_iana_say_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unset or empty variable leaves it to the service sge_qmaster, else to 6444."""
    monkeypatch.setattr(gridengine, "_SERVICE", "no-such-service-anywhere")
    assert qmaster_port({}) == qmaster_port({"SGE_QMASTER_PORT": ""}) == 6444
    monkeypatch.setattr(gridengine, "_SERVICE", "ssh")
    assert qmaster_port({}) == socket.getservbyname("ssh", "tcp")


@pytest.mark.parametrize("text", ["0", "-1", "65536", "60abc", "6.4", "\u0661", "9" * 400, "six"])
def test_a_port_that_is_none_is_an_error_that_names_the_variable(text: str) -> None:
    """The ancestor takes the digits that it finds; a bad value here is an error."""
    with pytest.raises(ConfigError) as caught:
        qmaster_port({"SGE_QMASTER_PORT": text})
    assert caught.value.subject == "SGE_QMASTER_PORT"
    assert len(str(caught.value)) < 300
