"""The programs of a Grid Engine cell on this machine: which folder, which master, which scheduler.

Why apart from the cell: the description is one for all hosts, the programs differ with the architecture
of each. The real sge_shadowd starts ``binary_path/<arch>/sge_qmaster`` (GRIDENGINE.md); Debian's packages
have no architecture folder below their ``binary_path``, so that is tried too. Releases before 6.2
complete the pair with ``sge_schedd``, recognised by being there.

The installation's own word for the architecture is what its ``util/arch`` prints. That script runs a
compiler and takes 20 ms or, on a bad day, for ever; so the usual folder (``lx-amd64``) is believed where
it holds the master, and the script is asked, within a limit, only otherwise.

Refuses to start anything else, and to search the PATH: a master from another installation would run on
this cell's spool.
"""

import contextlib
import os
import re
import select
import signal
import stat
import subprocess
from pathlib import Path

from shadowd.adapters.gridengine import MASTER, GridEngineCell
from shadowd.adapters.reading import list_dir
from shadowd.core.values import Unknown
from shadowd.errors import CellError

SCHEDULER = "sge_schedd"
_ARCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ARCH_LIMIT = 10.0
_END_LIMIT = 2.0
_ANSWER_LIMIT = 1024
_MOST_ARCHS = 1000
_SPELLINGS = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "ppc64le": "ppc64el",
    **dict.fromkeys(("i386", "i486", "i586", "i686"), "x86"),
}
_PREFIXES = ("lx", "ulx", "lx26", "lx24")


def arch(sge_root: Path) -> str:
    """Return the installation's word for this machine's architecture; raises ``CellError``."""
    for folder in _usual():
        if is_program(sge_root / "bin" / folder / MASTER):
            return folder
    word = _ask(sge_root / "util" / "arch")
    if word is not None:
        return word
    found = list_dir(sge_root / "bin", _MOST_ARCHS)
    having = () if isinstance(found, Unknown) else found
    holding = [name for name in having if is_program(sge_root / "bin" / name / MASTER)]
    if len(holding) == 1 and _ARCH.fullmatch(holding[0]):
        return holding[0]
    raise CellError(
        str(sge_root / "util" / "arch"),
        f"it names no architecture, and {len(holding)} folders in {sge_root / 'bin'} hold {MASTER}",
        "set SGE_ARCH to the folder's name",
    )


def programs(cell: GridEngineCell, architecture: str) -> tuple[Path, ...]:
    """Return the pair to start, master first, then the scheduler where one exists.

    ``architecture`` as ``arch`` returns it, or SGE_ARCH. Raises ``CellError`` where no master is found.
    """
    folders = (
        cell.binary_path / architecture,
        cell.binary_path,
        cell.root / "bin" / architecture,
    )
    for folder in folders:
        if is_program(folder / MASTER):
            scheduler = folder / SCHEDULER
            return (folder / MASTER, scheduler) if is_program(scheduler) else (folder / MASTER,)
    raise CellError(
        str(folders[0] / MASTER),
        "there is no such program, nor in the folders beside it",
        f"install the master on this host, or correct binary_path in {cell.common / 'bootstrap'}",
    )


def choose(cell: GridEngineCell, wanted: str | None) -> tuple[tuple[Path, ...], str]:
    """Return the pair to start, and what a person should know of the choice; empty for the usual one.

    ``wanted``: SGE_ARCH, where it is set. Where it names no folder with a master, the folder of binary_path
    that does hold one is used. A master that is missing now may be there when it is needed: then the path
    that it should have is returned.
    """
    try:
        architecture = wanted or arch(cell.root)
    except CellError:
        architecture = _usual()[0]
    try:
        return programs(cell, architecture), ""
    except CellError:
        folder = _holding(cell.binary_path)
    if folder is None:
        return (cell.binary_path / architecture / MASTER,), ""
    word = "SGE_ARCH" if wanted else "the architecture"
    note = f"{word} is {architecture}, and {cell.binary_path / architecture} holds no {MASTER}"
    return programs(cell, folder), f"{note}: that of {cell.binary_path / folder} is used"


def _usual() -> tuple[str, ...]:
    """Return the names that the folder of this machine's architecture may have, the usual one first."""
    machine = os.uname().machine
    return tuple(f"{prefix}-{_SPELLINGS.get(machine, machine)}" for prefix in _PREFIXES)


def _holding(binary_path: Path) -> str | None:
    """Return the one folder that holds a master: the usual one, or the only one; None where there is none."""
    names = list_dir(binary_path, _MOST_ARCHS)
    found = () if isinstance(names, Unknown) else names
    holding = [name for name in found if is_program(binary_path / name / MASTER)]
    usual = [name for name in _usual() if name in holding]
    return next(iter(usual or (holding if len(holding) == 1 else ())), None)


def is_program(path: Path) -> bool:
    """Tell whether this is a file that somebody may execute; the kernel has the last word at the start."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) and bool(mode & 0o111)


def _ask(script: Path) -> str | None:
    """Run util/arch; None where it is missing, slow, or answers no architecture."""
    if not is_program(script):
        return None
    try:
        child = subprocess.Popen(
            [str(script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"},
            cwd="/",
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        return _first_word(child)
    finally:
        _end(child)


def _first_word(child: subprocess.Popen[bytes]) -> str | None:
    """Take what the script says first, one line written at once; it may say more than memory holds."""
    pipe = child.stdout
    if pipe is None or not select.select([pipe], [], [], _ARCH_LIMIT)[0]:
        return None
    word = os.read(pipe.fileno(), _ANSWER_LIMIT).decode("ascii", "replace").strip()
    return word if _ARCH.fullmatch(word) and not word.startswith("UNSUPPORTED") else None


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.stdout is not None:
        child.stdout.close()
    # Not reaped yet, so the group's number cannot be another's.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    # A script in an uninterruptible read stays behind; waiting for it would be the hang it is in.
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_END_LIMIT)
