"""The files of a cell as values: rows of GRIDENGINE.md, and everything else that may lie in their place."""

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd import ports
from shadowd.adapters import cellfiles
from shadowd.adapters.cellfiles import (
    CellPaths,
    GridEngineFiles,
    parse_active,
    parse_beat,
    parse_shadows,
)
from shadowd.adapters.hostnames import HostNames, parse_aliases
from shadowd.adapters.pausefile import parse_pause
from shadowd.adapters.resident import ResidentSearch
from shadowd.core.values import Epoch, Host, Lock, LockKind, Pause, PauseReading, Problem, Unknown

NAMES = HostNames(ignore_fqdn=True, aliases=parse_aliases(b"head cluster-head.example.com\n"))


def sparse(path: Path) -> None:
    """Make a file of a gigabyte that takes no room."""
    path.touch()
    os.truncate(path, 1 << 30)


AWKWARD: dict[str, Callable[[Path], object]] = {
    "directory": lambda path: path.mkdir(),
    "FIFO": os.mkfifo,
    "link loop": lambda path: path.symlink_to(path),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "a gigabyte": sparse,
    "binary": lambda path: path.write_bytes(bytes(range(128, 256)) * 2),
}
READS = ("read_lock", "read_beat", "read_active", "read_shadows", "read_pause")


@pytest.fixture
def files(tmp_path: Path) -> GridEngineFiles:
    """Return the files of an empty cell on host ``gea``."""
    spool, common = tmp_path / "spool", tmp_path / "common"
    spool.mkdir()
    common.mkdir()
    paths = CellPaths(
        spool=spool,
        lock=spool / "lock",
        beat=spool / "heartbeat",
        active=common / "act_qmaster",
        shadows=common / "shadow_masters",
        pid_file=spool / "qmaster.pid",
    )
    return GridEngineFiles("lab", Host("gea"), paths, NAMES, ResidentSearch(paths.pid_file, spool))


def path_of(files: GridEngineFiles, read: str) -> Path:
    """Return the file that a method reads."""
    paths = files.paths
    return {
        "read_lock": paths.lock,
        "read_beat": paths.beat,
        "read_active": paths.active,
        "read_shadows": paths.shadows,
        "read_pause": paths.state / "pause.json",
    }[read]


def problem(answer: object) -> Problem:
    """Return what is wrong with an answer that gave no value."""
    assert isinstance(answer, Unknown), answer
    assert answer.subject
    return answer.problem


