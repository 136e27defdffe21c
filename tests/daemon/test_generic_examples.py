"""The other examples of ``config/`` for singletons, each with a program of Debian's as its master.

``mcron`` is the one that generic-cron.toml names. There is no licence manager in Debian: redis-server stands
in its place, on its port, with its slow health command, its account and its probe, so that what is tried is
the example and not a vendor's program.
"""

import shutil
from collections.abc import Iterator

import pytest

from tests.daemon.handedout import HandedOut
from tests.daemon.toys import LONG, patiently
from tests.lab import processes
from tests.lab.hosts import Lab

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
needs = {
    name: pytest.mark.skipif(shutil.which(name) is None, reason=f"needs {name}: apt-get install {package}")
    for name, package in {"mcron": "mcron", "redis-server": "redis-server"}.items()
}


@pytest.fixture
def place(lab: Lab) -> Iterator[Lab]:
    """Give hosts, and end what runs there."""
    yield lab
    lab.stop()


@needs["mcron"]
def test_a_cron_for_the_whole_cluster(place: Lab) -> None:
    """Each second a job; the host with the cron dies, and the other one goes on: never a second from both."""
    cell = HandedOut(place, "generic-cron.toml").create()
    journal = cell.shared / "journal"
    job = f"echo $SHADOWD_EPOCH $(hostname -s) $(date +%s) >> {journal}"
    (cell.shared / "jobs.guile").write_text(f'(job \'(next-second (range 0 60 1)) "{job}")\n')

    def lines() -> list[list[str]]:
        return [line.split() for line in journal.read_text().splitlines()] if journal.exists() else []

    def ran(name: str) -> bool:
        return any(host == place[name].short for _, host, _ in lines())

    cell.begin("a")
    patiently(lambda: ran("a"), LONG, "a job on a", cell.story)
    place["a"].stop()
    cell.wait_master("b")
    patiently(lambda: ran("b"), LONG, "a job on b", cell.story)
    assert [epoch for epoch, _, _ in lines()] == sorted(epoch for epoch, _, _ in lines())
    seconds = [second for _, _, second in lines()]
    assert len(set(seconds)) == len(seconds), lines()


@needs["redis-server"]
def test_a_server_in_the_place_of_a_licence_manager(place: Lab) -> None:
    """Its account, its client as health command, its own question to the old host; what it knew is kept."""
    answers = place.dir / "licences-answer"
    answers.write_text('#!/bin/sh\n[ "$(redis-cli -h $SHADOWD_HOST -p 27000 ping)" = PONG ]\n')
    answers.chmod(0o755)
    words = {
        '"/opt/licences/bin/lmgrd", "-z", "-c", "/shared/licences/site.lic"': (
            '"/usr/bin/redis-server", "/shared/licences/redis.conf"'
        ),
        '"/opt/licences/bin/lmutil", "lmstat", "-c", "27000@localhost"': (
            '"/usr/bin/redis-cli", "-p", "27000", "ping"'
        ),
        "/usr/local/bin/licences-answer": str(answers),
        'user = "licences"': 'user = "redis"',
    }
    cell = HandedOut(place, "generic-licences.toml", words).create()
    (cell.shared / "redis.conf").write_text(
        f"port 27000\nprotected-mode no\ndir {cell.shared}\nappendonly yes\nappendfsync always\n"
    )

    def ask(*question: str) -> str:
        known = cell.shared / "master"
        address = next(host.address for host in place if host.short == known.read_text().strip())
        return place["c"].run(["redis-cli", "-h", address, "-p", "27000", *question]).stdout.strip()

    cell.begin("a")
    assert ask("set", "licences", "7") == "OK"
    processes.kill(cell.ours("a"))
    cell.daemons["b"].wait_told("heartbeat.stuck")
    assert place["b"].pids("redis-server") == []
    place["a"].stop()
    cell.wait_master("b")
    assert ask("get", "licences") == "7"
