"""Names that mislead: other names of the master's host in act_qmaster, and hosts files that lead astray.

Real Grid Engine on hosts with a hosts file, a machine id and a boot id of their own. A healthy master is
never killed for a name, and nobody takes himself for another host.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.host import Host
from tests.lab.hosts import ETC_NETNS
from tests.lab.lanes import QUICK, Lane, lanes, together
from tests.lab.masters import Masters
from tests.lab.processes import alive
from tests.lab.pulse import Pulse

pytestmark = [pytest.mark.real, pytest.mark.timeout(500)]


def hosts_file(host: Host) -> Path:
    """Return the file that is /etc/hosts there; written in place, for it is mounted."""
    return ETC_NETNS / host.netns / "hosts"


def map_name(host: Host, name: str, address: str) -> None:
    """Give a name an address on one host."""
    with hosts_file(host).open("a") as file:
        file.write(f"{address} {name}\n")


def forget(host: Host, other: Host, *instead: str) -> int:
    """Take the lines of another host out of a hosts file, put these in; return the number of the first."""
    path = hosts_file(host)
    kept = [line for line in path.read_text().splitlines() if other.fqdn not in line.split()]
    path.write_text("\n".join([*kept, *instead, ""]))
    return len(kept) + 1


def other_names(host: Host) -> Iterator[str]:
    """Yield names of a host other than its own, each by another kind of address."""
    net = host.address.rpartition(".")[0]
    for name, address in (
        ("cname", host.address),
        ("vip", f"{net}.200"),
        ("route", "10.99.0.1"),
        ("lo", "127.0.1.1"),
    ):
        full = f"{name}-{host.short}.lab"
        if name == "vip":
            host.run(["ip", "addr", "add", f"{address}/24", "dev", "eth0"], check=True)
        if name == "route":
            host.run(["ip", "route", "add", "local", f"{address}/32", "dev", "lo"], check=True)
        map_name(host, full, address)
        yield full


def aliased(lane: Lane) -> None:
    """Write one other name of the master's host after the other into act_qmaster."""
    home = lane.names[0]
    host = lane.cell.lab[home]
    with Pulse(lane.cell):
        lane.serve(home, **QUICK)
        lane.wait_confirmed(1)
        pid = lane.master(home)
        guard = lane.daemons[home]
        for name in other_names(host):
            lane.cell.act_qmaster.write_text(f"{name}\n")
            lane.wait(lambda: lane.cell.active() == home, 30, f"act_qmaster names {home} again, after {name}")
            assert alive(pid), lane.story()
            told = [line for line in guard.events() if line.get("event") == "master.named"]
            assert (told[-1]["reason"], told[-1]["level"]) == ("named_otherwise", "warning"), lane.story()
        assert len(told) == 4, "each is told once"
        assert lane.cell.qmasters() == [(home, pid, "S")], lane.story()
        assert not guard.names() & {"master.superseded", "master.ended"}, lane.story()


def test_another_name_of_its_host_in_act_qmaster_kills_no_master() -> None:
    """An alias, a virtual address, an address that is routed here, loopback."""
    with lanes(1) as (lane,):
        aliased(lane)


def respelled(lane: Lane) -> None:
    """Write the short name into act_qmaster where full names count."""
    home = lane.names[0]
    host, cell = lane.cell.lab[home], lane.cell
    bootstrap = cell.common / "bootstrap"
    bootstrap.write_text(bootstrap.read_text().replace("ignore_fqdn             true", "ignore_fqdn false"))
    with Pulse(cell):
        lane.serve(home, **QUICK)
        lane.wait_confirmed(1)
        pid, guard = lane.master(home), lane.daemons[home]
        begun = guard.record()["beat"]
        cell.act_qmaster.write_text(f"{host.short}\n")
        lane.wait(lambda: int(guard.record()["beat"]) > begun + 5, 30, "it goes on to beat")
        assert cell.qmasters() == [(home, pid, "S")], lane.story()
        assert not guard.names() & {"master.superseded", "master.ended"}, lane.story()


def test_the_short_for_the_full_name_in_act_qmaster_kills_no_master() -> None:
    """With ``ignore_fqdn false``, where the two are two hosts to Grid Engine."""
    with lanes(1) as (lane,):
        respelled(lane)


