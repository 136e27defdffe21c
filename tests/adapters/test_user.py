"""File rights of one thread: as root, with real users and files."""

import contextlib
import os
import pwd
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shadowd.adapters import user
from shadowd.adapters.user import FileUser, become, lookup
from shadowd.errors import CellError

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has other users' rights to give")
SOMEBODY = FileUser(65533, 65532, (65531, 65532))


@pytest.fixture(autouse=True)
def own_rights_again() -> Iterator[None]:
    """Give the test's thread its own rights back."""
    yield
    become(None)


@pytest.fixture
def open_dir(tmp_path: Path) -> Path:
    """Make a directory that everybody may reach and write to."""
    path = Path(f"/tmp/{tmp_path.parts[-2]}-{tmp_path.name}-{os.getpid()}")
    path.mkdir()
    path.chmod(0o777)
    return path


def in_thread(work: Callable[[], object]) -> object:
    """Run something in a thread of its own and return its result."""
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join(10)
    return results[0]


def ids(thread: int) -> tuple[str, str, list[str]]:
    """Return fsuid, fsgid and groups of a thread as the kernel tells them."""
    lines = Path(f"/proc/self/task/{thread}/status").read_text().splitlines()
    fields = {line.split(":")[0]: line.split(":")[1].split() for line in lines}
    return fields["Uid"][3], fields["Gid"][3], fields["Groups"]


def test_lookup_knows_groups() -> None:
    """A user comes with the groups that a login would give."""
    entry = pwd.getpwuid(os.getuid())
    found = lookup(entry.pw_name)
    assert (found.uid, found.gid) == (entry.pw_uid, entry.pw_gid)
    assert set(found.groups) == set(os.getgrouplist(entry.pw_name, entry.pw_gid))


@pytest.mark.parametrize("name", ["no-such-user-here", "", "a\0b", "x" * 5000])
def test_an_unknown_user_is_an_error_with_a_remedy(name: str) -> None:
    """Whatever the name is, the answer is a clear error."""
    with pytest.raises(CellError, match="does not know"):
        lookup(name)


@ROOT
def test_a_file_belongs_to_the_user_of_the_thread(open_dir: Path) -> None:
    """Owner and group of a new file are the borrowed ones, and root's again afterwards."""
    become(SOMEBODY)
    (open_dir / "theirs").write_text("x")
    become(None)
    (open_dir / "ours").write_text("x")
    theirs, ours = (open_dir / "theirs").stat(), (open_dir / "ours").stat()
    assert (theirs.st_uid, theirs.st_gid) == (SOMEBODY.uid, SOMEBODY.gid)
    assert (ours.st_uid, ours.st_gid) == (0, os.getegid())
    for path in open_dir.iterdir():
        path.unlink()
    open_dir.rmdir()


@ROOT
def test_a_borrowed_thread_has_no_rights_of_root(tmp_path: Path) -> None:
    """A file that only root may read is refused, and a group that was borrowed opens what is the group's."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    become(SOMEBODY)
    with pytest.raises(PermissionError):
        os.open("secret", os.O_RDONLY, dir_fd=descriptor)
    become(None)
    tmp_path.chmod(0o755)
    secret.chmod(0o640)
    os.chown(secret, 0, 65531)
    become(SOMEBODY)
    try:
        os.close(os.open("secret", os.O_RDONLY, dir_fd=descriptor))
    finally:
        become(None)
        os.close(descriptor)


@ROOT
def test_other_threads_keep_their_rights() -> None:
    """Two threads are two users at one time, and the main thread is root all the while."""
    both, done = threading.Barrier(3, timeout=10), threading.Barrier(3, timeout=10)
    names: list[int] = []

    def live(who: FileUser) -> None:
        become(who)
        names.append(threading.get_native_id())
        both.wait()
        done.wait()

    other = FileUser(65530, 65529, (65528,))
    threads = [threading.Thread(target=live, args=(who,)) for who in (SOMEBODY, other)]
    for thread in threads:
        thread.start()
    both.wait()
    seen = {ids(name)[0] for name in names}
    mine = ids(threading.get_native_id())
    done.wait()
    for thread in threads:
        thread.join(10)
    assert seen == {"65533", "65530"}
    assert mine[:2] == ("0", "0")
    assert "65531" not in mine[2]


@ROOT
def test_the_same_user_again_costs_no_system_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a change is made and verified."""

    def twice() -> str:
        become(SOMEBODY)
        monkeypatch.setattr(user, "_set_groups", lambda _: pytest.fail("it was set again"))
        become(SOMEBODY)
        return "not set again"

    assert in_thread(twice) == "not set again"
    monkeypatch.undo()


@ROOT
def test_a_child_within_own_identity_is_root() -> None:
    """A program started from a borrowed thread has neither its ids nor its groups."""

    def start() -> str:
        become(SOMEBODY)
        with user.own_identity():
            return subprocess.run(["id", "-G"], capture_output=True, text=True, check=True).stdout

    assert set(str(in_thread(start)).split()) == {str(group) for group in {os.getegid(), *os.getgroups()}}


@ROOT
def test_own_identity_gives_the_borrowed_one_back() -> None:
    """After the block the thread uses files as before, also when the block failed."""

    def live() -> list[str]:
        become(SOMEBODY)
        with contextlib.suppress(KeyError), user.own_identity():
            inside.append(ids(threading.get_native_id())[0])
            raise KeyError
        return [*inside, ids(threading.get_native_id())[0]]

    inside: list[str] = []
    assert in_thread(live) == ["0", "65533"]


@ROOT
def test_a_thread_born_of_a_borrowed_one_can_become_itself() -> None:
    """Threads inherit ids from who starts them; ``become(None)`` still ends at the process's own."""

    def born() -> str:
        before = ids(threading.get_native_id())[0]
        become(None)
        return before + " " + ids(threading.get_native_id())[0]

    def live() -> object:
        become(SOMEBODY)
        return in_thread(born)

    assert in_thread(live) == "65533 0"


@ROOT
def test_a_kernel_that_does_not_obey_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call setfsuid fails without a word; the reading back finds it."""
    monkeypatch.setattr(user._libc, "setfsgid", lambda _: 12345)
    with pytest.raises(PermissionError, match="12345"):
        become(SOMEBODY)
    monkeypatch.undo()
    become(None)
    assert ids(threading.get_native_id())[:2] == ("0", "0")


def test_without_root_nothing_is_switched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not root uses files as who he is."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    before = ids(threading.get_native_id())
    become(SOMEBODY)
    assert ids(threading.get_native_id()) == before
