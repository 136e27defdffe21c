"""Who serves: real sockets on loopback that answer, refuse, or accept and stay silent."""

import errno
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from shadowd.adapters.calling import Call, Heard, Sign
from shadowd.adapters.questions import ANYTHING
from shadowd.client import (
    Located,
    Missing,
    NotLocatedError,
    Sighting,
    State,
    locate,
    survey,
    torque_list,
    watch,
)
from shadowd.client.locating import serving
from shadowd.client.sources import TORQUE, ServerList
from shadowd.errors import CellError, ShadowdError
from tests.lab import processes
from tests.lab.net import Net, greets, hangs_up, says_ok
from tests.lab.processes import wait_for

LIMIT = 0.4
LONG = 20.0
"""A limit that must never be used up; what has to be quick must take a small part of it."""


def made(*words: str) -> ServerList:
    """Return a list of servers."""
    return torque_list({}, ",".join(words))


def states(sightings: tuple[Sighting, ...]) -> list[State]:
    """Return the states alone."""
    return [one.state for one in sightings]


def test_the_first_that_is_up_is_it(net: Net) -> None:
    """The second is not even asked."""
    second = net.listener("127.0.0.2")
    first, other = f"127.0.0.1:{net.server(hangs_up)}", f"127.0.0.2:{second.getsockname()[1]}"
    found = locate(made(first, other), probe_timeout=LONG)
    assert str(found.server) == first
    assert states(found.sightings) == [State.ANSWERS, State.UNASKED]
    assert found.seconds < LONG / 20
    second.setblocking(False)  # noqa: FBT003
    with pytest.raises(BlockingIOError):
        second.accept()


def test_the_request_reaches_the_server(net: Net) -> None:
    """Exactly the bytes of the protocol."""
    heard: list[bytes] = []

    def listen(client: socket.socket) -> None:
        heard.append(client.recv(100))
        client.send(b"+2+1")

    locate(made(f"127.0.0.1:{net.server(listen)}"))
    wait_for(lambda: heard, 10, "it was heard")
    assert heard == [TORQUE.question("any").request]


def test_the_first_is_down(net: Net) -> None:
    """A refused connection costs nothing: the next is asked at once."""
    second = f"127.0.0.1:{net.server(hangs_up)}"
    found = locate(made(f"127.0.0.1:{net.closed_port()}", second), probe_timeout=LONG)
    assert str(found.server) == second
    assert states(found.sightings) == [State.REFUSES, State.ANSWERS]
    assert "refused" in found.sightings[0].reason
    assert found.seconds < LONG / 20


def test_the_first_accepts_and_never_answers(net: Net) -> None:
    """That is no sign of life, and nobody waits for it."""
    hung = f"127.0.0.1:{net.listener().getsockname()[1]}"
    second = f"127.0.0.1:{net.server(hangs_up)}"
    found = locate(made(hung, second), probe_timeout=LONG)
    assert str(found.server) == second
    assert found.sightings[0].state is State.UNASKED
    assert found.seconds < LONG / 10


def test_both_are_down(net: Net) -> None:
    """The error lists all that was tried, each with its reason, when the time is over."""
    hung = f"127.0.0.1:{net.listener().getsockname()[1]}"
    closed = f"127.0.0.1:{net.closed_port()}"
    began = time.monotonic()
    with pytest.raises(NotLocatedError) as lost:
        locate(made(closed, hung, "nobody.invalid"), probe_timeout=LIMIT, timeout=3 * LIMIT)
    assert time.monotonic() - began >= 3 * LIMIT
    assert states(lost.value.sightings) == [State.REFUSES, State.SILENT, State.UNRESOLVABLE]
    text = str(lost.value)
    assert f"{closed} refuses: 127.0.0.1: connection refused" in text
    assert f"{hung} silent: 127.0.0.1 accepts, but gives no sign of life" in text
    assert "nobody.invalid unresolvable: " in text
    assert "hint: " in text
    assert lost.value.exit_code == 69


def test_a_timeout_of_nothing_asks_each_once(net: Net) -> None:
    """Each still gets its time to answer."""

    def slow(client: socket.socket) -> None:
        time.sleep(LIMIT / 2)
        hangs_up(client)

    port = net.server(slow)
    assert locate(made(f"127.0.0.1:{port}"), probe_timeout=LONG, timeout=0).server.port == port
    began = time.monotonic()
    with pytest.raises(NotLocatedError, match="at the first attempt"):
        locate(made(f"127.0.0.1:{net.closed_port()}"), probe_timeout=LONG, timeout=0)
    assert time.monotonic() - began < LONG / 4


def test_a_server_that_starts_is_waited_for(net: Net) -> None:
    """First nobody listens; then it listens and reads its state; then it answers."""
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))
    hung = net.listener()

    def begin() -> None:
        time.sleep(LIMIT)
        reserved.listen(50)
        time.sleep(2 * LIMIT)
        client, _ = reserved.accept()
        with client:
            hangs_up(client)

    threading.Thread(target=begin, daemon=True).start()
    port = reserved.getsockname()[1]
    with reserved:
        found = locate(
            made(f"127.0.0.1:{port}", f"127.0.0.1:{hung.getsockname()[1]}"),
            probe_timeout=LONG,
            timeout=2 * LONG,
        )
    assert found.server.port == port
    assert 2 * LIMIT < found.seconds < LONG


