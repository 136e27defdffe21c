"""A record that is rewritten in place: whole at every moment, and without a need for space."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadowd.adapters import slotfile
from shadowd.adapters.slotfile import LONGEST, SLOT, SlotFile
from shadowd.core.values import Unknown


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[SlotFile]:
    """Return one whose space is reserved."""
    made = SlotFile(tmp_path / "record")
    assert made.reserve() is None
    yield made
    made.close()


def test_a_reserved_file_is_no_record(slots: SlotFile) -> None:
    """Its name says whether there is one; nothing is left of one that was removed."""
    assert not slots.path.exists()
    assert slots.read() is None
    assert slots.write(b"one") is None
    assert slots.read() == b"one"
    assert slots.path.stat().st_mode & 0o777 == 0o600
    assert slots.remove() is None
    assert slots.remove() is None
    assert not slots.path.exists()
    assert slots.write(b"two") is None
    assert slots.read() == b"two"


def test_all_writes_go_into_the_same_file(slots: SlotFile) -> None:
    """In place: neither its number nor its size changes."""
    slots.write(b"0")
    before = slots.path.stat()
    for number in range(1, 9):
        assert slots.write(b"%d" % number * 100) is None
        assert slots.read() == b"%d" % number * 100
    after = slots.path.stat()
    assert (before.st_ino, before.st_size, before.st_blocks) == (after.st_ino, 2 * SLOT, after.st_blocks)


@pytest.mark.parametrize("cut", [0, 1, 20, 40, 50, 60, 100, SLOT - 1])
def test_a_write_that_ends_half_way_leaves_the_record_before(
    slots: SlotFile, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever part of the page reached the file."""
    old, new = b"old" * 20, b"new" * 30
    slots.write(b"first")
    slots.write(old)
    real = os.pwrite

    def torn(descriptor: int, data: bytes, offset: int) -> int:
        real(descriptor, data[:cut], offset)
        raise OSError(5, "the process ended")

    monkeypatch.setattr(slotfile.os, "pwrite", torn)
    assert isinstance(slots.write(new), Unknown)
    monkeypatch.undo()
    assert slots.read() == (new if cut > len(new) + 50 else old)
    assert slots.write(b"next") is None
    assert slots.read() == b"next"


def test_a_reader_never_sees_a_half(slots: SlotFile) -> None:
    """While another thread writes all the time."""
    slots.write(b"0" * 1000)
    done = threading.Event()

    def write() -> None:
        for number in range(2000):
            slots.write(b"%d" % (number % 10) * 1000)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        found = SlotFile(slots.path).read()
        assert found is not None
        assert len(found) == 1000
        assert len(set(found)) == 1
    thread.join()


def test_no_descriptor_is_needed_once_it_is_reserved(
    slots: SlotFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that may open nothing more goes on renewing."""

    def none_left(*_: object) -> int:
        raise OSError(24, "Too many open files")

    slots.write(b"one")
    monkeypatch.setattr(slotfile.os, "open", none_left)
    assert slots.write(b"two") is None
    monkeypatch.undo()
    assert slots.read() == b"two"


def test_one_that_was_taken_away_is_made_again(slots: SlotFile) -> None:
    """Somebody emptied the runtime directory."""
    slots.write(b"one")
    slots.path.unlink()
    assert slots.read() is None
    assert slots.write(b"two") is None
    assert slots.read() == b"two"
    assert slots.reserve() is None


def test_a_successor_goes_on_with_it(slots: SlotFile) -> None:
    """The daemon after this one, and an enforcer beside it."""
    slots.write(b"one")
    other = SlotFile(slots.path)
    assert other.reserve() is None
    assert other.read() == b"one"
    other.write(b"two")
    assert slots.write(b"three") is None
    assert other.read() == b"three"
    other.close()
    assert SlotFile(slots.path).remove() is None
    assert slots.read() is None


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path) -> None:
    """A link, a FIFO and a stranger's file are neither read nor written."""
    target = tmp_path / "target"
    target.write_text("precious")
    link = SlotFile(tmp_path / "link")
    link.path.symlink_to(target)
    fifo = SlotFile(tmp_path / "fifo")
    os.mkfifo(fifo.path)
    strange = SlotFile(tmp_path / "strange")
    strange.path.write_text("{}")
    if os.geteuid() == 0:
        os.chown(strange.path, 65534, 65534)
    for slots in (link, fifo, *([strange] if os.geteuid() == 0 else [])):
        assert slots.read() is None
        assert isinstance(slots.write(b"one"), Unknown)
        assert isinstance(slots.reserve(), Unknown)
    assert target.read_text() == "precious"


def test_bounds_and_garbage(tmp_path: Path) -> None:
    """A record has its room; what is no slot is none."""
    slots = SlotFile(tmp_path / "record")
    assert isinstance(slots.write(bytes(LONGEST + 1)), Unknown)
    assert slots.write(b"x" * LONGEST) is None
    assert slots.read() == b"x" * LONGEST
    for garbage in (b"shadowd-slot", b"shadowd-slot x y z\n", b"shadowd-slot 1 1 999999\n", b"\0" * 9000):
        slots.path.write_bytes(garbage)
        assert slots.read() is None
    assert isinstance(SlotFile(tmp_path / "missing" / "record").write(b"x"), Unknown)
    (tmp_path / "directory").mkdir()
    assert SlotFile(tmp_path / "directory").read() is None
    assert isinstance(SlotFile(tmp_path / "directory").remove(), Unknown)
