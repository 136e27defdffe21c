"""A file system that fails when told to: a FUSE pass-through with a control file of rules.

Run as a program it mounts one directory over another and obeys ``rules.json`` before (or, "done but
error", after) each operation, so that a test can hang a whole cell, or let a ``link`` succeed and its
reply get lost, as NFS does. ``mounted`` starts it, hands out a ``FaultyMount`` and always unmounts.

It refuses to cache (attributes and names are asked for each time) and to outlive its test: the mount is
detached and the program killed by its pid, which also frees every caller that still hangs in it.
"""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INSTALL = "./tests/run installs what this needs: apt-get install --no-install-recommends fuse3 libfuse2"
EVERY = "*"
_READY_S = 20.0
_HANG_S = 100.0
_STEP_S = 0.01


@dataclass
class FaultyMount:
    """A mounted pass-through: ``path`` is what the tested code sees, ``backing`` what really lies there."""

    path: Path
    backing: Path
    pid: int
    _control: Path
    table: Path = Path("/proc/self/mountinfo")
    """The mounts of the host that sees it."""
    _rules: list[dict[str, object]] = field(default_factory=list)

    def hang(self, operation: str, substring: str = "") -> None:
        """Let the operation ("*": every one) on paths that contain the substring wait until ``heal``."""
        self._add({"op": operation, "path": substring, "hang": True})

    def fail(self, operation: str, substring: str, error: int, *, after: bool = False) -> None:
        """Let the operation end with this errno; ``after``: do it first, and then say that it failed."""
        self._add({"op": operation, "path": substring, "errno": error, "after": after})

    def heal(self) -> None:
        """Forget all rules; what hangs goes on."""
        self._rules.clear()
        self._write()

    def _add(self, rule: dict[str, object]) -> None:
        self._rules.append(rule)
        self._write()

    def _write(self) -> None:
        new = self._control.with_suffix(".new")
        new.write_text(json.dumps(self._rules))
        new.rename(self._control)