def test_an_orderly_close_is_an_answer_and_a_reset_is_none(net: Net) -> None:
    """The kernel resets what a dying process never accepted."""

    def closes(client: socket.socket) -> None:
        client.recv(100)

    def resets(client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    seen = survey(
        made(f"127.0.0.1:{net.server(closes)}", f"127.0.0.1:{net.server(resets)}"), probe_timeout=LONG
    )
    assert states(seen) == [State.ANSWERS, State.LISTENS]
    assert "answers by closing the connection" in seen[0].reason
    assert "reset" in seen[1].reason


def test_a_stranger_that_says_something_is_no_server(net: Net) -> None:
    """Anybody may listen where a server died; a reply of the batch protocol is known by its bytes."""

    def rejects(client: socket.socket) -> None:
        client.recv(100)
        client.sendall(b"+2+1+5+0+1")

    strange = f"127.0.0.1:{net.server(says_ok)}"
    seen = survey(made(strange, f"127.0.0.1:{net.server(rejects)}"), probe_timeout=LONG)
    assert states(seen) == [State.LISTENS, State.ANSWERS]
    assert "says something else than a master" in seen[0].reason


def test_a_reset_before_the_first_word_is_called_a_reset(net: Net) -> None:
    """The kernel says then that the endpoint is not connected, which tells nobody anything."""
    listener = net.listener()
    address, port = listener.getsockname()
    with socket.create_connection((address, port)) as client:
        ours, _ = listener.accept()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ours.close()
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET  # asked, and gone
        heard = Call(address, client, ANYTHING).turn()
    assert heard == Heard(Sign.LISTENS, f"{address}: connection reset by peer")


def test_an_ipv6_server_is_asked() -> None:
    """In brackets with its port, as ``locate`` prints it."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with listener:
        name = f"[::1]:{listener.getsockname()[1]}"

        def answer_once() -> None:
            client, _ = listener.accept()
            with client:
                hangs_up(client)

        threading.Thread(target=answer_once, daemon=True).start()
        assert str(locate(made(name)).server) == name


def test_a_frozen_server_is_not_taken_for_alive(net: Net) -> None:
    """The kernel accepts for it; thawed it is found again."""
    listener = net.listener()
    child = os.fork()
    if not child:
        while True:
            client, _ = listener.accept()
            hangs_up(client)
            client.close()
    name = f"127.0.0.1:{listener.getsockname()[1]}"
    try:
        assert locate(made(name)).server
        os.kill(child, signal.SIGSTOP)
        wait_for(lambda: processes.state(child) == "T", 5, "it is frozen")
        (seen,) = survey(made(name), probe_timeout=LIMIT)
        assert seen.state is State.SILENT
        os.kill(child, signal.SIGCONT)
        assert locate(made(name)).server
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_names_that_do_not_resolve_block_nobody(net: Net) -> None:
    """Neither one that is unknown nor one whose resolver hangs; the hung one is asked once."""
    release = threading.Event()
    asked: list[str] = []

    def resolver(name: str) -> list[str]:
        asked.append(name)
        if name == "hung":
            release.wait(60)
        if name in {"hung", "unknown"}:
            raise OSError(2, "no such name")
        return ["127.0.0.1"]

    port = net.server(hangs_up)
    names = made("hung", "unknown", f"here:{port}")
    try:
        found = locate(names, probe_timeout=LONG, resolver=resolver)
        assert found.server.host == "here"
        assert found.seconds < LONG / 10
        with pytest.raises(NotLocatedError) as lost:
            locate(made("hung", "unknown"), probe_timeout=LIMIT, timeout=4 * LIMIT, resolver=resolver)
        assert [one.reason for one in lost.value.sightings] == [
            "the resolver did not answer in time",
            "no such name",
        ]
        assert asked.count("hung") == 2  # once a search
        assert asked.count("unknown") > 2  # it may become known
    finally:
        release.set()


def test_a_host_answers_if_one_of_its_addresses_does(net: Net) -> None:
    """All are asked at once; one that hangs does not hide the other."""
    port = net.server(greets, "127.0.0.3")
    assert net.listener("127.0.0.2", port)
    found = locate(
        made(f"h1:{port}"), probe_timeout=LONG, resolver=lambda _: ["127.0.0.2", "127.0.0.4", "127.0.0.3"]
    )
    assert "127.0.0.3" in found.sightings[0].reason
    (seen,) = survey(made(f"h1:{port}"), probe_timeout=LIMIT, resolver=lambda _: ["127.0.0.4", "127.0.0.2"])
    assert seen.state is State.SILENT
    assert "127.0.0.4: connection refused" in seen.reason


@pytest.mark.parametrize("count", [1, 2, 500])
def test_the_last_of_many_is_found_behind_dead_ones(net: Net, count: int) -> None:
    """Refused connections cost nothing, however many there are."""
    closed = net.closed_port()
    dead = [f"127.1.{number // 250}.{number % 250 + 1}:{closed}" for number in range(count - 1)]
    found = locate(made(*dead, f"127.0.0.1:{net.server(hangs_up)}"), probe_timeout=LONG)
    assert found.server.host == "127.0.0.1"
    assert states(found.sightings).count(State.REFUSES) == count - 1
    assert found.seconds < LONG / 4


def test_the_last_of_many_is_found_behind_hung_ones(net: Net) -> None:
    """All are asked within a second; the descriptors that this takes are given back."""
    port = net.listener("0.0.0.0", backlog=2000).getsockname()[1]  # noqa: S104 - all of 127.0.0.0/8
    hung = [f"127.1.0.{number + 1}:{port}" for number in range(200)]
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    found = locate(made(*hung, f"127.0.0.1:{net.server(hangs_up)}"), probe_timeout=LONG)
    assert found.server.host == "127.0.0.1"
    assert found.seconds < LONG / 4
    # The servers of this test have descriptors of their own in this process, and close them when they like.
    assert len(os.listdir("/proc/self/fd")) < before + 10  # noqa: PTH208


def test_more_than_can_be_asked_at_once_are_asked_in_turns(net: Net) -> None:
    """Five hundred that hang: everybody is seen, and the last one, which answers, too."""
    port = net.listener("0.0.0.0", backlog=2000).getsockname()[1]  # noqa: S104 - all of 127.0.0.0/8
    hung = [f"127.1.{number // 250}.{number % 250 + 1}:{port}" for number in range(500)]
    seen = survey(made(*hung, f"127.0.0.1:{net.server(hangs_up)}"), probe_timeout=1)
    assert states(seen) == [State.SILENT] * 500 + [State.ANSWERS]
    assert serving(seen) == seen[-1].server


def test_what_cannot_be_asked_says_why() -> None:
    """An address of a family or scope that this host lacks is our trouble, not the server's."""
    (seen,) = survey(made("h1"), resolver=lambda _: ["no address"])
    assert seen.state is State.UNABLE
    assert "is no address" in seen.reason or "invalid" in seen.reason.lower()


def test_a_list_that_changes_is_read_again(net: Net) -> None:
    """Grid Engine's act_qmaster moves during a takeover; what cannot be read for a moment is no end."""
    servers = [made(f"127.0.0.1:{net.closed_port()}"), made(f"127.0.0.1:{net.server(hangs_up)}")]
    reads: list[int] = []

    def source() -> ServerList:
        reads.append(1)
        if len(reads) == 1:
            raise CellError("act_qmaster", "is empty")
        return servers[min(len(reads) - 2, 1)]

    assert locate(source, probe_timeout=LIMIT, timeout=LONG).server == servers[1].servers[0]
    assert len(reads) == 3
    reads.clear()
    with pytest.raises(CellError):
        locate(source, timeout=0)


def test_watch_tells_every_change_and_nothing_else(net: Net) -> None:
    """One server, then nobody, then another."""
    alive = threading.Event()
    alive.set()

    def answers(client: socket.socket) -> None:
        if alive.is_set():
            hangs_up(client)
        else:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))
    names = made(f"127.0.0.1:{net.server(answers)}", f"127.0.0.1:{reserved.getsockname()[1]}")
    with reserved:
        changes: Iterator[Located | Missing] = watch(names, probe_timeout=LIMIT, interval=0.02)
        first = next(changes)
        assert isinstance(first, Located)
        assert first.server == names.servers[0]
        alive.clear()
        nobody = next(changes)
        assert isinstance(nobody, Missing)
        assert states(nobody.sightings) == [State.LISTENS, State.REFUSES]
        reserved.listen()

        def answer_once() -> None:
            client, _ = reserved.accept()
            with client:
                hangs_up(client)

        threading.Thread(target=answer_once, daemon=True).start()
        second = next(changes)
        assert isinstance(second, Located)
        assert second.server == names.servers[1]


def test_watch_begins_with_an_error_and_survives_later_ones(net: Net) -> None:
    """What is wrong from the beginning is a mistake; what goes wrong later is news."""
    good = made(f"127.0.0.1:{net.server(hangs_up)}")
    trouble: list[ShadowdError] = [CellError("cell", "is not there")]

    def source() -> ServerList:
        if trouble:
            raise trouble[0]
        return good

    with pytest.raises(CellError):
        next(watch(source))
    kept = trouble.pop()
    changes = watch(source, interval=0.02)
    assert isinstance(next(changes), Located)
    trouble.append(kept)
    assert next(changes) == Missing("cell: is not there", ())


def test_nothing_but_the_standard_library_is_loaded() -> None:
    """``locate`` stands in front of every command of a job script."""
    program = (
        "import sys, shadowd.cli, shadowd.cli.locate\n"
        "alien = {'pydantic', 'structlog', 'watchdog', 'dataclasses', 'pathlib', 'subprocess', 'json'}\n"
        "ours = {'shadowd.core.values', 'shadowd.config', 'shadowd.console', 'shadowd.runtime'}\n"
        "print((alien | ours) & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, check=True, timeout=60)
    assert done.stdout == b"set()\n"
