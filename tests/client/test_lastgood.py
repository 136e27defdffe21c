"""The server that answered last: asked first, never believed, and never a reason for trouble."""

import os
from pathlib import Path

import pytest

from shadowd.client import Server, locate, torque_list
from shadowd.client.lastgood import LastGood
from shadowd.client.sources import ServerList
from tests.lab.net import Net, hangs_up

LONG = 20.0


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a directory for local state."""
    made = tmp_path / "run"
    made.mkdir(mode=0o700)
    return made


def memory(place: Path | str) -> LastGood:
    """Return a memory there."""
    return LastGood({"SHADOWD_RUNTIME_DIR": str(place)})


def made(words: str) -> ServerList:
    """Return a list of servers."""
    return torque_list({}, words)


def test_what_was_kept_is_recalled_for_this_list_only(place: Path) -> None:
    """Each list has its own."""
    memory(place).keep(made("h1,h2:1"), Server("h2", 1))
    assert memory(place).recall(made("h1,h2:1")) == Server("h2", 1)
    assert memory(place).recall(made("h1,h3")) is None
    memory(place).keep(made("h1,h2:1"), Server("h1"))
    assert memory(place).recall(made("h1,h2:1")) == Server("h1")
    assert len(list(place.iterdir())) == 1


@pytest.mark.parametrize("content", ["", "h9", "h1,h2", "\0", "h1" * 9999, "$(x)"])
def test_whatever_else_lies_there_is_no_hint(place: Path, content: str) -> None:
    """A server that is not in the list is never asked."""
    servers = made("h1,h2")
    memory(place).keep(servers, Server("h1"))
    (file,) = place.iterdir()
    file.write_text(content)
    assert memory(place).recall(servers) is None


def test_a_link_and_a_fifo_are_no_hint(place: Path, tmp_path: Path) -> None:
    """Nor can they make a call hang."""
    servers = made("h1,h2")
    memory(place).keep(servers, Server("h1"))
    (file,) = place.iterdir()
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert memory(place).recall(servers) is None
    file.unlink()
    os.mkfifo(file)
    assert memory(place).recall(servers) is None


def test_a_directory_that_others_may_write_is_not_used(place: Path) -> None:
    """Somebody else's hints are not wanted."""
    place.chmod(0o777)
    memory(place).keep(made("h1,h2"), Server("h1"))
    assert list(place.iterdir()) == []


def test_a_missing_directory_is_made_and_an_impossible_one_is_no_error(tmp_path: Path) -> None:
    """What cannot be remembered is not."""
    memory(tmp_path / "new").keep(made("h1,h2"), Server("h1"))
    assert memory(tmp_path / "new").recall(made("h1,h2")) == Server("h1")
    for place in (tmp_path / "no" / "where", "/proc/1", "/a\0b", "relative"):
        memory(place).keep(made("h1,h2"), Server("h1"))
        assert memory(place).recall(made("h1,h2")) is None


def test_the_last_one_is_asked_in_the_first_moment_and_not_believed(net: Net, place: Path) -> None:
    """Behind a hung first it saves the stagger; when it is gone, the others are found as ever."""
    hung = f"127.0.0.1:{net.listener().getsockname()[1]}"
    second = f"127.0.0.1:{net.server(hangs_up)}"
    third = f"127.0.0.1:{net.server(hangs_up)}"
    gone = f"127.0.0.1:{net.closed_port()}"
    servers = made(f"{hung},{gone},{second},{third}")
    cache = memory(place)
    cache.keep(servers, servers.servers[3])
    assert str(locate(servers, cache=cache, probe_timeout=LONG).server) == third
    cache.keep(servers, servers.servers[1])
    assert str(locate(servers, cache=cache, probe_timeout=LONG).server) == second
    assert str(cache.recall(servers)) == second


def test_what_cannot_be_put_in_place_is_taken_away(place: Path) -> None:
    """A directory in the place of the file: no half-written hints are left."""
    servers = made("h1,h2")
    memory(place).keep(servers, Server("h1"))
    (file,) = place.iterdir()
    file.unlink()
    file.mkdir()
    memory(place).keep(servers, Server("h1"))
    assert list(place.iterdir()) == [file]
    assert memory(place).recall(servers) is None
