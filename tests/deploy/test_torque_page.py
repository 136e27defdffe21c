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
QMGR = """
import os, socket, sys
# The server adds every host of server_name to acl_hosts itself; what is there already is an error.
book = "BIN/attributes"
host = socket.gethostname().partition(".")[0]
known = {}
for line in open(book) if os.path.exists(book) else ():
    name, *values = line.split()
    known[name] = values
with open("/var/spool/torque/server_name") as names:
    known.setdefault("acl_hosts", names.read().strip().split(","))
for command in [sys.argv[2]] if sys.argv[1:2] == ["-c"] else sys.stdin:
    words = command.split()
    if words[:2] != ["set", "server"]:
        continue
    name, sign, value = words[2:5]
    if sign == "+=" and value in known.get(name, []):
        sys.exit(f"qmgr obj= svr=default: Duplicate entry in list: {value}")
    known[name] = [*known.get(name, []), value] if sign == "+=" else [value]
with open(book, "w") as file:
    file.writelines(" ".join([name, *values]) + chr(10) for name, values in known.items())
"""
"""What it says and refuses is measured with 6.1 and 2.5 (TORQUE.md, "Seen with shadowd itself")."""
SERVER = """
case "$*" in
*"-t create"*)
    read -r yes
    [ "$yes" = y ] || exit 1
    RELEASE=$(cat BIN/release) BIN/server/pbs_server "$@" >/dev/null 2>&1 </dev/null
    # As long as its first request waits: whoever asks at once is answered when it listens.
    for _ in 1 2 3 4 5 6 7 8 9 10; do [ -s PRIVATE/server.lock ] || sleep 0.2; done ;;
*) exec BIN/server/pbs_server "$@" ;;
esac
"""
PROGRAMS = {
    "pbs_server": SERVER,
    "shadowd": f'exec {sys.executable} -m shadowd "$@"',
    "mount": 'for last; do :; done; exec /bin/mount --bind /srv/torque/server_priv "$last"',
    "qterm": 'pid=$(cat PRIVATE/server.lock); kill "$pid"; while [ -e "/proc/$pid" ]; do sleep 0.05; done',
    "qmgr": f'exec {sys.executable} -IS BIN/qmgr.py "$@"',
    "qstat": 'echo "$(hostname -s) asks $PBS_DEFAULT"',
    **{
        name: f'echo "{name} $*" >>BIN/calls.log' for name in ("trqauthd", "exportfs", "pbs_sched", "pbs_mom")
    },
}


def furnish(lab: Lab, release: str) -> None:
    """Give the hosts what is theirs alone, and the programs of a release as its installation leaves them."""
    programs = lab.dir / "sbin"
    (programs / "server").mkdir(parents=True)
    (programs / "release").write_text(release)
    (programs / "qmgr.py").write_text(QMGR.replace("BIN", str(programs)))
    for name, text in PROGRAMS.items():
        if name == "trqauthd" and release < "4":
            continue
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
        for part in ("mom_priv", "sched_priv", *(f"server_priv/{name}" for name in pbs_server.INSTALLED)):
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


@pytest.fixture(params=["2.5.14", "6.1"])
def release(request: pytest.FixtureRequest) -> str:
    """Give a release of TORQUE."""
    return str(request.param)


@pytest.fixture
def lab(release: str) -> Iterator[Lab]:
    """Give the three machines."""
    with Lab(HOSTS) as lab:
        furnish(lab, release)
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


def is_for(heading: str, release: str) -> bool:
    """Tell whether a block is for this release, by its first line."""
    least = re.search(r"from release (\d+) on", heading)
    return least is None or int(least[1]) <= int(release.partition(".")[0])


def attributes(lab: Lab) -> dict[str, list[str]]:
    """Return what qmgr was told, by attribute."""
    lines = (line.split() for line in (lab.dir / "sbin" / "attributes").read_text().splitlines())
    return {name: values for name, *values in lines}


def test_the_example_does_what_it_says(lab: Lab, release: str) -> None:
    """Every block on the machines that it names, in the order of the page, for the oldest and the newest."""
    for language, text in blocks():
        if language == "toml":
            for host in map(lab.__getitem__, HOSTS[1:]):
                host.path("/etc/shadowd").mkdir()
                host.path("/etc/shadowd/shadowd.toml").write_text(named(lab, text))
            continue
        first, *lines = text.splitlines()
        assert first.startswith("# on "), first
        if not is_for(first, release):
            continue
        for name in re.findall("|".join(HOSTS), first):
            for line in lines:
                type_in(lab, lab[name], line)
    known = attributes(lab)
    assert known["acl_hosts"] == [named(lab, name) for name in HOSTS[1:]], "the server's own, each once"
    assert known["submit_hosts"] == [named(lab, "desktop")]
    assert set(known["managers"]) == {f"root@{named(lab, name)}" for name in HOSTS}
    for host in map(lab.__getitem__, HOSTS[1:]):  # the last one has nobody to hand over to
        type_in(lab, host, "/etc/init.d/pbs_server stop")
        wait_for(lambda host=host: not host.pids(), 20, f"nothing left on {host.name}")
    calls = (lab.dir / "sbin" / "calls.log").read_text().split()
    assert {"exportfs", "pbs_sched", "pbs_mom"} <= set(calls)
    assert ("trqauthd" in calls) is (release >= "4")


def test_a_database_cannot_be_made_in_an_empty_directory(lab: Lab) -> None:
    """Why the page copies the installed one first: the command says nothing, and no server is there."""
    server = lab["server1"]
    server.run(["rm", "-r", f"{PRIVATE}/queues"], check=True)
    (lab.dir / "own-server1" / "spool" / "torque" / "server_name").write_text("server1\n")
    done = server.run(["/bin/sh", "-c", "echo y | pbs_server -t create"], timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not server.pids("pbs_server")
    assert "queues" in server.path("/var/spool/torque/server_logs/today").read_text()
