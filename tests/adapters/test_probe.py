"""The probe against real sockets on loopback."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress

import pytest

from shadowd.adapters.addresses import is_own, own_addresses
from shadowd.adapters.calling import Question
from shadowd.adapters.hostaddresses import HostAddresses, Machine
from shadowd.adapters.probe import TcpProbe
from shadowd.adapters.questions import TORQUE, greeting, site
from shadowd.adapters.resolving import Resolver, system_resolver
from shadowd.adapters.returning import returns_here
from shadowd.core.values import Host, ProbeOutcome
from tests.lab import processes
from tests.lab.net import CONNECTED, Net, greets, hangs_up, says_ok, shuts
from tests.lab.processes import wait_for

HERE = Host("alpha")
LIMIT = 0.4


def at(
    configured: Mapping[str, str] | None = None,
    resolver: Resolver = system_resolver,
    own: Callable[[str], bool] = lambda _: False,
) -> HostAddresses:
    """Make the addresses of a cell whose hosts left no record; this host is another one."""
    return HostAddresses(
        Host("omega"),
        Machine("m", "b"),
        configured=configured or {},
        resolver=resolver,
        record=lambda _: None,
        listed=lambda _: False,
        own=own,
    )


def _of_another(_address: str, _port: int, _timeout: float) -> bool:
    """Take a connection for one to another host."""
    return False


def probe(port: int, address: str = "127.0.0.1", timeout: float = LIMIT) -> TcpProbe:
    """Make a probe without qping."""
    return TcpProbe(port, timeout, at({HERE: address}), None, {})


def test_a_server_that_speaks_answers(net: Net) -> None:
    """Any byte is a sign of life."""
    outcome, detail = probe(net.server(says_ok), timeout=10).ask(HERE)
    assert outcome is ProbeOutcome.ANSWERS
    assert "127.0.0.1" in detail


def test_a_master_is_heard_out(net: Net) -> None:
    """It says goodbye after its reply, and complains in its log of a caller who has left by then."""
    ends: list[BaseException | None] = []

    def slow(client: socket.socket) -> None:
        client.recv(4096)
        reply, farewell = CONNECTED[:190], CONNECTED[190:]
        client.sendall(reply)
        time.sleep(0.3)
        try:
            for _ in range(3):
                client.sendall(farewell)
                time.sleep(0.05)
            ends.append(None)
        except OSError as error:
            ends.append(error)

    question = greeting("alpha", "beta")
    found = TcpProbe(net.server(slow), 10, at({HERE: "127.0.0.1"}), None, {}, question=lambda _: question)
    assert found.ask(HERE)[0] is ProbeOutcome.ANSWERS
    wait_for(lambda: ends, 5, "the master has said all")
    assert ends == [None]


def test_a_server_that_closes_answers(net: Net) -> None:
    """So does sge_qmaster to what is no message."""
    assert probe(net.server(shuts), timeout=10).ask(HERE)[0] is ProbeOutcome.ANSWERS


def test_a_server_that_resets_is_somebody_and_no_answer(net: Net) -> None:
    """Closing with unread bytes resets the connection, and so does the kernel for one that dies."""

    def slam(client: socket.socket) -> None:
        client.recv(1)

    assert probe(net.server(slam), timeout=10).ask(HERE)[0] is ProbeOutcome.LISTENS


def frames(data: bytes) -> list[bytes]:
    """Return the messages of commlib frames, each as long as its frame says; what follows a header is its."""
    found = []
    while data:
        head, _, rest = data.partition(b"</gmsh>")
        length = int(head.removeprefix(b"<gmsh><dl>").removesuffix(b"</dl>"))
        message, data = rest[:length], rest[length:]
        if b"<mih " in message:
            size = int(message.partition(b"<dl>")[2].partition(b"</dl>")[0])
            found.append(data[:size])
            data = data[size:]
        else:
            found.append(message)
    return found


def test_what_a_grid_engine_master_is_sent_are_whole_frames() -> None:
    """The stated lengths are those of the contents: sge_qmaster must not wait for more, nor complain."""
    connect, farewell = frames(greeting("alpha.lab", "beta.lab").request)
    assert connect.startswith(b'<cm version="0.4"><df>bin</df><ct>message</ct><dst host="alpha.lab" ')
    assert connect.endswith(b"</cm>")
    assert b'<rdata host="beta.lab" comp="qping" id="0">' in connect
    assert farewell == b'<ccm version="0.1"></ccm>'
    assert b'host=""' in frames(greeting('a"><x', "beta").request)[0]


def strange(question: Question) -> list[Callable[[socket.socket], None]]:
    """Return how strangers behave who are no master of this kind."""
    return [says_ok, shuts] if not question.close_answers else [says_ok]


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        (greeting("alpha", "beta"), greets),
        (TORQUE, hangs_up),
        (site("PING", "ok"), says_ok),
    ],
    ids=["gridengine", "torque", "generic"],
)
def test_an_answer_is_one_of_the_masters_protocol(
    net: Net, question: Question, answers: Callable[[socket.socket], None]
) -> None:
    """A listener that says nothing is silent; one that says something else, or closes, listens."""

    def outcome(port: int, timeout: float = 10) -> ProbeOutcome:
        made = TcpProbe(port, timeout, at({HERE: "127.0.0.1"}), None, {}, question=lambda _: question)
        return made.ask(HERE)[0]

    assert outcome(net.server(answers)) is ProbeOutcome.ANSWERS
    for stranger in [greets] if question.answer == b"ok" else strange(question):
        assert outcome(net.server(stranger)) is ProbeOutcome.LISTENS
    assert outcome(int(net.listener().getsockname()[1]), LIMIT) is ProbeOutcome.SILENT


def test_without_expect_nobody_of_a_generic_cell_answers(net: Net) -> None:
    """Nobody can tell what an answer is, so whoever does anything listens."""
    for stranger in (says_ok, shuts, greets):
        port = net.server(stranger)
        made = TcpProbe(port, 10, at({HERE: "127.0.0.1"}), None, {}, question=lambda _: site(None, None))
        assert made.ask(HERE)[0] is ProbeOutcome.LISTENS


def test_a_stranger_that_talks_without_end_is_cut_off(net: Net) -> None:
    """No more than 4 KiB are read of it, and one that dribbles has the one limit."""

    def babbles(client: socket.socket) -> None:
        with suppress(OSError):
            client.sendall(b"x" * 1_000_000)

    def dribbles(client: socket.socket) -> None:
        client.recv(4096)
        with suppress(OSError):
            client.sendall(b"x")
            client.recv(1)

    for stranger, limit in ((babbles, 10.0), (dribbles, LIMIT)):
        port = net.server(stranger)
        made = TcpProbe(port, limit, at({HERE: "127.0.0.1"}), None, {}, question=lambda _: TORQUE)
        assert made.ask(HERE)[0] is ProbeOutcome.LISTENS


def test_a_closed_port_refuses(net: Net) -> None:
    """Nobody is there, and the kernel says so."""
    outcome, detail = probe(net.closed_port(), timeout=10).ask(HERE)
    assert outcome is ProbeOutcome.REFUSES
    assert "refused" in detail


def test_an_accepting_but_silent_server_is_silent(net: Net) -> None:
    """The kernel accepts for a process that is frozen."""
    outcome, detail = probe(int(net.listener().getsockname()[1])).ask(HERE)
    assert outcome is ProbeOutcome.SILENT
    assert "no sign of life" in detail


def test_a_full_backlog_is_silent(net: Net) -> None:
    """After some connections the kernel accepts no more for a frozen process."""
    listener = net.listener(backlog=0)
    port = int(listener.getsockname()[1])
    with ExitStack() as stack:
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex(("127.0.0.1", port))
        outcome, detail = probe(port).ask(HERE)
    assert outcome is ProbeOutcome.SILENT
    assert "does not accept" in detail


def test_a_frozen_process_is_silent_and_a_thawed_one_answers(net: Net) -> None:
    """The same process, stopped and continued."""
    listener = net.listener()
    child = os.fork()
    if not child:
        while True:
            client, _ = listener.accept()
            says_ok(client)
            client.close()
    asked = probe(int(listener.getsockname()[1]), timeout=LIMIT)
    patient = probe(int(listener.getsockname()[1]), timeout=10)
    try:
        assert patient.ask(HERE)[0] is ProbeOutcome.ANSWERS
        os.kill(child, signal.SIGSTOP)
        wait_for(lambda: processes.state(child) == "T", 5, "it is frozen")
        assert asked.ask(HERE)[0] is ProbeOutcome.SILENT
        os.kill(child, signal.SIGCONT)
        assert patient.ask(HERE)[0] is ProbeOutcome.ANSWERS
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_the_liveliest_address_speaks_for_the_host(net: Net) -> None:
    """A host with several addresses answers if one of them does; all share one limit."""
    port = net.server(says_ok, "127.0.0.3")
    silent = net.listener("127.0.0.2", port)
    assert silent

    def ask(*addresses: str) -> ProbeOutcome:
        made = TcpProbe(port, LIMIT, at(resolver=lambda _: list(addresses)), None, {}, returns=_of_another)
        return made.ask(HERE)[0]

    assert ask("127.0.0.4", "127.0.0.2", "127.0.0.3") is ProbeOutcome.ANSWERS
    assert ask("127.0.0.4", "127.0.0.2") is ProbeOutcome.SILENT
    assert ask("127.0.0.4", "127.0.0.5") is ProbeOutcome.REFUSES
    assert ask("::1", "127.0.0.4") is ProbeOutcome.REFUSES


def test_what_answers_by_our_own_address_is_here(net: Net) -> None:
    """Our master's host has one more name: that is no master of another host."""
    port = net.server(says_ok, "127.0.0.3")

    def ask(*addresses: str) -> tuple[ProbeOutcome, str]:
        own = {"127.0.0.3", "127.0.0.4"}
        where = at(resolver=lambda _: list(addresses), own=own.__contains__)
        return TcpProbe(port, 10, where, None, {}, returns=_of_another).ask(HERE)

    outcome, detail = ask("127.0.0.4", "127.0.0.3")
    assert (outcome, "127.0.0.3" in detail, "this host" in detail) == (ProbeOutcome.HERE, True, True)
    assert ask("127.0.0.3", "127.0.0.5")[0] is ProbeOutcome.REFUSES, "the other host is asked, not we"


