"""Commands of the site: exit status 0 says yes, all else says how it failed; nothing outlives its limit."""

import os
import pwd
import time

import pytest

from shadowd.adapters.sitecommand import CommandProbe, Health, LeaseOnly, SiteCommand
from shadowd.adapters.user import FileUser
from shadowd.core.values import Host, ProbeOutcome, Problem, Unknown

BETA = Host("beta")


def shell(script: str, timeout: float = 5.0, account: FileUser | None = None) -> SiteCommand:
    """Return a command that is a line of shell."""
    return SiteCommand(("/bin/sh", "-c", script), {"PATH": "/usr/bin:/bin"}, timeout, account)


def test_a_cell_without_a_health_command_is_always_well() -> None:
    """Its process alone counts."""
    assert Health(None).ask() is None


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("exit 0", None),
        ("echo all well; exit 0", None),
        ("exit 3", "/bin/sh: exit status 3"),
        ("echo no  licence; echo for you >&2; exit 1", "/bin/sh: exit status 1: no licence for you"),
        ("printf 'a\\033[2Jb'; exit 1", "/bin/sh: exit status 1: a?[2Jb"),
        ("kill -9 $$", "/bin/sh: ended by signal 9"),
    ],
)
def test_what_health_says(script: str, detail: str | None) -> None:
    """The exit status, and the end of what was said, fit for a terminal."""
    problem = Health(shell(script)).ask()
    assert (problem.detail if problem else None) == detail


def test_a_health_command_that_hangs_or_is_missing() -> None:
    """Killed at its limit, children and all; one that cannot be started has failed too."""
    began = time.monotonic()
    hung = Health(shell("sleep 60 & wait", timeout=0.2)).ask()
    assert time.monotonic() - began < 3
    assert hung is not None
    assert hung.detail == "/bin/sh: no end within 0.2 s, killed"
    missing = Health(SiteCommand(("/no/such",), {}, 1)).ask()
    assert isinstance(missing, Unknown)
    assert (missing.problem, missing.detail) == (Problem.MISSING, "/no/such could not be started")


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ('test "$SHADOWD_HOST" = beta', ProbeOutcome.ANSWERS),
        ("exit 1", ProbeOutcome.REFUSES),
        ("sleep 60", ProbeOutcome.SILENT),
    ],
)
def test_what_a_probe_says(script: str, outcome: ProbeOutcome) -> None:
    """It is told which host is meant."""
    assert CommandProbe(shell(script, timeout=1)).ask(BETA)[0] is outcome


def test_a_probe_that_cannot_be_started_is_doubt() -> None:
    """And doubt starts no master."""
    outcome, detail = CommandProbe(SiteCommand(("/no/such",), {}, 1)).ask(BETA)
    assert (outcome, detail) == (ProbeOutcome.UNRESOLVABLE, "/no/such could not be started")


def test_without_a_probe_nobody_is_heard() -> None:
    """The lease accounts for the old master then."""
    outcome, detail = LeaseOnly().ask(BETA)
    assert (outcome, detail) == (ProbeOutcome.SILENT, "beta was not asked: no probe is configured")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the account")
def test_a_command_runs_as_the_account_of_the_master() -> None:
    """A question has no more rights than what it asks about."""
    nobody = pwd.getpwnam("nobody")
    account = FileUser(nobody.pw_uid, nobody.pw_gid, (nobody.pw_gid,))
    problem = Health(shell("id -u; id -G; exit 1", account=account)).ask()
    assert problem is not None
    assert problem.detail.endswith(f": {nobody.pw_uid} {nobody.pw_gid}")
