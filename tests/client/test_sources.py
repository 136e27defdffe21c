"""Where TORQUE's list comes from: argument, environment, file, and what of it goes before what."""

import os
from pathlib import Path

import pytest

from shadowd.client import ServerList, torque_list
from shadowd.client.sources import HOMES, TORQUE, server_name
from shadowd.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a server_name of two servers."""
    made = tmp_path / "server_name"
    made.write_text("h1,h2\n")
    return made


def hosts(servers: ServerList) -> list[str]:
    """Return the servers as texts."""
    return [str(server) for server in servers.servers]


def test_an_argument_goes_before_everything(file: Path) -> None:
    """And it is the whole list."""
    found = torque_list({"PBS_DEFAULT": "h3"}, "h4", file=file)
    assert hosts(found) == ["h4"]
    assert found.origin == "--servers"


def test_the_file_is_the_list_where_nothing_is_set(file: Path) -> None:
    """An empty variable is none."""
    found = torque_list({"PBS_DEFAULT": ""}, file=file)
    assert hosts(found) == ["h1", "h2"]
    assert (found.first, found.origin) == ("h1", str(file))


@pytest.mark.parametrize("variable", ["PBS_DEFAULT", "PBS_SERVER"])
def test_one_name_in_the_environment_does_not_switch_failover_off(file: Path, variable: str) -> None:
    """The servers of the file come after it, unless that is asked for; jobs keep the cell's name."""
    found = torque_list({variable: "h2"}, file=file)
    assert hosts(found) == ["h2", "h1"]
    assert found.first == "h1"
    assert variable in found.origin
    assert str(file) in found.origin
    assert hosts(torque_list({variable: "h2"}, file=file, only=True)) == ["h2"]


def test_a_server_of_another_cell_gives_its_own_name(file: Path) -> None:
    """The file is tried after it, but its first name is not that of the jobs."""
    found = torque_list({"PBS_DEFAULT": "other"}, file=file)
    assert hosts(found) == ["other", "h1", "h2"]
    assert found.first == "other"


def test_a_list_in_the_environment_is_the_whole_list(file: Path) -> None:
    """Somebody who names several has thought of failover."""
    assert hosts(torque_list({"PBS_DEFAULT": "h3, h4", "PBS_SERVER": "h5"}, file=file)) == ["h3", "h4"]


def test_a_bad_file_is_a_note_where_the_environment_says_enough(tmp_path: Path) -> None:
    """The one name is tried; why nobody else is, is not kept back."""
    found = torque_list({"PBS_DEFAULT": "h3"}, file=tmp_path / "none")
    assert hosts(found) == ["h3"]
    assert found.notes == (f"{tmp_path / 'none'}: cannot be read: no such file or directory",)


def test_a_bad_variable_is_an_error_that_names_it(file: Path) -> None:
    """Nothing else is tried in its place."""
    with pytest.raises(ConfigError, match=r"PBS_DEFAULT: '\$x' names no server"):
        torque_list({"PBS_DEFAULT": "$x"}, file=file)


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "binary", "huge", "empty", "loop", "nul"])
def test_a_hostile_file_is_refused_with_its_name(tmp_path: Path, kind: str) -> None:
    """Never a hang, never half a list."""
    file = tmp_path / "server_name"
    match kind:
        case "directory":
            file.mkdir()
        case "fifo":
            os.mkfifo(file)
        case "binary":
            file.write_bytes(os.urandom(64) + b"\0\xff")
        case "huge":
            with file.open("wb") as stream:
                stream.truncate(1 << 40)
        case "empty":
            file.touch()
        case "loop":
            file.symlink_to(file)
        case "nul":
            file = tmp_path / "a\0b"
        case _:
            pass
    with pytest.raises(ConfigError) as refused:
        torque_list({}, file=file)
    assert refused.value.subject.startswith(str(tmp_path))
    assert refused.value.reason
    assert refused.value.remedy


def test_the_request_is_what_the_batch_protocol_has() -> None:
    """Protocol 2, version 2, request 59 (Disconnect), a user, no extension; counts as DIS writes them."""
    data = TORQUE.question("any").request.decode()

    def number() -> int:
        nonlocal data
        sign = data.index("+")
        digits = int(data[:sign]) if sign else 1
        value, data = int(data[sign + 1 : sign + 1 + digits]), data[sign + 1 + digits :]
        return value

    assert [number() for _ in range(3)] == [2, 2, 59]
    length = number()
    assert data[:length] == "shadowd"
    data = data[length:]
    assert number() == 0
    assert data == ""


def test_where_the_file_of_this_host_is(tmp_path: Path) -> None:
    """Below PBS_HOME, else in the first home that has one; where there is none, where it should be."""
    homes = tuple(str(tmp_path / name) for name in ("spool", "lib", "etc"))
    assert server_name({}, homes) == f"{homes[0]}/server_name"
    assert server_name({"PBS_HOME": "/pbs/"}, homes) == "/pbs/server_name"
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "server_name").write_text("h1\n")
    assert server_name({}, homes) == server_name({"PBS_HOME": "/pbs"}, homes) == f"{homes[2]}/server_name"
    assert HOMES == ("/var/spool/torque", "/var/lib/torque", "/etc/torque")


def test_a_list_comes_from_the_file_below_pbs_home(file: Path) -> None:
    """For whoever names no file."""
    assert hosts(torque_list({"PBS_HOME": str(file.parent)})) == ["h1", "h2"]
