"""The fence of a cell, from its settings.

Host names of the file are folded by the cell's own rules, so that a table of the options may spell them as
people do. This module refuses to insist on the program: one that is missing now may be there in the night.
"""

from shadowd.adapters.fence import ClaimedFencer, NoFencer
from shadowd.adapters.hostnames import HostNames
from shadowd.adapters.switch import AgentSwitch, CommandSwitch, Switch, find_agent
from shadowd.config.models import CellSettings
from shadowd.config.tables import FenceSettings
from shadowd.core.values import Host, Seconds
from shadowd.ports import ClaimLog, Fencer


def fencer(cell: CellSettings, own: Host, names: HostNames, claims: ClaimLog) -> Fencer:
    """Return what switches hosts off for a cell. ``claims``: a listing that nobody else uses."""
    switch = switch_of(cell.fence, names)
    if switch is None:
        return NoFencer()
    return ClaimedFencer(cell.name, own, claims, switch, Seconds(cell.fence.timeout))


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