def misled(lane: Lane, masters: Masters) -> None:
    """Give the name of a living, unguarded master to 127.0.1.1 on the shadow, until somebody corrects it."""
    home, other = lane.names
    host, shadow_host = lane.cell.lab[home], lane.cell.lab[other]
    right = hosts_file(shadow_host).read_text()
    line = forget(shadow_host, host, f"127.0.1.1 {host.fqdn} {host.short}")
    lane.cell.start_qmaster(home)
    lane.serve(other, **QUICK)
    shadow = lane.daemons[other]
    refusal = shadow.wait_refused("active_unasked", 60)
    assert f"leads to 127.0.1.1, an address of this host (/etc/hosts, line {line})" in refusal["detail"]
    check = shadow.verb("check")
    assert check.returncode == 2, check.stdout
    assert f"(/etc/hosts, line {line})" in check.stdout, check.stdout
    hosts_file(shadow_host).write_text(right)
    shadow.wait_said("heartbeat.stuck", 60)
    assert "takeover.claiming" not in shadow.names(), lane.story()
    assert [found[0] for found in lane.cell.qmasters()] == [home], f"{masters}\n{lane.story()}"


def nameless(lane: Lane, *, recorded: bool, leads: str) -> None:
    """Let a guarded master's host die, and its name be gone, or lead to the shadow, before that asks."""
    home, other = lane.names
    host, shadow_host = lane.cell.lab[home], lane.cell.lab[other]
    with Pulse(lane.cell) as pulse:
        lane.serve(home, **QUICK)
        lane.wait_confirmed(1)
        guard = lane.daemons[home]
        lane.wait(lambda: guard.record().get("state") == "active", 30, "the guard has published its master")
        assert guard.record()["addresses"] == [host.address]
        pulse.hold()
        host.stop()
    if not recorded:
        record = {**guard.record(), "addresses": [], "hints": None}
        guard.record_path.write_text(json.dumps(record))
    forget(shadow_host, host, *([f"{leads} {host.fqdn} {host.short}"] if leads else []))
    with Pulse(lane.cell):
        lane.serve(other, **QUICK)
        lane.wait_confirmed(2)
        shadow = lane.daemons[other]
        assert shadow.said("takeover.unasked") is not recorded, lane.story()
        assert not any(line.get("attempts") for line in [shadow.record()]), lane.story()
        assert [found[0] for found in lane.cell.qmasters()] == [other], lane.story()


def test_a_hosts_file_that_misleads_makes_no_second_master_and_keeps_none_away() -> None:
    """A living master's name leads to the shadow itself; a dead one's is gone, or leads there too."""
    with lanes(4) as (first, *others), Masters(first.cell.lab) as masters:
        cases = [(True, ""), (False, ""), (False, "127.0.1.1")]
        dead = [
            (
                lambda lane, recorded=recorded, leads=leads: nameless(lane, recorded=recorded, leads=leads),
                lane,
            )
            for lane, (recorded, leads) in zip(others, cases, strict=True)
        ]
        together((lambda lane: misled(lane, masters), first), *dead)


def test_an_operator_takes_over_from_a_host_whose_name_is_gone() -> None:
    """``shadowd takeover`` waits for the lease of the dead guard, and for no name."""
    with lanes(1) as (lane,):
        home, other = lane.names
        host, shadow_host = lane.cell.lab[home], lane.cell.lab[other]
        slow = {**QUICK, "stale_after": 300, "delay": 300, "beat_interval": 1}
        with Pulse(lane.cell) as pulse:
            lane.serve(home, **QUICK)
            lane.wait_confirmed(1)
            lane.serve(other, **slow)
            shadow = lane.daemons[other]
            shadow.wait_for_beat()
            pulse.hold()
            host.stop()
        forget(shadow_host, host)
        guard = lane.daemons[home]
        guard.record_path.write_text(json.dumps({**guard.record(), "addresses": [], "hints": None}))

        def accounted() -> bool:
            record = shadow.record()
            waits = {"lease_runs", "window_open"} & {item["reason"] for item in record.get("refusals", [])}
            return record.get("silence", 0) > 5 and not waits

        lane.wait(accounted, 60, "the lease of the dead guard is over")
        with Pulse(lane.cell):
            done = shadow.verb("takeover", "--yes", timeout=120)
            assert done.returncode == 0, f"{done.stderr}\n{lane.story()}"
            assert lane.wait_confirmed(2) == other
        assert shadow.said("takeover.unasked"), lane.story()