def test_it_is_the_port(files: GridEngineFiles) -> None:
    """The adapter has every method of the port; the type checker compares the signatures."""
    port: ports.CellFiles = files
    methods = {name for name in vars(ports.CellFiles) if not name.startswith("_")}
    assert methods <= set(dir(port))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"00001\n", 1),
        (b"99999\n", 99999),
        (b"99999999999\n", 99999999999),
        (b" \t42 \r\n\n", 42),
        (b"1", 1),
        (b"9" * 20, int("9" * 20)),
        (b"9" * 21, Problem.GARBAGE),
        (b"0" * 25 + b"7", Problem.GARBAGE),
        (b"", Problem.EMPTY),
        (b" \n", Problem.EMPTY),
        (b"0", Problem.GARBAGE),
        (b"00000\n", Problem.GARBAGE),
        (b"-5\n", Problem.GARBAGE),
        (b"+5\n", Problem.GARBAGE),
        (b"garbage\n", Problem.GARBAGE),
        (b"12 13\n", Problem.GARBAGE),
        (b"1_000", Problem.GARBAGE),
        (b"0x10", Problem.GARBAGE),
        (b"00042\0\0", Problem.GARBAGE),
        ("\N{ARABIC-INDIC DIGIT ONE}".encode(), Problem.GARBAGE),
    ],
)
def test_the_heartbeat_is_a_number_from_one_up(data: bytes, value: int | Problem) -> None:
    """Row "heartbeat missing / empty / garbage / 0 / -5": unknown, and said which."""
    answer = parse_beat(data, "heartbeat")
    assert (problem(answer) if isinstance(value, Problem) else answer) == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"gea.lab\n", "gea"),
        (b"GEA.lab", "gea"),
        (b"  \n gea \n", "gea"),
        (b"gea geb\n", "gea"),
        (b"Cluster-Head.example.com\n", "head"),
        (b"", Problem.EMPTY),
        (b"\n", Problem.EMPTY),
        (b"-x\n", Problem.GARBAGE),
        (b"localhost\n", Problem.GARBAGE),
        (b"\x7fELF\x02\x01", Problem.GARBAGE),
        (b"gea\0geb", Problem.GARBAGE),
    ],
)
def test_act_qmaster_is_its_first_word(data: bytes, value: str | Problem) -> None:
    """Row "act_qmaster missing / empty / binary": unknown; else the first word in canonical form."""
    answer = parse_active(data, NAMES, "act_qmaster")
    assert (problem(answer) if isinstance(value, Problem) else answer) == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"gea.lab\ngeb.lab\ngec.lab\n", ("gea", "geb", "gec")),
        (b"geb gea\tgec,ged , gee\r\n", ("geb", "gea", "gec", "ged", "gee")),
        (b"gea\nGEA.lab\ngeb gea", ("gea", "geb")),
        (b"# all of them\ngea # the old one, geb\ngec", ("gea", "gec")),
        ("#f\N{LATIN SMALL LETTER U WITH DIAERESIS}r\ngea".encode(), ("gea",)),
        (b"gea (primary) geb; @all -x gec", ("gea", "gec")),
        (b"cluster-head", ("head",)),
        (b"", Problem.EMPTY),
        (b" ,\n", Problem.EMPTY),
        (b"# nobody\n", Problem.EMPTY),
        (b"(none)\n", Problem.GARBAGE),
        (b"gea\n\x00\x01\xff", Problem.GARBAGE),
    ],
)
def test_shadow_masters_is_a_list_of_hosts(data: bytes, value: tuple[str, ...] | Problem) -> None:
    """Hosts separated by blank, tab, newline or comma, each once, in order; no text is no list."""
    answer = parse_shadows(data, NAMES, "shadow_masters")
    assert (problem(answer) if isinstance(value, Problem) else answer) == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"who": "ann", "why": "disks", "until": null}', Pause("ann", "disks", None)),
        (b'{"who": "ann", "why": "disks"}', Pause("ann", "disks", None)),
        (b'{"who": "a", "why": "", "until": 17e8, "format": 1}', Pause("a", "", 17e8)),
        (b'{"who": "a\\u001b[2J", "why": "x\\ny\\ud800", "until": 5}', Pause("a?[2J", "x?y?", 5.0)),
        (b"", Problem.EMPTY),
        (b"\n", Problem.EMPTY),
        (b"{", Problem.GARBAGE),
        (b"[]", Problem.GARBAGE),
        (b"[" * 16000, Problem.GARBAGE),
        (b"\xff\xfe\x00", Problem.GARBAGE),
        (b"{}", Problem.GARBAGE),
        (b'{"who": 1, "why": "x"}', Problem.GARBAGE),
        (b'{"who": "a", "why": "b", "until": "now"}', Problem.GARBAGE),
        (b'{"who": "a", "why": "b", "until": true}', Problem.GARBAGE),
        (b'{"who": "a", "why": "b", "until": NaN}', Problem.GARBAGE),
        (b'{"who": "a", "why": "b", "until": 1e999}', Problem.GARBAGE),
        (b'{"who": "a", "why": "b", "until": 1%s}' % (b"0" * 400), Problem.GARBAGE),
        (b'{"who": "a", "why": "b", "until": 1%s}' % (b"0" * 9000), Problem.GARBAGE),
    ],
)
def test_a_pause_says_who_why_and_until(data: bytes, value: Pause | Problem) -> None:
    """The record as a value, its text made harmless; anything else is unknown."""
    answer = parse_pause(data, "pause.json")
    assert (problem(answer) if isinstance(value, Problem) else answer) == value


@given(data=st.binary())
def test_no_bytes_break_a_parser(data: bytes) -> None:
    """Every parser turns any bytes into a value or Unknown, with a message that fits a line."""
    for answer in (
        parse_beat(data, "f"),
        parse_active(data, NAMES, "f"),
        parse_shadows(data, NAMES, "f"),
        parse_pause(data, "f"),
    ):
        assert not isinstance(answer, Unknown) or len(answer.detail) < 300