def test_a_loopback_address_that_refuses_says_nothing_of_another_host(net: Net) -> None:
    """A hosts file that gives the master's name to 127.0.1.1 must not make it look dead."""
    where = at(resolver=lambda _: ["127.0.1.1"], own=lambda _: True)
    outcome, detail = TcpProbe(net.closed_port(), 10, where, None, {}).ask(HERE)
    assert outcome is ProbeOutcome.UNRESOLVABLE
    assert "alpha leads to 127.0.1.1, an address of this host" in detail


def test_a_connection_that_comes_back_to_this_host_is_here(net: Net) -> None:
    """The address is another one's, and our own process listens behind it: a route may lead back."""
    addresses = ["127.0.0.3", "127.0.0.4", "127.0.0.5"]
    port = net.server(says_ok, "127.0.0.3")

    def ask(*, returns: Callable[[str, int, float], bool | None] = returns_here) -> ProbeOutcome:
        where = at(resolver=lambda _: addresses)
        return TcpProbe(port, 10, where, None, {}, returns=returns).ask(HERE)[0]

    assert ask() is ProbeOutcome.HERE
    assert ask(returns=_of_another) is ProbeOutcome.ANSWERS
    second = net.server(says_ok, "127.0.0.4", port)
    assert second == port
    only_one = {"127.0.0.3": True, "127.0.0.4": False, "127.0.0.5": None}
    assert ask(returns=lambda address, _port, _left: only_one[address]) is ProbeOutcome.ANSWERS


