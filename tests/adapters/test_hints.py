"""Hints: heard, sent, and harmless whatever comes."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.adapters import hints as module
from shadowd.adapters.addresses import own_addresses
from shadowd.adapters.hints import Hints, Place, Telling, decode, encode, parse, places
from tests.lab.processes import wait_for


class Ear:
    """One socket, with the cells that it woke and a clock that only the test moves."""

    def __init__(self, *served: str) -> None:
        self.now = 100.0
        self.woken: list[str] = []
        self.hints = Hints(0, serves=set(served).__contains__, woken=self.woken.append, clock=self.clock)
        self.port = self.hints.place()[0]
        self.asked = 0

    def clock(self) -> float:
        """Return the test's time."""
        return self.now

    def hear(self, *datagrams: bytes, address: str = "127.0.0.1") -> bool:
        """Send these and take a turn."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            for data in datagrams:
                sender.sendto(data, (address, self.port))
        return self.hints.turn()


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Give an ear of two cells."""
    made = Ear("prod", "test")
    yield made
    made.hints.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_hint_wakes_its_cell_over_both_families(ear: Ear, address: str) -> None:
    """One socket hears IPv4 and IPv6."""
    if address not in {"127.0.0.1", *own_loopback()}:
        pytest.skip("this machine has no IPv6")
    assert ear.hear(encode("prod"), address=address)
    assert ear.woken == ["prod"]
    assert ear.hints.patience() is None


