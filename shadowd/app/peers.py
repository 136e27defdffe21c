"""Whether another host of a cell answers as its master: asked before a cell is founded, and at no other time.

All hosts are asked at once, each within ``probe_timeout``. A host that says nothing is no obstacle: it may be
dead, and a cell must be able to begin. Nothing here decides about a takeover.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from shadowd.core.values import Host, ProbeOutcome, Unknown
from shadowd.ports import CellFiles, MasterProbe

_AT_ONCE: Final = 32
_MOST: Final = 256


def answering(files: CellFiles, probe: MasterProbe, own: Host) -> str:
    """Return which other host of the list, or of the file that names the master, answers; empty: none."""
    shadows, active = files.read_shadows(), files.read_active()
    named = () if isinstance(active, Unknown) else (active,)
    listed = () if isinstance(shadows, Unknown) else shadows
    others = [host for host in dict.fromkeys((*named, *listed)) if host != own][:_MOST]
    if not others:
        return ""
    with ThreadPoolExecutor(min(_AT_ONCE, len(others)), "shadowd-peers") as pool:
        answers = zip(others, pool.map(probe.ask, others), strict=True)
        found = next((host for host, (outcome, _) in answers if outcome is ProbeOutcome.ANSWERS), None)
    return f"a master answers at {found}" if found else ""
