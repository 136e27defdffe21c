"""Where a name leads, and whether that is this host: names, addresses and host records of two machines."""

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from shadowd.adapters.hostaddresses import (
    HostAddresses,
    HostRecord,
    Machine,
    Reached,
    line_of,
    parse_record,
    read_record,
)
from shadowd.core.values import Host

HERE, THERE = Host("alpha"), Host("beta")
MACHINE, OTHER = Machine("m-alpha", "b-alpha"), Machine("m-beta", "b-beta")
OURS = ("192.0.2.1", "2001:db8::1")
THEIRS = "192.0.2.2"
LOOPBACK = "127.0.1.1"
NOBODY = HostRecord(OTHER)
LIMIT = 10.0


def find(
    host: Host,
    found: Iterable[str] = (),
    record: HostRecord | None = None,
    *,
    listed: bool = False,
    configured: Mapping[str, str] | None = None,
) -> Reached:
    """Find a host on the machine ``alpha`` whose resolver gives these addresses."""
    made = HostAddresses(
        HERE,
        MACHINE,
        configured=configured or {},
        resolver=lambda _: list(found),
        record=lambda _: record,
        listed=lambda _: listed,
        own=lambda address: address in OURS or address.startswith("127."),
        ours=lambda: OURS,
    )
    return made.find(host, LIMIT)


def test_another_host_is_asked_at_its_addresses() -> None:
    """As the resolver gives them, whatever its record says."""
    assert find(THERE, [THEIRS], HostRecord(OTHER, ("192.0.2.9",))) == Reached((THEIRS,), at="beta")


def test_our_addresses_are_dropped_beside_those_of_another_host() -> None:
    """The rest is asked, and no program is given the name, which it would look up by itself."""
    assert find(THERE, [LOOPBACK, THEIRS]) == Reached((THEIRS,))


@pytest.mark.parametrize("found", [[], [LOOPBACK], ["192.0.2.1"]], ids=["nothing", "loopback", "ours"])
def test_the_addresses_of_its_record_serve_where_the_name_has_no_other(found: list[str]) -> None:
    """The name of a dead host is gone, or leads to ourselves: it said itself where it was reached."""
    record = HostRecord(OTHER, ("127.0.0.1", "192.0.2.1", THEIRS))
    reached = find(THERE, found, record)
    assert (reached.addresses, reached.here, reached.at) == ((THEIRS,), False, "")
    assert reached.wrong.startswith("beta leads to" if found else "beta has no address on this host")


@pytest.mark.parametrize("address", [LOOPBACK, "192.0.2.1"])
@pytest.mark.parametrize(("record", "listed"), [(NOBODY, False), (None, True), (HostRecord(), False)])
def test_our_address_is_no_evidence_about_a_host_that_is_another(
    address: str,
    record: HostRecord | None,
    listed: bool,  # noqa: FBT001 - a column
) -> None:
    """It has a record of its own, or shadow_masters lists it beside us: it is asked by nobody."""
    reached = find(THERE, [address], record, listed=listed)
    assert (reached.addresses, reached.here) == ((), False)
    assert f"beta leads to {address}, an address of this host" in reached.doubt
    assert "hosts/beta.json" in reached.doubt


def test_a_name_that_leads_here_and_is_nobody_elses_is_ours() -> None:
    """A virtual address or an alias; loopback alone is anybody's, so there only an answer counts."""
    assert find(THERE, ["192.0.2.1"]) == Reached(("192.0.2.1",), here=True)
    assert find(THERE, [LOOPBACK, "192.0.2.1"]) == Reached((LOOPBACK, "192.0.2.1"), here=True)
    reached = find(THERE, [LOOPBACK])
    assert (reached.addresses, reached.here) == ((LOOPBACK,), True)
    assert "beta leads to 127.0.1.1, an address of this host" in reached.doubt


@pytest.mark.parametrize(
    ("record", "sure"),
    [
        (HostRecord(Machine("m-alpha", "b-alpha")), True),
        (HostRecord(Machine("m-other", "b-alpha"), OURS), True),
        (HostRecord(Machine("m-alpha", "b-before"), OURS), True),
        (HostRecord(Machine("m-alpha", "b-before")), False),
    ],
    ids=["same boot", "boot before machine", "same machine and addresses", "machine id alone"],
)
def test_a_record_of_this_machine_makes_a_name_ours(record: HostRecord, sure: bool) -> None:  # noqa: FBT001
    """A host that was renamed left one; a machine id alone is copied with a template."""
    reached = find(THERE, [LOOPBACK], record, listed=True) if sure else find(THERE, [LOOPBACK], record)
    assert reached.here
    assert (reached.doubt == "") is sure


def test_a_copied_machine_id_or_boot_id_does_not_make_two_hosts_one() -> None:
    """Templates share the one, containers of a machine the other: the addresses tell them apart."""
    for machine in (Machine("m-alpha", "b-beta"), Machine("m-beta", "b-alpha")):
        assert find(THERE, [LOOPBACK], HostRecord(machine, (THEIRS,))).addresses == (THEIRS,)