def test_only_an_established_connection_comes_back(net: Net) -> None:
    """Where there is none, nothing is known; a port that was connected beforehand proves nothing."""
    assert returns_here("127.0.0.1", net.closed_port(), 10) is None
    assert returns_here("127.0.0.1", 70000, 10) is None
    assert returns_here("no address", 1, 10) is None
    port = int(net.listener("127.0.0.1").getsockname()[1])
    assert returns_here("127.0.0.1", port, 10) is True


def test_an_address_of_the_configuration_is_believed(net: Net) -> None:
    """Whoever writes it there means it, on this host too."""
    where = at({HERE: "127.0.0.1"}, own=lambda _: True)
    assert TcpProbe(net.server(says_ok), 10, where, None, {}).ask(HERE)[0] is ProbeOutcome.ANSWERS


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.1.1", "::1", "::ffff:127.0.0.1", "::"])
def test_loopback_is_ours(address: str) -> None:
    """Whatever name it was given."""
    assert is_own(address)


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth9", "", "alpha"]
)
def test_what_the_kernel_does_not_list_is_not_ours(address: str) -> None:
    """Addresses that are reserved for documentation are nobody's, and a name is none."""
    assert not is_own(address)


def test_each_address_of_an_interface_is_ours() -> None:
    """Those that others reach us by are among them."""
    assert own_addresses()
    assert all(map(is_own, own_addresses()))