def own_loopback() -> list[str]:
    """Return ``::1`` where it can be bound."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return []
    return ["::1"]


def test_a_cell_is_woken_once_a_second_and_the_last_hint_counts(ear: Ear) -> None:
    """What comes within the second wakes at its end, and not never."""
    ear.hear(*[encode("prod")] * 30)
    ear.now += 0.25
    ear.hear(*[encode("prod")] * 30)
    assert ear.woken == ["prod"]
    assert ear.hints.patience() == pytest.approx(0.75)
    ear.now += 0.75
    assert not ear.hints.turn()
    assert ear.woken == ["prod", "prod"]
    ear.now += 5
    ear.hear(encode("prod"))
    assert len(ear.woken) == 3


def test_nobody_is_woken_by_what_is_no_hint(ear: Ear) -> None:
    """Empty, huge, binary, of another cell, with a tail: read and forgotten."""
    huge = encode("prod") + b"x" * 60_000
    bad = [b"", huge, os.urandom(200), encode("alien"), encode("prod") + b"\n", b"shadowd hint 2 prod"]
    assert ear.hear(*bad)
    assert ear.woken == []
    assert not ear.hints.turn()


def test_a_flood_is_read_in_pieces(ear: Ear) -> None:
    """One turn reads a bounded number, and asks for a rest after it."""
    assert ear.hear(*[b"x"] * 100, encode("prod"))
    assert ear.woken == []
    assert ear.hints.turn()
    assert ear.woken == ["prod"]


def test_many_cells_are_woken_a_few_at_a_time() -> None:
    """A flood that names all cells of a big daemon makes it look at few of them in each turn."""
    many = Ear(*(f"c{number}" for number in range(20)))
    assert many.hear(*(encode(f"c{number}") for number in range(20)))
    assert len(many.woken) == 2
    turns = 1
    while many.hints.turn():
        turns += 1
    assert turns == 9
    assert sorted(many.woken) == sorted(f"c{number}" for number in range(20))
    many.hints.close()


@given(st.binary(max_size=200) | st.binary(max_size=80).map(lambda tail: b"shadowd hint 1 " + tail))
def test_whatever_comes_is_a_good_name_or_nothing(data: bytes) -> None:
    """No name with a path, a control sequence or a length that hurts."""
    name = decode(data)
    assert name is None or (len(name) <= 64 and name.isascii() and name.isprintable() and "/" not in name)


def test_a_thread_hears_and_wakes() -> None:
    """From a hint sent by the sending half to the call, on the real clock."""
    woken = threading.Event()
    hints = Hints(0, serves=lambda name: name == "prod", woken=lambda _: woken.set())
    hints.start()
    port, addresses = hints.place()
    assert addresses == own_addresses()[:8]
    hints.send("prod", (port, ("127.0.0.1", "192.0.2.255", "2001:db8::1")))
    assert woken.wait(10)


def test_without_ipv6_there_is_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without the other family serves hints all the same."""
    plain = socket.socket

    def old(family: int = -1, *rest: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return plain(family, *rest)

    monkeypatch.setattr(module.socket, "socket", old)
    woken: list[str] = []
    hints = Hints(0, serves=lambda _: True, woken=woken.append)
    hints.send("prod", (hints.place()[0], ("127.0.0.1", "::1")))
    assert hints.turn()
    assert woken == ["prod"]
    hints.close()


def test_a_port_that_is_taken_is_an_error() -> None:
    """The caller says so and goes without."""
    first = Hints(0, serves=bool, woken=print)
    with pytest.raises(OSError, match="in use"):
        Hints(first.place()[0], serves=bool, woken=print)
    first.close()


def record(**hints: Any) -> bytes:
    """Return a host's record with these words about hints."""
    return json.dumps({"format": 1, "hints": hints}).encode()


def test_places_are_those_of_the_other_hosts(tmp_path: Path) -> None:
    """Own record, older records and garbage are passed over; the others are told."""
    (tmp_path / "me.json").write_bytes(record(port=1, addresses=["192.0.2.1"]))
    (tmp_path / "h2.json").write_bytes(record(port=2, addresses=["192.0.2.2", "2001:db8::2"]))
    (tmp_path / "old.json").write_text('{"format": 1}')
    (tmp_path / "off.json").write_text('{"format": 1, "hints": null}')
    (tmp_path / "bad.json").write_bytes(b"\xff{")
    (tmp_path / ".h3.json").write_bytes(record(port=3, addresses=["192.0.2.3"]))
    os.mkfifo(tmp_path / "pipe.json")
    assert list(places(tmp_path, "me")) == [(2, ("192.0.2.2", "2001:db8::2"))]
    assert list(places(tmp_path / "none", "me")) == []


@pytest.mark.parametrize(
    "data",
    [
        b"[]", b"7", b"[" * 100_000, b'{"hints": []}', b'{"hints": {"port": 5}}',
        record(port=0, addresses=["192.0.2.1"]), record(port=True, addresses=["192.0.2.1"]),
        record(port=70000, addresses=["192.0.2.1"]), record(port=5, addresses="192.0.2.1"),
        record(port=5, addresses=["224.0.0.1", "255.255.255.255", "::", "ff02::1", "name", 7]),
        record(port=5, addresses=["fe80::1%eth0"]), record(port=5, addresses=[]),
    ],
)  # fmt: skip
def test_a_record_that_names_no_place_is_passed_over(data: bytes) -> None:
    """Nothing in a record makes a hint go to a group, to a name, or raise."""
    assert parse(data) is None


def test_a_record_names_a_few_addresses_at_most() -> None:
    """One record cannot make this host send to thousands."""
    place = parse(record(port=5, addresses=[f"192.0.2.{number}" for number in range(200)]))
    assert place is not None
    assert len(place[1]) == 8


class Desk:
    """A cell's telling with jobs that run when the test says."""

    def __init__(self, *found: Place, error: OSError | None = None) -> None:
        self.jobs: list[Callable[[], None]] = []
        self.sent: list[tuple[str, Place]] = []
        self.found = found
        self.error = error
        self.telling = Telling("prod", submit=self.jobs.append, places=self.places, send=self.send)

    def places(self) -> Iterator[Place]:
        """Yield what there is, then fail where that is wanted."""
        yield from self.found
        if self.error:
            raise self.error

    def send(self, cell: str, place: Place) -> None:
        """Keep what would be sent."""
        self.sent.append((cell, place))


HERE: Place = (5, ("192.0.2.5",))


def test_telling_is_left_to_a_worker_and_more_news_is_one() -> None:
    """Whoever wrote waits for nothing; while one is told, any number of news is one more round."""
    desk = Desk(HERE)
    for _ in range(5):
        desk.telling.tell()
    assert desk.sent == []
    assert len(desk.jobs) == 1
    desk.jobs.pop()()
    assert desk.sent == [("prod", HERE)]
    desk.jobs.pop()()
    assert desk.sent == [("prod", HERE)] * 2
    assert desk.jobs == []
    desk.telling.tell()
    assert len(desk.jobs) == 1


def test_a_telling_that_fails_is_a_hint_that_was_lost() -> None:
    """The next one is told as usual."""
    desk = Desk(HERE, error=OSError(5, "Input/output error"))
    desk.telling.tell()
    desk.jobs.pop()()
    desk.telling.tell()
    desk.jobs.pop()()
    assert desk.sent == [("prod", HERE)] * 2


def test_the_kernel_tells_the_addresses_of_this_host() -> None:
    """Each can be bound, and loopback is named only where there is nothing else."""
    found = own_addresses()
    assert found
    for address in found:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as mine:
            mine.bind((address, 0))
    assert len(found) == 1 or "127.0.0.1" not in found


def test_in_a_host_without_a_network_it_is_loopback() -> None:
    """So two daemons on a lonely machine still hear each other."""
    import subprocess
    import sys

    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    ask = "from shadowd.adapters.addresses import own_addresses as a; print(a())"
    up = f'ip link set lo up && exec "$0" -c "{ask}"'
    argv = ["unshare", "--net", "sh", "-c", up, sys.executable]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1" in done.stdout


def test_a_kernel_that_does_not_answer_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox may forbid the question."""

    def forbidden(*_: Any) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module.socket, "socket", forbidden)
    assert own_addresses() == ()


def test_the_ear_gives_up_nothing_on_a_reported_error(ear: Ear) -> None:
    """A refused datagram of ours may come back as an error of the next read."""
    ear.hints.send("prod", (9, ("127.0.0.1",)))
    ear.hear(encode("test"))
    wait_for(lambda: ear.hints.turn() or ear.woken == ["test"], 10, "the hint after an error")
    assert ear.woken == ["test"]
