"""The fence of a cell, from its settings.

Host names of the file are folded by the cell's own rules, so that a table of the options may spell them as
people do. This module refuses to insist on the program: one that is missing now may be there in the night.
"""

from pathlib import Path
from typing import Final

from shadowd.adapters.fence import ClaimedFencer, NoFencer
from shadowd.adapters.hostnames import HostNames
from shadowd.adapters.publish import MAX_NAMES
from shadowd.adapters.reading import list_dir
from shadowd.adapters.switch import AgentSwitch, CommandSwitch, Switch, find_agent
from shadowd.config.models import CellSettings
from shadowd.config.tables import FenceSettings
from shadowd.core.values import Host, Seconds, Unknown
from shadowd.ports import CellFiles, ClaimLog, Fencer

_RECORD: Final = ".json"


def fencer(
    cell: CellSettings, own: Host, names: HostNames, *, claims: ClaimLog, files: CellFiles, records: Path
) -> Fencer:
    """Return what switches hosts off for a cell.

    ``claims``: a listing that nobody else uses. ``records``: where the daemons' own records lie.
    """
    switch = switch_of(cell.fence, names)
    if switch is None:
        return NoFencer()
    named = frozenset(
        names.canonical(host)
        for value in cell.fence.options.values()
        if not isinstance(value, str)
        for host in value
    )

    def hosts() -> frozenset[Host] | Unknown:
        listed = files.read_shadows()
        if isinstance(listed, Unknown):
            return listed
        found = list_dir(records, MAX_NAMES)
        known = () if isinstance(found, Unknown) else found
        recorded = (name.removesuffix(_RECORD) for name in known if name.endswith(_RECORD))
        return named.union(listed, (names.canonical(name) for name in recorded if name[:1] != "."))

    return ClaimedFencer(cell.name, own, claims, switch, Seconds(cell.fence.timeout), hosts=hosts)


def switch_of(fence: FenceSettings, names: HostNames) -> Switch | None:
    """Return what cuts the power; None where no fence is configured."""
    if fence.command is not None:
        return CommandSwitch(fence.command)
    if fence.agent is None:
        return None
    options = {
        name: value
        if isinstance(value, str)
        else {names.canonical(host): chosen for host, chosen in value.items()}
        for name, value in fence.options.items()
    }
    return AgentSwitch(find_agent(fence.agent), options, fence.secrets)