def test_many_silent_addresses_cost_one_limit(net: Net) -> None:
    """Eight addresses are asked at once."""
    listeners = [net.listener("127.0.0.10")]
    port = int(listeners[0].getsockname()[1])
    addresses = [f"127.0.0.{number}" for number in range(10, 18)]
    listeners += [net.listener(address, port) for address in addresses[1:]]
    began = time.monotonic()
    made = TcpProbe(port, LIMIT, at(resolver=lambda _: addresses), None, {})
    assert made.ask(HERE)[0] is ProbeOutcome.SILENT
    assert time.monotonic() - began < 4 * LIMIT


def test_a_name_without_an_address_is_doubt() -> None:
    """The reserved top level ``invalid`` never resolves."""
    outcome, detail = TcpProbe(1, 10, at(), None, {}).ask(Host("nobody.invalid"))
    assert outcome is ProbeOutcome.UNRESOLVABLE
    assert "nobody.invalid" in detail


@pytest.mark.parametrize("name", ["", "a" * 300, "a..b", "\x00", "ä" * 70, "-x"])
def test_what_is_no_name_is_doubt(name: str) -> None:
    """Whatever act_qmaster says, the answer is a value."""
    outcome, _ = TcpProbe(1, 10, at(), None, {}).ask(Host(name or "\n"))
    assert outcome is ProbeOutcome.UNRESOLVABLE


def test_a_resolver_that_hangs_is_doubt_within_the_limit() -> None:
    """The thread is abandoned, and a second question does not start a second one."""
    release = threading.Event()
    asked: list[str] = []

    def hang(name: str) -> list[str]:
        asked.append(name)
        release.wait(30)
        return []

    made = TcpProbe(1, LIMIT, at(resolver=hang), None, {})
    try:
        assert made.ask(HERE)[0] is ProbeOutcome.UNRESOLVABLE
        assert made.ask(HERE)[0] is ProbeOutcome.UNRESOLVABLE
        assert asked == ["alpha"]
    finally:
        release.set()


def test_a_resolver_that_recovers_is_asked_again(net: Net) -> None:
    """An abandoned question does not bar the name for ever."""
    release = threading.Event()

    def slow(_: str) -> list[str]:
        release.wait(30)
        return ["127.0.0.1"]

    made = TcpProbe(net.server(says_ok), LIMIT, at(resolver=slow), None, {}, returns=_of_another)
    assert made.ask(HERE)[0] is ProbeOutcome.UNRESOLVABLE
    release.set()
    wait_for(lambda: made.ask(HERE)[0] is ProbeOutcome.ANSWERS, 10, "it answers")


def test_what_cannot_be_asked_is_doubt() -> None:
    """A port that does not exist is our mistake, not the master's absence."""
    outcome, detail = probe(70000).ask(HERE)
    assert outcome is ProbeOutcome.UNRESOLVABLE
    assert "could not be asked" in detail
