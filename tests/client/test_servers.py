"""A list of servers as people write it: what is understood, and what is refused with its place."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.client import Server, acl_hosts, job_name, parse_servers
from shadowd.client.servers import LARGEST
from shadowd.errors import ConfigError

LABEL = st.from_regex(r"[a-z0-9_][a-z0-9_-]{0,20}", fullmatch=True).filter(
    lambda word: set(word) - {"-", "_"}
)
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
ADDRESS = st.ip_addresses(v=6).map(str)
SERVER = st.builds(Server, NAME | ADDRESS, st.none() | st.integers(1, 65535))
BETWEEN = st.sampled_from([",", ", ", "\n", " ", "\t", ",\r\n", "\n\n", " # why\n", "\n# h0, h9\n"])


def hosts(text: bytes | str) -> list[str]:
    """Return the servers of a list as texts."""
    return [str(server) for server in parse_servers(text, "list")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("h1", ["h1"]),
        ("h1,h2", ["h1", "h2"]),
        (" h1 , h2 ,, h3, ", ["h1", "h2", "h3"]),
        ("h1\nh2\r\nh3\n", ["h1", "h2", "h3"]),
        ("# servers\nh1 # the first\n#h2\nh3", ["h1", "h3"]),
        ("h1:15002,h1,H1", ["h1:15002", "h1"]),
        ("h1.example.com.:1", ["h1.example.com.:1"]),
        ("192.0.2.1,192.0.2.1:65535", ["192.0.2.1", "192.0.2.1:65535"]),
        ("::1,[::2],[2001:db8::3]:15002", ["::1", "::2", "[2001:db8::3]:15002"]),
        ("[fe80::1%eth0]:1,fe80::2%eth0", ["[fe80::1%eth0]:1", "fe80::2%eth0"]),
        (b"h1\n", ["h1"]),
    ],
)
def test_what_is_a_list(text: bytes | str, found: list[str]) -> None:
    """Commas, blanks and lines divide; comments end a line; each server counts once."""
    assert hosts(text) == found


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", "list", "names no server"),
        ("\n \n# h1\n", "list", "names no server"),
        ("h1\nh2:0", "list:2", "'h2:0': no port"),
        ("h1:65536", "list", "no port"),
        ("h1:", "list", "no port"),
        ("h1:+1", "list", "no port"),
        ("h1:٣", "list", "is no text"),
        (":1", "list", "names no server"),
        ("-x", "list", "'-x' names no server"),
        ("a..b", "list", "names no server"),
        (".", "list", "names no server"),
        ("h1;h2", "list", "names no server"),
        ("$(reboot)", "list", "names no server"),
        ("[::1", "list", "names no server"),
        ("[::1]x", "list", "names no server"),
        ("[h1]:1", "list", "names no server"),
        ("1:2:3", "list", "names no server"),
        ("fe80::1%", "list", "names no server"),
        ("x" * 256, "list", "names no server"),
        ("hé", "list", "is no text"),
        ("h1\nh2\0", "list:2", "is no text"),
        (b"\x7fELF\x02\x01\x01", "list", "is no text"),
        (b"\xff\xfeh\x001\x00", "list", "is no text"),
        ("h1\u2028h2", "list", "is no text"),
        ("h1\x0bh2", "list", "is no text"),
        (b"h1," * LARGEST, "list", "is larger than"),
    ],
)
def test_what_is_none(text: bytes | str, place: str, reason: str) -> None:
    """The whole list is refused, with file, line, reason and remedy; nothing in it is passed over."""
    with pytest.raises(ConfigError) as refused:
        parse_servers(text, "list")
    assert refused.value.subject == place
    assert reason in refused.value.reason
    assert refused.value.remedy
    assert str(refused.value).isascii()


@given(st.lists(st.tuples(SERVER, BETWEEN), min_size=1, max_size=30))
def test_what_is_written_is_read(parts: list[tuple[Server, str]]) -> None:
    """Any servers, divided in any of the ways, come back in their order, each once."""
    text = "".join(f"{server}{between}" for server, between in parts)
    wanted = dict.fromkeys(server for server, _ in parts)
    assert list(parse_servers(text, "list")) == list(wanted)


@given(st.text() | st.binary())
def test_anything_is_a_list_or_an_error(text: bytes | str) -> None:
    """Whatever the content: servers that can be written and read again, or one kind of error."""
    try:
        found = parse_servers(text, "list")
    except ConfigError:
        return
    assert parse_servers(",".join(map(str, found)), "again") == found
    assert all(server.port is None or 1 <= server.port <= 65535 for server in found)


@given(st.text(alphabet="0123456789abcdef:.%[]", max_size=45))
def test_an_ipv6_address_is_one(word: str) -> None:
    """Nothing with two colons is a host but what the system takes for an address."""
    try:
        (server,) = parse_servers(word, "list")
    except ConfigError:
        return
    if ":" in server.host:
        socket.inet_pton(socket.AF_INET6, server.host.partition("%")[0])


@pytest.mark.parametrize("count", [1, 2, 500, 20_000])
def test_any_number_of_servers(count: int) -> None:
    """There is no limit but the size of a file."""
    assert len(parse_servers("\n".join(f"h{number}" for number in range(count)), "list")) == count


@pytest.mark.parametrize("sequence", ["12", "0", "12[]", "12[3]"])
def test_a_job_is_named_after_the_first_server(sequence: str) -> None:
    """Names outlive a takeover, for nobody asks who serves."""
    assert job_name(sequence, "h1") == f"{sequence}.h1"


@pytest.mark.parametrize("sequence", ["", "12.h2", "x", "-1", "12[", "12]", "12[x]", "12[3]4", "٣", "1" * 99])
def test_what_is_no_job_number(sequence: str) -> None:
    """A name that is complete, or none, is not completed."""
    with pytest.raises(ConfigError):
        job_name(sequence, "h1")


def test_acl_hosts_names_every_host_once() -> None:
    """Ports are not part of it."""
    servers = parse_servers("H1:15002,h1,h2.example.com.,192.0.2.1", "list")
    assert acl_hosts(servers) == (
        "set server acl_hosts += h1",
        "set server acl_hosts += h2.example.com",
        "set server acl_hosts += 192.0.2.1",
    )
