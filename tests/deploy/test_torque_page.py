"""The worked example in deploy/TORQUE.md, typed line by line on three hosts of a lab.

Each has an ``/etc``, a spool and a ``/usr/local/sbin`` that are not the machine's. In the last are stand-ins:
``lab.pbs_server`` for the server, scripts that write down how they were called for TORQUE's other programs,
and a ``mount`` that takes the file server's directory without NFS.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import pbs_server
from tests.lab.host import Host
from tests.lab.hosts import Lab
from tests.lab.processes import wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

TOP = Path(__file__).parents[2]
PAGE = (TOP / "deploy" / "TORQUE.md").read_text()
HOSTS = ("desktop", "server1", "server2")
PRIVATE = "/var/spool/torque/server_priv"
SERVER = """
case "$*" in
*"-t create"*)
    printf 'release 6.1\\n' >PRIVATE/serverdb
    echo 1 >PRIVATE/sequence
    setsid BIN/server/pbs_server -D >/dev/null 2>&1 </dev/null &
    until [ -s PRIVATE/server.lock ]; do sleep 0.05; done ;;
*) exec BIN/server/pbs_server "$@" ;;
esac
"""
PROGRAMS = {
    "pbs_server": SERVER,
    "shadowd": f'exec {sys.executable} -m shadowd "$@"',
    "mount": 'for last; do :; done; exec /bin/mount --bind /srv/torque/server_priv "$last"',
    "qterm": 'kill "$(cat PRIVATE/server.lock)"; while [ -e "/proc/$(cat PRIVATE/server.lock)" ]; do :; done',
    "qmgr": 'if [ "$1" = -c ]; then echo "$2"; else cat; fi >>BIN/qmgr.log',
    "qstat": 'echo "$(hostname -s) asks $PBS_DEFAULT"',
    **{
        name: f'echo "{name} $*" >>BIN/calls.log' for name in ("trqauthd", "exportfs", "pbs_sched", "pbs_mom")
    },
}


def furnish(lab: Lab) -> None:
    """Give the hosts what is theirs alone, and the programs."""
    programs = lab.dir / "sbin"
    (programs / "server").mkdir(parents=True)
    for name, text in PROGRAMS.items():
        script = text.replace("PRIVATE", PRIVATE).replace("BIN", str(programs))
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    source = Path(pbs_server.__file__).read_text()
    server = programs / "server" / "pbs_server"
    server.write_text(f"#!{os.path.realpath(sys.executable)} -IS\n{source}")
    server.chmod(0o755)
    (lab.dir / "srv").mkdir()
    for host in lab:
        own = lab.dir / f"own-{host.name}"
        for part in ("server_priv", "mom_priv", "sched_priv"):
            (own / "spool" / "torque" / part).mkdir(parents=True)
        (own / "log").mkdir()
        host.run(["cp", "-a", "/etc", own / "etc"], check=True)
        places = {
            own / "etc": "/etc",
            own / "spool": "/var/spool",
            own / "log": "/var/log",
            lab.dir / "srv": "/srv",
            programs: "/usr/local/sbin",
        }
        for ours, place in places.items():
            host.run(["mount", "--bind", ours, place], check=True)


def blocks() -> Iterator[tuple[str, str]]:
    """Yield language and text of each block of the page."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Give the three machines."""
    with Lab(HOSTS) as lab:
        furnish(lab)
        yield lab
        lab.stop()


def named(lab: Lab, text: str) -> str:
    """Return the text with the names that the machines have in the lab."""
    return re.sub("|".join(HOSTS), lambda found: lab[found[0]].short, text)


def story(lab: Lab) -> str:
    """Return what a person would read when a line fails."""
    logs = [
        *lab.dir.glob("own-*/log/shadowd/*.log"),
        *lab.dir.glob("srv/torque/server_priv/shadowd/notices/*"),
    ]
    return "\n".join(f"[{path}]\n{path.read_text(errors='replace')[-3000:]}" for path in sorted(logs))


def type_in(lab: Lab, host: Host, line: str) -> None:
    """Type one line; what stands behind it is what it must print."""
    command, _, prints = line.partition("  # ")
    done = host.run(["/bin/sh", "-c", named(lab, command)], cwd=TOP, timeout=90)
    said = f"{host.name}: {line}\n{done.stdout}{done.stderr}"
    assert done.returncode == 0, f"{said}\n{story(lab)}"
    if prints:
        assert done.stdout.strip() == named(lab, prints.strip()), f"{said}\n{story(lab)}"


def test_the_example_does_what_it_says(lab: Lab) -> None:
    """Every block on the machines that it names, in the order of the page."""
    for language, text in blocks():
        if language == "toml":
            for host in map(lab.__getitem__, HOSTS[1:]):
                host.path("/etc/shadowd").mkdir()
                host.path("/etc/shadowd/shadowd.toml").write_text(named(lab, text))
            continue
        first, *lines = text.splitlines()
        assert first.startswith("# on "), first
        for name in re.findall("|".join(HOSTS), first):
            for line in lines:
                type_in(lab, lab[name], line)
    assert (
        (lab.dir / "sbin" / "qmgr.log")
        .read_text()
        .startswith(named(lab, "set server acl_hosts += server1\nset server acl_hosts += server2\n"))
    )
    for host in map(lab.__getitem__, HOSTS[1:]):  # the last one has nobody to hand over to
        type_in(lab, host, "/etc/init.d/pbs_server stop")
        wait_for(lambda host=host: not host.pids(), 20, f"nothing left on {host.name}")
    calls = (lab.dir / "sbin" / "calls.log").read_text().split()
    assert {"trqauthd", "exportfs", "pbs_sched", "pbs_mom"} <= set(calls)