@given(who=st.text(), why=st.text(), until=st.none() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_pause_that_we_write_can_be_read(who: str, why: str, until: float | None) -> None:
    """What JSON writes comes back as one printable line each."""
    pause = parse_pause(json.dumps({"who": who, "why": why, "until": until}).encode(), "f")
    assert isinstance(pause, Pause)
    assert (pause.who + pause.why).isprintable()
    assert pause.until_wall == until


@pytest.mark.parametrize("what", AWKWARD)
@pytest.mark.parametrize("read", READS)
def test_nothing_that_lies_there_hangs_or_fills_memory(files: GridEngineFiles, read: str, what: str) -> None:
    """A FIFO, a directory, a link loop, a gigabyte or binary: unknown, or a foreign lock, in no memory."""
    path = path_of(files, read)
    path.parent.mkdir(exist_ok=True)
    AWKWARD[what](path)
    tracemalloc.start()
    try:
        answer = getattr(files, read)()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    if isinstance(answer, PauseReading):
        answer = answer.pause
    if isinstance(answer, Lock):
        assert answer.kind is LockKind.FOREIGN
    else:
        assert problem(answer) is not Problem.EMPTY


@pytest.mark.parametrize("read", ["read_beat", "read_active", "read_shadows"])
def test_a_missing_file_is_unknown_and_named(files: GridEngineFiles, read: str) -> None:
    """A missing heartbeat, act_qmaster or shadow_masters is reported with its path."""
    answer = getattr(files, read)()
    assert problem(answer) is Problem.MISSING
    assert answer.subject == str(path_of(files, read))


def test_it_recovers_when_the_file_comes_back(files: GridEngineFiles) -> None:
    """Nothing is remembered between reads."""
    files.paths.beat.mkdir()
    assert problem(files.read_beat()) is Problem.NOT_A_FILE
    files.paths.beat.rmdir()
    files.paths.beat.write_bytes(b"00007\n")
    assert files.read_beat() == 7


def test_the_whole_round_of_a_healthy_cell(files: GridEngineFiles) -> None:
    """A beating master on another host: no lock, no pause, nobody resident."""
    files.paths.beat.write_bytes(b"00007\n")
    files.paths.active.write_bytes(b"geb.lab\n")
    files.paths.shadows.write_bytes(b"gea.lab\ngeb.lab\n")
    assert files.read_lock() == Lock(LockKind.ABSENT)
    assert files.read_beat() == 7
    assert files.read_active() == "geb"
    assert files.read_shadows() == ("gea", "geb")
    assert files.read_pause() == (None, 0)
    assert files.resident() is None


def test_an_empty_lock_is_a_regular_shutdown(files: GridEngineFiles) -> None:
    """The ancestor's lock is empty; its age is told to people."""
    files.paths.lock.touch()
    os.utime(files.paths.lock, (1, 1234.0))
    assert files.read_lock() == Lock(LockKind.FOREIGN, wall=1234.0)


def test_a_lock_of_unknown_content_is_foreign(files: GridEngineFiles) -> None:
    """Whatever is no claim of ours is another's."""
    files.paths.lock.write_bytes(b'{"shadowd": 2}')
    lock = files.read_lock()
    assert isinstance(lock, Lock)
    assert lock.kind is LockKind.FOREIGN


def test_an_unmounted_spool_has_no_absent_lock(files: GridEngineFiles) -> None:
    """Where the spool cannot be listed, nothing is known about the lock or the pause."""
    files.paths.spool.rmdir()
    assert problem(files.read_lock()) is Problem.MISSING
    assert problem(files.read_pause().pause) is Problem.MISSING
    assert problem(files.read_beat()) is Problem.MISSING


def test_a_spool_that_is_no_directory_is_unreadable(files: GridEngineFiles) -> None:
    """A file in place of the spool is reported, not taken for an empty spool."""
    files.paths.spool.rmdir()
    files.paths.spool.touch()
    assert problem(files.read_lock()) is Problem.UNREADABLE
    assert problem(files.read_pause().pause) is Problem.UNREADABLE


def test_a_cell_that_was_never_paused_has_no_pause(files: GridEngineFiles) -> None:
    """With or without our own directory in the spool, no pause.json is no pause."""
    assert files.read_pause() == (None, 0)
    files.paths.state.mkdir()
    assert files.read_pause() == (None, 0)
    (files.paths.state / "pause.json").write_text('{"who": "ann", "why": "disks", "until": null}')
    assert files.read_pause() == (Pause("ann", "disks", None), 0)


def test_our_directory_may_be_made_while_we_look_for_a_pause(
    files: GridEngineFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first record of any daemon makes it; a look before and a look after is no doubt."""
    plain = cellfiles.list_dir

    def listing(path: Path, most: int) -> tuple[str, ...] | Unknown:
        names = plain(path, most)
        files.paths.state.mkdir(exist_ok=True)
        return names

    monkeypatch.setattr(cellfiles, "list_dir", listing)
    assert files.read_pause() == (None, 0)


@pytest.mark.parametrize(
    ("read", "first", "then", "value"),
    [
        ("read_beat", b"", b"00008\n", 8),
        ("read_active", b"", b"geb.lab\n", "geb"),
        ("read_shadows", b"", b"geb.lab\n", ("geb",)),
        ("read_beat", b"\0\0\0", b"00008\n", 8),
    ],
)
def test_a_half_written_file_is_read_again_at_once(
    files: GridEngineFiles,
    monkeypatch: pytest.MonkeyPatch,
    *,
    read: str,
    first: bytes,
    then: bytes,
    value: object,
) -> None:
    """act_qmaster is written by truncation: one empty look is not the answer."""
    path = path_of(files, read)
    path.write_bytes(first)
    real = os.close

    def finish_writing(descriptor: int) -> None:
        real(descriptor)
        monkeypatch.undo()
        path.write_bytes(then)

    monkeypatch.setattr("shadowd.adapters.reading.os.close", finish_writing)
    assert getattr(files, read)() == value


def test_a_lock_that_goes_between_two_looks_is_absent(
    files: GridEngineFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listed, then gone, then not listed any more: absent, and not before."""
    files.paths.lock.touch()
    real = os.open

    def remove_first(name: str | Path, *rest: int) -> int:
        if name == files.paths.lock:
            files.paths.lock.unlink(missing_ok=True)
        return real(name, *rest)

    monkeypatch.setattr("shadowd.adapters.reading.os.open", remove_first)
    assert files.read_lock() == Lock(LockKind.ABSENT)


def test_the_address_of_a_host_keeps_its_domain(files: GridEngineFiles) -> None:
    """The probe is given the name as the files spell it; a host in no file is given back as it is."""
    files.paths.active.write_bytes(b"GEB.lab\n")
    files.paths.shadows.write_bytes(b"#gec.old\ngec.lab, geb.other\n")
    assert [files.address(Host(host)) for host in ("geb", "gec", "ged")] == ["geb.lab", "gec.lab", "ged"]


@pytest.mark.parametrize("text", ["", "../up", "a/b", "a\0b", "\udcff"])
def test_only_a_host_is_published(files: GridEngineFiles, text: str) -> None:
    """A name that is no host name does not become a path."""
    assert problem(files.publish(Host(text), b"{}")) is Problem.GARBAGE
    assert not files.paths.state.exists()


def test_what_is_published_lies_under_the_hosts_name(files: GridEngineFiles) -> None:
    """The record of this host is a file of its name."""
    assert files.publish(Host("gea"), b"{}") is None
    assert (files.paths.state / "hosts" / "gea.json").read_bytes() == b"{}"


def test_a_lock_that_we_place_is_read_back_as_a_claim(files: GridEngineFiles) -> None:
    """Placed, read and cleared through the same adapter."""
    placed = files.place_lock(Epoch(7), "abc")
    assert isinstance(placed, Lock)
    assert (placed.kind, placed.epoch, placed.nonce) == (LockKind.CLAIM, 7, "abc")
    read = files.read_lock()
    assert isinstance(read, Lock)
    assert (read.kind, read.epoch, read.nonce) == (LockKind.CLAIM, 7, "abc")
    assert files.clear_lock() is None
    assert files.read_lock() == Lock(LockKind.ABSENT)


def test_a_master_is_named_in_place(files: GridEngineFiles) -> None:
    """The name replaces a longer one in the same file, so that no host sees the old one for long."""
    active = files.paths.active
    active.write_text("a-host-with-a-longer-name\nand more\n")
    inode = active.stat().st_ino
    assert files.name_master(Host("gea")) is None
    assert files.read_active() == "gea"
    assert active.stat().st_ino == inode
    assert active.read_text() == f"{files.names.full('gea')}\n"
    active.unlink()
    assert files.name_master(Host("gea")) is None
    assert files.read_active() == "gea"
    active.unlink()
    active.mkdir()
    assert isinstance(files.name_master(Host("gea")), Unknown)
    active.rmdir()
    assert files.clear_mark() is None
