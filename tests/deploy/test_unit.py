"""The systemd units: what they promise about masters that live longer than the daemon."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = ("shadowd.service", "sgemaster.service", "pbs_server.service")


def settings(name: str) -> dict[str, list[str]]:
    """Return the keys of a unit, each with its values in order."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / name).read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_unit(name: str, tmp_path: Path) -> None:
    """Every line is a key and its value; systemd itself has nothing to say where it can be asked."""
    for line in (DEPLOY / name).read_text().splitlines():
        assert not line or line[0] in "#[" or line.partition("=")[2], line
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    true = shutil.which("true") or "/bin/true"
    text = (DEPLOY / name).read_text()
    for command in ("/opt/shadowd/bin/shadowd", "/etc/init.d/sgemaster", "/etc/init.d/pbs_server"):
        text = text.replace(command, true)
    unit = tmp_path / name
    unit.write_text(text)
    done = subprocess.run([program, "verify", unit], check=False, capture_output=True, text=True, timeout=60)
    assert [line for line in done.stderr.splitlines() if name in line] == []


def test_a_master_survives_its_daemon() -> None:
    """Stopping, restarting or killing the daemon ends one process, and its local records stay."""
    unit = settings("shadowd.service")
    assert unit["KillMode"] == ["process"]
    assert unit["RuntimeDirectory"] == ["shadowd"]
    assert unit["RuntimeDirectoryPreserve"] == ["yes"]


def test_systemd_knows_how_the_daemon_is() -> None:
    """Readiness and the watchdog come from the daemon's own process; a failure starts it again, always."""
    unit = settings("shadowd.service")
    assert unit["Type"] == ["notify"]
    assert unit["NotifyAccess"] == ["main"]
    assert int(unit["WatchdogSec"][0]) >= 10
    assert unit["Restart"] == ["on-failure"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert "-HUP" in unit["ExecReload"][0]


def test_the_sandbox_does_not_reach_the_master() -> None:
    """Nothing that a launched master would inherit and suffer from is switched on."""
    harmful = {
        *("DynamicUser", "User", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "PrivateNetwork"),
        *("ProtectSystem", "ProtectHome", "ReadOnlyPaths", "RestrictNamespaces", "RestrictSUIDSGID"),
        *("MemoryDenyWriteExecute", "ProtectKernelTunables", "ProtectControlGroups", "PrivateUsers"),
    }
    assert not harmful & settings("shadowd.service").keys()
    needed = {"CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE"}
    for bounds in settings("shadowd.service")["CapabilityBoundingSet"]:
        assert bounds.startswith("~")
        assert not needed & set(bounds.lstrip("~").split())
    (calls,) = settings("shadowd.service")["SystemCallFilter"]
    assert calls.startswith("~")
    assert not {"@mount", "@privileged", "@resources", "@process", "@setuid"} & set(calls[1:].split())


def exposures(name: str) -> list[str]:
    """Return what systemd counts as open in a unit, one word a way in."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return []
    argv = [program, "security", "--offline=true", "--json=short", DEPLOY / name]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout, done.stderr
    found = [each["name"] for each in json.loads(done.stdout) if not each["set"] and each["exposure"]]
    return [word for each in found for word in words_of(each)]


def words_of(name: str) -> list[str]:
    """Return the words of one line of systemd's list: ``CAP_SET(UID|GID)`` is CAP_SETUID and CAP_SETGID."""
    key, _, value = name.partition("=~")
    if not value:
        return [word for word in name.replace("/", "").split("=") if word]
    if key == "RestrictNamespaces":
        return [key]
    if value == "\u2026":
        return ["other families"]
    head, _, group = value.partition("(")
    return [f"{head}{each}".rstrip("_*") for each in group.rstrip(")").split("|")]


@pytest.mark.parametrize("name", UNITS)
def test_each_exposure_that_remains_is_explained_in_the_unit(name: str) -> None:
    """Whatever `systemd-analyze security` still counts stands in a comment, with what needs it."""
    comments = [line for line in (DEPLOY / name).read_text().splitlines() if line.startswith("#   ")]
    text = "\n".join(comments)
    assert [word for word in exposures(name) if word not in text] == []
    assert len(comments) > 10


@pytest.mark.parametrize("name", UNITS)
def test_no_unit_is_more_exposed_than_a_master_needs(name: str) -> None:
    """Systemd's own sum, in tenths; 5.0 is out of reach of what starts masters that nobody knows."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    argv = [program, "security", "--offline=true", "--threshold=80", "--no-pager", DEPLOY / name]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


@pytest.mark.parametrize(
    ("name", "patience"), [("sgemaster.service", 600), ("pbs_server.service", 60 + 10 + 15)]
)
def test_the_units_of_masters_never_kill(name: str, patience: int) -> None:
    """What did not end within the time of ExecStop goes on stopping; no signal follows."""
    unit = settings(name)
    assert unit["KillMode"] == ["process"]
    assert unit["SendSIGKILL"] == ["no"]
    assert int(unit["TimeoutStopSec"][0]) > patience


def test_the_master_is_there_before_its_shadow() -> None:
    """At boot the daemon starts after the startup script had its turn."""
    assert "sgemaster.service" in settings("shadowd.service")["After"]


def test_the_server_of_torque_ends_before_its_guard() -> None:
    """At shutdown systemd stops in the opposite order, and the guard is who writes that the server ended."""
    assert "shadowd.service" in settings("pbs_server.service")["After"]
    assert not settings("pbs_server.service").keys() & {"Requires", "BindsTo", "PartOf"}
