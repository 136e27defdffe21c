"""The hosts of a Grid Engine cell as a list of servers, and a master found among them."""

import socket
import threading
import time
from pathlib import Path

import pytest

from shadowd.adapters.questions import greeting
from shadowd.client import NotLocatedError, State, locate, parse_servers
from shadowd.client.gridengine import CellSource, gridengine_list, named_list
from shadowd.config.light import LightCell, light_settings
from shadowd.errors import CellError
from tests.console.handmade import HandMade, handmade
from tests.lab.net import CONNECTED, Net, greets, shuts

LONG = 20.0


@pytest.fixture
def made(tmp_path: Path) -> HandMade:
    """Give a cell whose master is h1 and whose second shadow host is h2."""
    return handmade(tmp_path)


def cell(made: HandMade, **probe: object) -> LightCell:
    """Return the cell as its configuration describes it."""
    addresses = {"h1": "127.0.0.2", "h2": "127.0.0.3", "h3": "127.0.0.4"}
    spelt = ", ".join(f'{name} = "{address}"' for name, address in addresses.items())
    keys = [*(f"{key} = {value}" for key, value in probe.items()), f"addresses = {{ {spelt} }}"]
    before, _, _ = made.config.read_text().partition("probe = {")
    made.config.write_text("\n".join((before, "[cell.probe]", *keys)) + "\n")
    return light_settings(made.config, {}).cells[0]


def names(made: HandMade, *, only: bool = False) -> list[str]:
    """Return the hosts in their order."""
    found = light_settings(made.config, {}).cells[0]
    return [server.host for server in gridengine_list(found, {}, only=only).servers]


def test_the_master_comes_first_then_the_shadows(made: HandMade) -> None:
    """Each once, as the cell's files spell it."""
    made.shadows("h2", "h1.example.com", "h3")
    assert names(made) == ["h1", "h2", "h3"]
    assert names(made, only=True) == ["h1"]
    made.active("h3.example.com")
    assert names(made) == ["h3.example.com", "h2", "h1.example.com"]


def test_what_cannot_be_read_is_a_note_or_an_error(made: HandMade) -> None:
    """One of the two files is enough to go on."""
    (made.common / "act_qmaster").write_text("")
    found = light_settings(made.config, {}).cells[0]
    listed = gridengine_list(found, {})
    assert [server.host for server in listed.servers] == ["h1", "h2"]
    assert "act_qmaster: " in listed.notes[0]
    with pytest.raises(CellError, match="act_qmaster"):
        gridengine_list(found, {}, only=True)
    (made.common / "shadow_masters").unlink()
    with pytest.raises(CellError, match="act_qmaster"):
        gridengine_list(found, {})


def test_the_port_is_the_cell_s(made: HandMade) -> None:
    """From the file; else from the environment, as the programs of the cell take it."""
    plain = light_settings(made.config, {}).cells[0]
    assert gridengine_list(plain, {"SGE_QMASTER_PORT": "4711"}).protocol.port == 4711
    assert gridengine_list(cell(made, port=4712), {"SGE_QMASTER_PORT": "4711"}).protocol.port == 4712


def test_a_master_is_greeted_and_found_where_it_is(net: Net, made: HandMade) -> None:
    """By its own protocol. act_qmaster may still name the old one."""
    heard: list[bytes] = []

    def answers(client: socket.socket) -> None:
        heard.append(client.recv(4096))
        client.sendall(CONNECTED)

    port = net.server(answers, "127.0.0.3")
    hung = net.listener("127.0.0.2", port)
    assert hung
    found = locate(CellSource(cell(made, port=port), {}, LONG), probe_timeout=LONG)
    assert found.server.host == "h2"
    assert found.seconds < LONG / 10
    assert heard == [greeting("h2", "h2").request]


def test_a_stranger_on_the_dead_masters_port_does_not_serve(net: Net, made: HandMade) -> None:
    """Any user may listen there, say something or close: the client goes on to the host that serves."""
    port = net.server(greets, "127.0.0.3")
    net.server(shuts, "127.0.0.2", port)
    source = CellSource(cell(made, port=port), {}, LONG)
    found = locate(source, probe_timeout=LONG)
    assert found.server.host == "h2"
    assert found.sightings[0].state is State.LISTENS
    assert "listens, and closes the connection without a reply" in found.sightings[0].reason


def test_a_takeover_is_followed_while_waiting(net: Net, made: HandMade) -> None:
    """With ``only`` the new master is asked as soon as act_qmaster names it."""
    port = net.server(greets, "127.0.0.4")
    source = CellSource(cell(made, port=port), {}, LONG, only=True)
    threading.Timer(0.3, made.active, ["h3"]).start()
    assert locate(source, probe_timeout=0.2, timeout=LONG).server.host == "h3"
    made.active("h2")
    with pytest.raises(NotLocatedError) as lost:
        locate(source, probe_timeout=0.2, timeout=0)
    assert [one.state for one in lost.value.sightings] == [State.REFUSES]


def test_a_shared_directory_that_hangs_ends_in_words(made: HandMade, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reader is left behind, not one a call; and what was read before still counts."""
    release = threading.Event()
    began: list[float] = []

    def hang(*_: object, **__: object) -> None:
        began.append(time.monotonic())
        release.wait(60)
        raise CellError("cell", "thawed")

    found = cell(made)
    known = CellSource(found, {}, 0.2)
    assert known().notes == ()
    monkeypatch.setattr("shadowd.client.gridengine.gridengine_list", hang)
    source = CellSource(found, {}, 0.2)
    for _ in range(3):
        with pytest.raises(CellError, match="the file system hangs"):
            source()
    assert len(began) == 1
    assert "the file system hangs" in known().notes[0]
    assert [server.host for server in known().servers] == ["h1", "h2"]
    release.set()
    with pytest.raises(CellError, match="thawed"):
        CellSource(found, {}, LONG)()


def test_a_cell_that_is_not_there_is_an_error(made: HandMade) -> None:
    """Its own words say what is missing."""
    (made.common / "bootstrap").unlink()
    with pytest.raises(CellError, match="bootstrap"):
        CellSource(light_settings(made.config, {}).cells[0], {}, LONG)()


def test_hosts_can_be_named_by_hand(net: Net) -> None:
    """Without any cell's files."""
    servers = parse_servers(f"127.0.0.1:{net.server(greets)}", "list")
    assert locate(named_list(servers, {})).servers.protocol.kind == "gridengine"
