"""Whole daemons with a fence: no proof, no launch, and people are told; with the proof there is one."""

import json
from pathlib import Path

import pytest

from shadowd.adapters.switch import find_agent
from shadowd.runtime.executor import Lane
from tests.daemon.toys import LONG, Daemon, Toys, launch, patiently

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
DUMMY = find_agent("fence_dummy")


def serve(toys: Toys, host: str, fence: str, timeout: float = 2) -> Daemon:
    """Start a host's daemon with this fence and wait until it is fit to take over."""
    path = toys.cell.configure(host, window=40)
    path.write_text(f"{path.read_text()}[cell.fence]\ntimeout = {timeout}\n{fence}\n")
    daemon = launch(toys.cell.home(host), host)
    toys.daemons[host] = daemon
    daemon.wait_eligible()
    return daemon


def command(toys: Toys, body: str, *, required: bool = True) -> str:
    """Return the keys of a fence that is a shell script."""
    program = toys.root / "switch-off"
    program.write_text(f"#!/bin/sh\necho $SHADOWD_EPOCH $SHADOWD_HOST >> {toys.root}/tried\n{body}\n")
    program.chmod(0o755)
    return f'command = ["{program}"]\nrequired = {str(required).lower()}'


def tried(toys: Toys) -> list[str]:
    """Return the epochs and hosts for which the script was called."""
    path = toys.root / "tried"
    return path.read_text().splitlines() if path.exists() else []


def notice(toys: Toys, kind: str) -> str:
    """Return the detail of the newest notice of this kind."""
    path = max(toys.claims.with_name("notices").glob(f"*.{kind}.json"))
    return str(json.loads(path.read_text())["detail"])


def protection(toys: Toys) -> str:
    """Return what the newest claim states."""
    return str(json.loads(max(toys.claims.glob("*.json")).read_text())["protection"])


def test_no_proof_no_launch_and_then_the_proof(toys: Toys) -> None:
    """Tried again and again under an alarm, in status, check and log; and the launch once it works."""
    toys.start_master()
    beta = serve(toys, "beta", command(toys, f"[ -e {toys.root}/repaired ] || {{ echo lost; exit 1; }}"))
    toys.kill_pair("alpha")
    patiently(lambda: len(tried(toys)) >= 2, LONG, "two attempts", toys.story)
    beta.wait_told("takeover.abandoned", reason="fence_failed", level="critical")
    assert beta.told("fence.failed", level="critical")[0]["detail"] == "alpha: exit status 1: lost"
    assert toys.pids(role="master") == []
    checked, seen = beta.verb("check"), beta.verb("status")
    assert checked.returncode == 2
    assert "fence alpha: alpha is not proved to be off: exit status 1: lost" in " ".join(
        checked.stdout.split()
    )
    assert seen.returncode == 2
    assert "no master starts without that" in " ".join(seen.stdout.split())
    assert beta.told("takeover.launching") == []

    (toys.root / "repaired").touch()
    assert toys.wait_master(("beta",)) == "beta"
    toys.never_two()
    assert notice(toys, "launching") == "fence alpha: dead, the command says so"
    assert protection(toys) == "fenced"
    epochs = [int(line.split()[0]) for line in tried(toys)]
    assert epochs == sorted(set(epochs)), "each attempt in the name of a claim of its own"
    assert {line.split()[1] for line in tried(toys)} == {"alpha"}
    assert len(beta.told("fence.done")) == 1
    assert "fence alpha" not in beta.verb("check").stdout


def test_an_optional_fence_that_hangs_is_killed_and_the_takeover_goes_on(toys: Toys) -> None:
    """The daemon answers meanwhile, and what the command started is gone."""
    toys.start_master()
    body = f"sleep 300 & echo $! > {toys.root}/child\nwait"
    beta = serve(toys, "beta", command(toys, body, required=False), 1)
    toys.kill_pair("alpha")
    beta.wait_told("fence.begun")
    assert toys.wait_master(("beta",)) == "beta"
    (line,) = beta.told("fence.failed")
    assert line["detail"] == "alpha: no end within 1 s, killed"
    assert beta.told("io.stuck", detail=Lane.FENCE.value) == []
    child = int((toys.root / "child").read_text())
    assert not Path(f"/proc/{child}").exists()
    assert protection(toys) == "guarded"


@pytest.mark.skipif(not DUMMY.exists(), reason="needs the Debian package fence-agents")
def test_a_real_agent_proves_it(toys: Toys) -> None:
    """Debian's fence_dummy; its password is nowhere in what the daemon wrote."""
    plug = toys.root / "alpha.power"
    plug.write_text("on")
    toys.start_master()
    fence = (
        f'agent = "fence_dummy"\nrequired = true\n[cell.fence.options]\npassword = "geheim-4711"\n'
        f'status_file = "{toys.root}/{{host}}.power"'
    )
    beta = serve(toys, "beta", fence, 20)
    toys.kill_pair("alpha")
    assert toys.wait_master(("beta",)) == "beta"
    assert plug.read_text() == "off"
    assert notice(toys, "launching") == "fence alpha: dead, off, says fence_dummy"
    written = [path for path in toys.root.rglob("*") if path.is_file() and path.name != "shadowd.toml"]
    assert all(b"geheim-4711" not in path.read_bytes() for path in written)
    assert "geheim-4711" not in beta.verb("status", "--json").stdout


@pytest.mark.parametrize("host", ["--reboot-all", "mailserver", "alpha;reboot"])
def test_a_host_that_only_a_claim_names_is_not_switched_off(toys: Toys, host: str) -> None:
    """A record must not choose what root switches off: an option, a host of another cell."""
    toys.start_master()
    beta = serve(toys, "beta", command(toys, "exit 0"))
    claims, notices = toys.claims, toys.claims.with_name("notices")
    claims.mkdir(parents=True, exist_ok=True)
    notices.mkdir(exist_ok=True)
    forge(claims / "0000000001.json", host=host)
    forge(notices / "0000000001.launching.json", host=host, kind="launching", detail="")
    forge(notices / "0000000001.started.json", host=host, kind="started", detail="")
    toys.kill_pair("alpha")
    patiently(
        lambda: beta.told("fence.failed") or beta.told("ledger.doubt"), LONG, "it is refused", toys.story
    )
    assert all(line.split()[1:] == ["alpha"] for line in tried(toys)), toys.story()
    assert toys.pids(role="master") == []


def forge(path: Path, **fields: object) -> None:
    """Write a record as an outsider would who may write the directory."""
    record = {
        "format": 1,
        "cell": "demo",
        "epoch": 1,
        "machine_id": "forged",
        "boot_id": "forged",
        "pid": 1,
        "start_token": "1",
        "nonce": "forged",
        "reason": "silence",
        "supersedes": 0,
        "lease": 1,
        "licence": 1,
        "window": 2,
        "protection": "guarded",
        "wall": 1,
    }
    path.write_text(json.dumps({**record, **fields}))
