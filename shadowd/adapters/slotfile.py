"""A small local record whose space is reserved beforehand, and which is rewritten in place.

Why not a new file and a rename: that needs a free block and a free inode each time, and where a full disk
keeps a lease from being renewed on it, an enforcer takes a healthy master for a neglected one. So the file
has its full size from the beginning: two slots of two pages each. A write goes to the slot that does not hold
the present record, in one system call, with a number and a checksum; a process that ends half-way leaves the
other slot. A kept descriptor spares the open, which fails where descriptors or memory are exhausted.

While nothing is recorded the file waits under a hidden name, so that the record's own name says whether there
is one. Both names are in one directory, so the rename between them takes no space.

Refuses links, whatever is no regular file, and a file of another user.
"""

import os
import stat
import threading
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

from shadowd.adapters.publish import write_private
from shadowd.core.values import Problem, Unknown

SLOT: Final = 8192
"""Bytes of a slot."""
_SIZE: Final = 2 * SLOT
_MAGIC: Final = b"shadowd-slot"
_HEADER: Final = 64
LONGEST: Final = SLOT - _HEADER
"""Bytes that one record may have."""
_FLAGS: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_TRIES: Final = 3
"""Looks at a record that is being written, and writes where somebody else wrote at the same time."""


class SlotFile:
    """One record at one path; safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._spare = path.with_name(f".{path.name}.spare")
        self._kept: int | None = None

    def reserve(self) -> Unknown | None:
        """Take the space and keep a descriptor, from now until ``close``; None when done."""
        try:
            with self._lock:
                if self._kept is None or not self._is_ours(self._kept):
                    self._let_go()
                    self._kept = self._open_or_make()
        except OSError as error:
            return self._unwritten(error)
        return None

    def close(self) -> None:
        """Let go of the descriptor; the record stays."""
        with self._lock:
            self._let_go()

    def read(self) -> bytes | None:
        """Return the record; None where there is none that is whole."""
        try:
            descriptor = _open(self.path, os.O_RDONLY)
        except OSError:
            return None
        try:
            for _ in range(_TRIES):
                data = os.pread(descriptor, _SIZE + 1, 0)
                if not data.startswith(_MAGIC) and data[SLOT:].strip(b"\0") == b"":
                    return data[:SLOT].rstrip(b"\0") or None  # as an earlier release wrote it
                found = _newest(data)
                if found is not None:
                    return found[1]
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return None

    def write(self, data: bytes) -> Unknown | None:
        """Put this record there; None when done."""
        if len(data) > LONGEST:
            return Unknown(Problem.TOO_LARGE, str(self.path), f"{len(data)} bytes; at most {LONGEST}")
        try:
            with self._lock:
                self._write_somewhere(data)
        except OSError as error:
            return self._unwritten(error)
        return None

    def remove(self) -> Unknown | None:
        """Let there be no record; the space stays reserved where it is."""
        try:
            with self._lock:
                if self._kept is not None:
                    self.path.rename(self._spare)
                else:
                    self.path.unlink()
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._unwritten(error)
        return None

    def _let_go(self) -> None:
        if self._kept is not None:
            os.close(self._kept)
            self._kept = None

    def _write_somewhere(self, data: bytes) -> None:
        if self._kept is not None and self._is_ours(self._kept):
            self._write(self._kept, data)
            return
        reserved = self._kept is not None
        self._let_go()
        descriptor = self._open_or_make()
        if reserved:  # somebody took the file away
            self._kept = descriptor
        try:
            self._write(descriptor, data)
        finally:
            if not reserved:
                os.close(descriptor)

    def _write(self, descriptor: int, data: bytes) -> None:
        for _ in range(_TRIES):
            found = _newest(os.pread(descriptor, _SIZE, 0))
            number, slot = (found[0] + 1, 1 - found[2]) if found is not None else (1, 0)
            os.pwrite(descriptor, _page(number, data), slot * SLOT)
            found = _newest(os.pread(descriptor, _SIZE, 0))
            if found is not None and found[1] == data:
                break
        with suppress(FileNotFoundError):  # it has its name already
            self._spare.rename(self.path)

    def _is_ours(self, descriptor: int) -> bool:
        """Tell whether one of the two names still means the file that is kept open."""
        opened = os.fstat(descriptor)
        for path in (self.path, self._spare):
            with suppress(FileNotFoundError):
                if os.path.samestat(path.lstat(), opened):
                    return True
        return False

    def _open_or_make(self) -> int:
        """Return a descriptor of the file, made with all its space where it is missing."""
        for path in (self.path, self._spare):
            with suppress(FileNotFoundError):
                descriptor = _open(path, os.O_RDWR)
                if _begins_well(descriptor):
                    return descriptor
                os.close(descriptor)  # an earlier release's, without its space
                path.unlink()
        return self._make()

    def _make(self) -> int:
        fresh = self.path.with_name(f".{self.path.name}.new.{os.getpid()}")
        write_private(fresh, _page(0, b"") * 2, 0o600, sync=False, anew=True)
        try:
            descriptor = _open(fresh, os.O_RDWR)
            fresh.rename(self._spare)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        return descriptor

    def _unwritten(self, error: OSError) -> Unknown:
        return Unknown(
            Problem.UNREADABLE, str(self.path), f"could not be replaced: {error.strerror or error}"
        )


def _open(path: Path, flags: int) -> int:
    """Open a file of ours; raises OSError for a link, another kind of file and another user's."""
    descriptor = os.open(path, flags | _FLAGS)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_uid in {0, os.geteuid()}:
        return descriptor
    os.close(descriptor)
    raise OSError(0, f"it belongs to uid {found.st_uid} or is no regular file")


def _begins_well(descriptor: int) -> bool:
    return os.fstat(descriptor).st_size == _SIZE and os.pread(descriptor, len(_MAGIC), 0) == _MAGIC


def _page(number: int, data: bytes) -> bytes:
    """Return one slot: a line that says what follows, the record, and nothing up to the end."""
    body = b"%d %d\n%s" % (number, len(data), data)
    return (b"%s %08x %s" % (_MAGIC, zlib.crc32(body), body)).ljust(SLOT, b"\0")


def _newest(pages: bytes) -> tuple[int, bytes, int] | None:
    """Return number, record and slot of the latest that is whole; None where neither is."""
    whole = [(*found, slot) for slot in (0, 1) if (found := _parse(pages[slot * SLOT :][:SLOT])) is not None]
    return max(whole, key=lambda found: found[0], default=None)


def _parse(page: bytes) -> tuple[int, bytes] | None:
    head, _, data = page.partition(b"\n")
    words = head.split(b" ")
    if len(words) != 4 or words[0] != _MAGIC or not all(word.isalnum() for word in words[1:]):
        return None
    try:
        checksum, number, length = int(words[1], 16), int(words[2]), int(words[3])
    except ValueError:
        return None
    data = data[: max(0, length)]
    whole = checksum == zlib.crc32(b"%d %d\n%s" % (number, length, data))
    return (number, data) if whole else None
