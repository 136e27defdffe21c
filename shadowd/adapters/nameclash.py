"""Host names that the cell's rules make one although they are two hosts, or two although they are one.

Both are silent in every other place. Two hosts of one name write one record, count each other's claims as
their own, and neither may bid (``core.duplicate``). One host of two names is asked about itself. The rules
are Grid Engine's own (``hostnames``), so the remedy is in its files. Refuses to ask a name service.
"""

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from shadowd.adapters.cellfiles import CellPaths, listed_names
from shadowd.adapters.hostnames import HostNames
from shadowd.adapters.reading import read_small
from shadowd.core.values import Unknown

_LIMIT = 256 * 1024
_MOST = 20
_MOST_NAMES = 300


class Clash(NamedTuple):
    """Two names in files of the cell."""

    merged: bool
    """They count as one host; else one host counts as two."""
    text: str
    remedy: str


def find_clashes(
    paths: CellPaths, names: HostNames, records: Iterable[str] = (), own: Iterable[str] = ()
) -> tuple[Clash, ...]:
    """Return what is wrong with the names in the cell's files; ``records``: hosts that report to it.

    ``own``: the names of this machine. May hang as any read of the shared directory.
    """
    listed = _names_in(paths.shadows)
    found = [*_merged(listed, paths, names)]
    where = dict.fromkeys(map(names.canonical, own), "this host's own name")
    where |= dict.fromkeys(map(names.canonical, records), f"in {paths.state}/hosts")
    where |= dict.fromkeys(map(names.canonical, listed), f"in {paths.shadows}")
    where |= dict.fromkeys(map(names.canonical, _names_in(paths.active)[:1]), f"in {paths.active}")
    found += _split({str(name): file for name, file in where.items()}, paths)
    return tuple(found[:_MOST])


def _names_in(path: Path) -> tuple[str, ...]:
    data = read_small(path, _LIMIT)
    return () if isinstance(data, Unknown) else listed_names(data)[:_MOST_NAMES]


def _merged(listed: tuple[str, ...], paths: CellPaths, names: HostNames) -> Iterable[Clash]:
    """Yield the hosts of shadow_masters that count as one, whose names do not say so."""
    plain = dict.fromkeys(name.lower().rstrip(".") for name in listed)
    for one, other in combinations(plain, 2):
        if names.canonical(one) != names.canonical(other):
            continue
        if one.partition(".")[0] != other.partition(".")[0]:
            aliases = paths.active.with_name("host_aliases")
            text = f"{one} and {other}, both in {paths.shadows}, are one host by its names in {aliases}"
            yield Clash(
                merged=True, text=text, remedy="Let each host have a line of its own there, or list it once."
            )
        elif "." in one and "." in other:
            text = (
                f"{one} and {other}, both in {paths.shadows}, are one host: names count up to the first dot"
            )
            yield Clash(
                merged=True,
                text=text,
                remedy="Set ignore_fqdn false in the cell's bootstrap file, or rename one of them.",
            )


def _split(where: dict[str, str], paths: CellPaths) -> Iterable[Clash]:
    """Yield the short names beside full ones, where both count whole."""
    for short, full in combinations(sorted(where, key=len), 2):
        if "." not in short and full.partition(".")[0] == short and full != short:
            both = f"{short} ({where[short]}) and {full} ({where[full]})"
            text = f"{both} count as two hosts: ignore_fqdn is false"
            bootstrap = paths.active.with_name("bootstrap")
            yield Clash(
                merged=False,
                text=text,
                remedy=f"Write full names everywhere, or set default_domain or ignore_fqdn in {bootstrap}.",
            )
