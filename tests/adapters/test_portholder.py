"""Who listens on a port of this host, by the kernel's own table."""

import os
import socket
from pathlib import Path

import pytest

from shadowd.adapters.portholder import listeners, port_holder
from tests.lab.net import Net

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   0: 00000000:{port:04X} 00000000:0000 {state} 0:0 00:00000000 00000000 {uid} 0 461514 1\n"


def test_who_listens_is_told_by_user(net: Net) -> None:
    """Ours is ours; of one whose programs are no masters the user is named; of a closed port nobody."""
    port = int(net.listener().getsockname()[1])
    assert list(listeners(port)) == [os.geteuid()]
    assert port_holder(port, {os.geteuid()}) == ""
    assert f"uid {os.geteuid()}" in port_holder(port, {65534})
    assert port_holder(net.closed_port(), ()) == ""


def test_a_listener_on_ipv6_holds_the_port_too() -> None:
    """The kernel has a table for each."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with listener:
        assert list(listeners(int(listener.getsockname()[1]))) == [os.geteuid()]


def test_only_listening_sockets_count_and_they_come_first(tmp_path: Path) -> None:
    """A hundred thousand connections are not read through."""
    table = tmp_path / "tcp"
    lines = [
        LINE.format(port=6444, state="0A", uid=65534),
        LINE.format(port=6444, state="01", uid=7),
        LINE.format(port=6444, state="0A", uid=8),
    ]
    table.write_text(HEAD + "".join(lines))
    assert list(listeners(6444, [table])) == [65534]
    assert port_holder(6444, {0}, [table]) == "nobody (uid 65534)"
    assert list(listeners(6445, [table])) == []


@pytest.mark.parametrize("text", ["", HEAD, HEAD + "garbage\n", HEAD + "a b c 0A e f g h\n", "\xff"])
def test_a_table_that_says_nothing_names_nobody(tmp_path: Path, text: str) -> None:
    """Missing, empty or unreadable: as far as can be seen there is none."""
    table = tmp_path / "tcp"
    table.write_bytes(text.encode("latin-1"))
    assert port_holder(6444, (), [table, tmp_path / "missing"]) == ""
