"""Whether a host could run the master, and this one: what an adapter found out, for ``eligibility`` to judge.

Refuses to hold anything that is a judgement: whose directory is the right one depends on who was master last.
"""

from dataclasses import dataclass

from shadowd.core.values import Host


@dataclass(frozen=True, slots=True)
class SharedPath:
    """A directory that every master of the cell needs, as this host sees it."""

    path: str
    local: bool
    """It lies on a file system that no other host can have mounted."""
    same: tuple[Host, ...] = ()
    """Hosts that are proved to see this very directory."""
    other: tuple[Host, ...] = ()
    """Hosts that are proved to see another one by this name."""


@dataclass(frozen=True, slots=True)
class Fitness:
    """Whether this host could run the master (PROTOCOL rule 19)."""

    lacks: tuple[str, ...] = ()
    """What is missing: a program, a user, a directory. For people; any of it prevents a start."""
    paths: tuple[SharedPath, ...] = ()


NOTHING_LACKS = Fitness()