def test_our_own_name_means_the_addresses_of_this_host() -> None:
    """Whoever else the resolver gives that name to."""
    assert find(HERE, [THEIRS]) == Reached(OURS, here=True)
    assert find(HERE) == Reached(OURS, here=True)
    assert find(HERE, [THEIRS, LOOPBACK], listed=True) == Reached((LOOPBACK,), here=True)


def test_a_name_without_any_address_says_why() -> None:
    """With the record that could have told one."""
    said = "beta has no address on this host (the resolver names no address)"
    assert find(THERE).doubt == f"{said}, and there is no hosts/beta.json"
    assert find(THERE, (), NOBODY).doubt.endswith("and hosts/beta.json tells no other address")


def test_what_the_configuration_says_is_believed() -> None:
    """Also where it leads here; a name in it is looked up."""
    known = {"Beta": "192.0.2.1"}
    assert find(THERE, ["192.0.2.1"], configured=known) == Reached(
        ("192.0.2.1",), at="192.0.2.1", believed=True
    )
    named = find(THERE, configured={"Beta": "beta.example"})
    assert named.doubt.startswith("beta.example, which the configuration gives for beta")


def test_a_resolver_or_a_directory_that_hangs_leaves_time_for_the_other() -> None:
    """The dead host's record serves while the resolver is down, and the name while the mount hangs."""
    release = threading.Event()

    def hang(*_: object) -> Any:
        release.wait(30)
        return []

    def make(**parts: Any) -> HostAddresses:
        usual: dict[str, Any] = {
            "resolver": lambda _: [THEIRS],
            "record": lambda _: HostRecord(OTHER, (THEIRS,)),
            "listed": lambda _: True,
        }
        own = OURS.__contains__
        return HostAddresses(HERE, MACHINE, configured={}, own=own, **usual | parts)

    try:
        assert make(resolver=hang).find(THERE, 0.4).addresses == (THEIRS,)
        assert make(record=hang).find(THERE, 0.4) == Reached((THEIRS,), at="beta")
        stuck = make(resolver=hang, record=hang)
        assert "(the resolver did not answer in time)" in stuck.find(THERE, 0.1).doubt
        assert "(an earlier question to the resolver is still" in stuck.find(THERE, 0.1).doubt
    finally:
        release.set()


def test_records_of_every_release_are_read(tmp_path: Path) -> None:
    """An older one tells its addresses where it hears hints, and no machine id."""
    older = {"boot_id": "b", "hints": {"port": 1, "addresses": [THEIRS]}}
    newer = {"machine_id": "m", "boot_id": "b", "addresses": [THEIRS, "2001:db8::2"], "hints": None}
    for host, fields in (("older", older), ("newer", newer), ("none", {})):
        (tmp_path / f"{host}.json").write_text(json.dumps(fields))
    assert read_record(tmp_path, "older") == HostRecord(Machine("", "b"), (THEIRS,))
    assert read_record(tmp_path, "newer") == HostRecord(Machine("m", "b"), (THEIRS, "2001:db8::2"))
    assert read_record(tmp_path, "none") == HostRecord()
    assert read_record(tmp_path, "gone") is None
    for host, text in (("torn", '{"boot_id": "b"'), ("list", "[]"), ("deep", "[" * 10_000)):
        (tmp_path / f"{host}.json").write_text(text)
        assert read_record(tmp_path, host) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"addresses": "192.0.2.2"}, {"addresses": 5, "hints": 7}, {"hints": {"addresses": None}},
        {"addresses": ["name", "224.0.0.1", "::", 7, None, "fe80::1%eth0", "255.255.255.255"]},
        {"machine_id": 5, "boot_id": []},
    ],
)  # fmt: skip
def test_what_is_no_address_or_id_is_passed_over(fields: dict[str, Any]) -> None:
    """Any host of the cell can write there."""
    assert parse_record(fields) == HostRecord()


def test_no_more_addresses_than_are_asked_at_once() -> None:
    """A record of a thousand is cut."""
    assert len(parse_record({"addresses": [f"192.0.2.{number}" for number in range(200)]}).addresses) == 8


def test_the_line_of_the_hosts_file_is_named(tmp_path: Path) -> None:
    """Whoever has to correct it finds it."""
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n# 127.0.1.1 beta\n127.0.1.1\tAlpha.lab alpha beta.lab # beta\n")
    assert line_of("beta", "127.0.1.1", path) == f" ({path}, line 3)"
    assert line_of("alpha.lab", "127.0.1.1", path) == f" ({path}, line 3)"
    assert line_of("gamma", "127.0.1.1", path) == ""
    assert line_of("beta", "127.0.0.1", path) == ""
    assert line_of("beta", "127.0.1.1", tmp_path / "none") == ""
