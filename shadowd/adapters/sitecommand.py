"""Commands of the site that a ``generic`` cell asks for what a port would tell.

Is the master here well, does the old one still answer? Exit status 0 says yes. Both run within a time limit,
in a process group that is killed at its end, and as the account that the master runs as: a question must not
have more rights than what it asks about.

A probe that says no, or nothing in time, leaves the old master to its lease and its fence; one that cannot be
started is doubt, and doubt starts no master. Refuses a shell, and to read anything into a command's output.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shadowd.adapters import asking, user
from shadowd.adapters.user import FileUser
from shadowd.core.values import Host, ProbeOutcome, Problem, Unknown

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class SiteCommand:
    """One command, and what it is run with."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    timeout: float
    account: FileUser | None = None
    """None: as the daemon."""

    def run(self, **variables: str) -> asking.Said | None:
        """Run it; None when it could not be started."""
        with user.own_identity():
            return asking.ask(
                self.argv, {**self.environment, **variables}, self.timeout, account=self.account
            )


@dataclass(frozen=True, slots=True)
class Health:
    """The health command of a cell; None: nothing is ever wrong."""

    command: SiteCommand | None

    def ask(self) -> Unknown | None:
        """Return what is wrong with the master here, if anything."""
        if self.command is None:
            return None
        said = self.command.run()
        return None if said is not None and said.status == 0 else _wrong(self.command, said)


@dataclass(frozen=True, slots=True)
class CommandProbe:
    """The port ``MasterProbe``, by a command that finds the host in ``SHADOWD_HOST``."""

    command: SiteCommand

    def ask(self, host: Host) -> tuple[ProbeOutcome, str]:
        """Return the outcome and a detail for people, within the limit."""
        said = self.command.run(SHADOWD_HOST=host)
        if said is not None and said.status == 0:
            return ProbeOutcome.ANSWERS, "says the probe command"
        detail = _wrong(self.command, said).detail
        if said is None:
            return ProbeOutcome.UNRESOLVABLE, detail
        return (ProbeOutcome.SILENT if said.status is None else ProbeOutcome.REFUSES), detail


class LeaseOnly:
    """The port ``MasterProbe`` of a cell that has none: an old master is accounted for by its lease."""

    def ask(self, host: Host) -> tuple[ProbeOutcome, str]:
        """Answer that nothing was heard."""
        return ProbeOutcome.SILENT, f"{host} was not asked: no probe is configured"


def _wrong(command: SiteCommand, said: asking.Said | None) -> Unknown:
    name = command.argv[0]
    if said is None:
        return Unknown(Problem.MISSING, name, f"{name} could not be started")
    if said.status is None:
        return Unknown(Problem.UNREADABLE, name, f"{name}: no end within {command.timeout:g} s, killed")
    words = "".join(c if c.isprintable() else "?" for c in " ".join(said.text.split()))[-_SHOWN:]
    how = f"exit status {said.status}" if said.status >= 0 else f"ended by signal {-said.status}"
    return Unknown(Problem.UNREADABLE, name, f"{name}: {how}: {words}" if words else f"{name}: {how}")