def why_not() -> str:
    """Return why nothing can be mounted here; empty when it can."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return f"/dev/fuse cannot be opened. {INSTALL}"
    if shutil.which("fusermount") is None:
        return f"fusermount is missing. {INSTALL}"
    try:
        __import__("fuse")
    except (ImportError, OSError) as reason:
        return f"fusepy cannot be used ({reason}). {INSTALL}; pip install '.[test]'"
    return ""


@contextlib.contextmanager
def mounted(tmp_path: Path) -> Iterator[FaultyMount]:
    """Mount a pass-through of ``tmp_path``/backing on ``tmp_path``/mount until the block ends."""
    backing, mount, control = tmp_path / "backing", tmp_path / "mount", tmp_path / "rules.json"
    for directory in (backing, mount):
        directory.mkdir(parents=True, exist_ok=True)
    control.write_text("[]")
    with (tmp_path / "fusefs.log").open("wb") as log:
        program = subprocess.Popen(
            [sys.executable, __file__, str(backing), str(mount), str(control)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        await_mount(mount, program, tmp_path / "fusefs.log")
        yield FaultyMount(mount, backing, program.pid, control)
    finally:
        # Detached first: nobody new gets in. Killed next: whoever hangs inside gets ENOTCONN.
        subprocess.run(["fusermount", "-u", "-z", str(mount)], check=False, capture_output=True, timeout=30)
        program.kill()
        program.wait(timeout=30)


def await_mount(
    mount: Path, program: subprocess.Popen[Any], log: Path, table: Path = Path("/proc/self/mountinfo")
) -> None:
    """Wait until the program has mounted, by the table of mounts of whichever host it is to be seen on."""
    deadline = time.monotonic() + _READY_S
    while not _is_mounted(mount, table):
        if program.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{mount} was not mounted: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(_STEP_S)


def _is_mounted(mount: Path, table: Path) -> bool:
    # From the kernel's table, because a stat of a mount that hangs would hang here too.
    return any(line.split()[4] == str(mount) for line in table.read_text().splitlines())


def _rules_for(control: Path, operation: str, paths: tuple[str, ...]) -> list[dict[str, object]]:
    rules = json.loads(control.read_text())
    return [
        rule
        for rule in rules
        if rule["op"] in {operation, EVERY} and any(str(rule["path"]) in path for path in paths)
    ]


def _obey(control: Path, operation: str, paths: tuple[str, ...], *, after: bool) -> None:
    deadline = time.monotonic() + _HANG_S
    for rule in _rules_for(control, operation, paths):
        if rule.get("hang"):
            while not after and rule in _rules_for(control, operation, paths):
                if time.monotonic() > deadline:
                    raise OSError(errno.EIO, "hung for too long")
                time.sleep(_STEP_S)
        elif rule.get("after") is after:
            raise OSError(rule["errno"], "as told")


class _PassThrough:
    """Each operation on the backing directory, with the rules around it."""

    def __init__(self, backing: str, control: Path) -> None:
        self._backing = backing
        self._control = control

    def __call__(self, operation: str, *args: object) -> object:
        """Perform one operation; fusepy turns an OSError into its errno."""
        names = args[:2] if operation in {"link", "rename"} else args[:1]
        paths = tuple(str(name) for name in names)
        _obey(self._control, operation, paths, after=False)
        result: object = getattr(self, operation)(*args)
        _obey(self._control, operation, paths, after=True)
        return result

    def _real(self, path: str) -> Path:
        return Path(self._backing + path)

    def _give_to_caller(self, path: str) -> None:
        """Let what was made belong to whoever asked for it, not to the program that did it."""
        if os.geteuid() == 0:
            import fuse  # type: ignore[import-untyped] # only the separate program needs it

            user, group, _ = fuse.fuse_get_context()
            os.lchown(self._real(path), user, group)

    def getattr(self, path: str, handle: int | None = None) -> dict[str, float]:
        status = self._real(path).lstat() if handle is None else os.fstat(handle)
        names = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks")
        times = ("st_atime", "st_mtime", "st_ctime")
        return {name: getattr(status, name) for name in (*names, *times)}

    def access(self, path: str, mode: int) -> int:
        if not os.access(self._real(path), mode):
            raise OSError(errno.EACCES, "refused")
        return 0

    def readdir(self, path: str, _handle: int) -> list[str]:
        return [".", "..", *(entry.name for entry in self._real(path).iterdir())]

    def opendir(self, path: str) -> int:
        os.scandir(self._real(path)).close()
        return 0

    def releasedir(self, _path: str, _handle: int) -> int:
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        status = os.statvfs(self._real(path))
        return {name: getattr(status, name) for name in dir(status) if name.startswith("f_")}

    def open(self, path: str, flags: int) -> int:
        return os.open(self._real(path), flags)

    def create(self, path: str, mode: int) -> int:
        handle = os.open(self._real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        self._give_to_caller(path)
        return handle

    def read(self, _path: str, size: int, offset: int, handle: int) -> bytes:
        return os.pread(handle, size, offset)

    def write(self, _path: str, data: bytes, offset: int, handle: int) -> int:
        return os.pwrite(handle, data, offset)

    def truncate(self, path: str, length: int, _handle: int | None = None) -> int:
        os.truncate(self._real(path), length)
        return 0

    def flush(self, _path: str, _handle: int) -> int:
        return 0

    def fsync(self, _path: str, _data_only: int, handle: int) -> int:
        os.fsync(handle)
        return 0

    def fsyncdir(self, _path: str, _data_only: int, _handle: int) -> int:
        return 0

    def release(self, _path: str, handle: int) -> int:
        os.close(handle)
        return 0

    def link(self, new: str, old: str) -> int:
        self._real(new).hardlink_to(self._real(old))
        return 0

    def rename(self, old: str, new: str) -> int:
        self._real(old).rename(self._real(new))
        return 0

    def unlink(self, path: str) -> int:
        self._real(path).unlink()
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        self._real(path).mkdir(mode)
        self._give_to_caller(path)
        return 0

    def rmdir(self, path: str) -> int:
        self._real(path).rmdir()
        return 0

    def chmod(self, path: str, mode: int) -> int:
        self._real(path).chmod(mode)
        return 0

    def chown(self, path: str, user: int, group: int) -> int:
        os.lchown(self._real(path), user, group)
        return 0

    def symlink(self, new: str, target: str) -> int:
        self._real(new).symlink_to(target)
        self._give_to_caller(new)
        return 0

    def readlink(self, path: str) -> str:
        return str(self._real(path).readlink())

    def utimens(self, path: str, times: tuple[float, float] | None = None) -> int:
        os.utime(self._real(path), times)
        return 0


def serve(backing: str, mount: str, control: Path) -> None:
    """Mount and serve until unmounted."""
    import fuse

    os.umask(0)
    fuse.FUSE(
        _PassThrough(backing, control),
        mount,
        foreground=True,
        use_ino=True,
        attr_timeout=0,
        entry_timeout=0,
        negative_timeout=0,
        direct_io=True,
        allow_other=os.geteuid() == 0,
        nonempty=True,
    )


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
