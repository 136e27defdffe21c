"""What the mounts of the shared directories mean for this cell's timers and locks.

Each rule is one that was measured on real clients (NFS.md). It is judged by the mount as it is on this host,
and by the timers that its daemon runs with. This module refuses to look: ``adapters.mounts`` does.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from shadowd.console.health import Health, Item
from shadowd.console.records import HostRecord
from shadowd.core.values import Unknown

if TYPE_CHECKING:
    from shadowd.adapters.mounts import Mount

_WARNING, _CRITICAL = Health.WARNING, Health.CRITICAL
_HELD_UP = 104.0
"""Seconds for which a lost host's delegation holds up whoever writes (NFS.md, "The delegation trap")."""
_STALE = 31.0
"""Seconds for which a client with default options may not see a file that another one replaced (NFS.md)."""
_LITTLE = 64 << 20
_FEW = 1000


def mount_items(
    mounts: "Iterable[Mount]", local: HostRecord | Unknown, kind: str, method: str = ""
) -> Iterator[Item]:
    """Judge each mount; one line where there is nothing to say against it.

    ``method``: how TORQUE's ``server.lock`` is held, ``fcntl`` or ``lease``.
    """
    timers: Mapping[str, float] = {} if isinstance(local, Unknown) else local.durations
    for mount in mounts:
        name = f"mount {mount.point}"
        found = [*_any(mount), *(_nfs(mount, timers, kind, method) if mount.nfs else ())]
        for health, text, remedy in found:
            yield Item(name, health, text, remedy)
        if not found:
            yield Item(name, Health.OK, _shown(mount, timers, kind))


def _any(mount: "Mount") -> Iterator[tuple[Health, str, str]]:
    """Judge what holds for every file system: rights and room."""
    if "ro" in mount.options:
        text = "is mounted read-only: no claim can be made here, and no master can write"
        yield _CRITICAL, text, f"mount -o remount,rw {mount.point}; see dmesg for why it is."
        return
    if mount.free == 0 or mount.files == 0:
        text = f"is full ({'no room' if mount.free == 0 else 'no more files'}): no claim can be made"
        yield _CRITICAL, text, f"Make room: df -h {mount.point}; df -i {mount.point}."
    else:
        left = [f"{mount.free >> 20} MiB"] if mount.free is not None and mount.free < _LITTLE else []
        left += [f"{mount.files} files"] if mount.files is not None and mount.files < _FEW else []
        if left:
            advice = f"Make room: df -h {mount.point}; df -i {mount.point}."
            yield _WARNING, f"is nearly full ({', '.join(left)} left)", advice


def _nfs(
    mount: "Mount", timers: Mapping[str, float], kind: str, method: str
) -> Iterator[tuple[Health, str, str]]:
    if mount.squashed:
        text = "has a directory of the cell that belongs to nobody: the server takes root's rights away"
        advice = "Give the master a user of its own ([cell.launch] user), or export with no_root_squash."
        yield _WARNING, f"{text}, unless the cell's user is nobody", advice
    stale = timers.get("stale_after", 0.0)
    if "soft" in mount.options or "softerr" in mount.options:
        text = "is soft: while the server is away reads and writes fail, and the master may lose data"
        yield _WARNING, text, "Mount it hard (the default): shadowd waits where nobody else has to."
    if kind == "torque" and method == "fcntl":
        if mount.option("local_lock") not in {"", "none"} or "nolock" in mount.options:
            text = "keeps locks to this host (nolock): two servers can hold server.lock"
            yield _CRITICAL, text, "Mount it without nolock and local_lock."
        elif mount.version.startswith("3"):
            text = "is NFSv3: the lock of a host that crashed is not free before that host is back"
            yield _WARNING, text, "Mount it with vers=4.2."
    yield from _held_up(mount, timers, kind)
    if kind == "gridengine" and 0 < stale < _STALE and not _is_prompt(mount):
        text = f"may show a host what is {_STALE:g} s old, longer than stale_after ({stale:g} s)"
        yield _WARNING, text, "Mount it with actimeo=1."


def _held_up(mount: "Mount", timers: Mapping[str, float], kind: str) -> Iterator[tuple[Health, str, str]]:
    """Weigh the delegation of a lost host against the timers: since NFSv4.1 no read of ours leaves one."""
    if not mount.version.startswith("4") or (kind != "gridengine" and mount.version != "4.0"):
        return
    need = 2 * timers.get("beat_interval", 0.0) + _HELD_UP
    short = [key for key in ("stale_after", "lease") if 0 < timers.get(key, 0.0) < need]
    if not short:
        return
    who = "a lost shadow host" if mount.version == "4.0" else "a lost host where another program read it"
    text = f"is NFSv{mount.version}: {who} can hold up the heartbeat for {_HELD_UP:g} s, longer than "
    text += f"{' and '.join(short)} allow{'s' if len(short) == 1 else ''}"
    better = "vers=4.2 or vers=3" if mount.version == "4.0" else "vers=3"
    yield _WARNING, text, f"Raise {' and '.join(short)} to {need:g} s or more, or mount it with {better}."


def _is_prompt(mount: "Mount") -> bool:
    """Tell whether attributes are cached for a second at most."""
    longest = [mount.option(key) for key in ("acregmax", "acdirmax")]
    return "noac" in mount.options or all(word.isdecimal() and int(word) <= 1 for word in longest)


def _shown(mount: "Mount", timers: Mapping[str, float], kind: str) -> str:
    """Return in one line what it is; where the guard beats, how long the server may be away."""
    text = f"{mount.kind}{f' {mount.version}' if mount.version else ''}, "
    text += "hard" if "hard" in mount.options else "read and write"
    lease = timers.get("lease", 0.0)
    if mount.nfs and kind != "gridengine" and lease:
        text += f"; a server that is away for longer than the lease ({lease:g} s) costs the master"
    return text
