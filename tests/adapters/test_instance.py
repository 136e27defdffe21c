"""One daemon a host and cell, by a lock that goes with its process."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shadowd.adapters.instance import ensure_directory, lock_instance
from shadowd.errors import AlreadyRunningError, ConfigError
from tests.lab.processes import wait_for

HOLD = """
import sys, signal
from pathlib import Path
from shadowd.adapters.instance import lock_instance
lock_instance(Path(sys.argv[1]))
print("held", flush=True)
signal.pause()
"""


def test_a_second_lock_is_refused_and_names_the_holder(tmp_path: Path) -> None:
    """Another process is told the pid of the first and what to do."""
    path = tmp_path / "cell@host.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunningError) as refused:
            lock_instance(path)
    finally:
        holder.kill()
        holder.wait(10)
        holder.stdout.close()
    assert refused.value.reason == f"is locked by pid {holder.pid}"
    assert "shadowd status" in refused.value.remedy


def test_the_lock_goes_with_its_process_whatever_ended_it(tmp_path: Path) -> None:
    """SIGKILL leaves the file, and the file alone keeps nobody out."""
    path = tmp_path / "cell@host.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    holder.stdout.close()
    descriptor = lock_instance(path)
    assert path.read_text() == f"{os.getpid()}\n"
    os.close(descriptor)


def test_a_longer_pid_of_before_leaves_no_digits(tmp_path: Path) -> None:
    """The file holds our pid and nothing of what it held before."""
    path = tmp_path / "cell@host.lock"
    path.write_text("123456789012345\n")
    os.close(lock_instance(path))
    assert path.read_text() == f"{os.getpid()}\n"


def test_a_child_that_runs_another_program_does_not_hold_the_lock(tmp_path: Path) -> None:
    """A master outlives its daemon without keeping the next one out."""
    path = tmp_path / "cell@host.lock"
    descriptor = lock_instance(path)
    child = subprocess.Popen(["/bin/sleep", "60"], close_fds=False)
    os.close(descriptor)

    def free() -> bool:
        # The kernel closes what execve does not hand down a moment after Popen has returned.
        try:
            os.close(lock_instance(path))
        except AlreadyRunningError:
            return False
        return True

    try:
        wait_for(free, 10, "the lock is free while the child lives")
        assert child.poll() is None
    finally:
        child.kill()
        child.wait(10)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.mkdir, "cannot be opened: Is a directory"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to("elsewhere"), "cannot be opened"),
        (lambda path: path.symlink_to(path.name), "cannot be opened"),
    ],
    ids=["directory", "fifo", "link", "loop"],
)
def test_what_is_no_lock_file_is_an_error_with_its_name(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    """A directory, a FIFO, a link: named, never waited for, never followed."""
    path = tmp_path / "cell@host.lock"
    make(path)
    with pytest.raises(ConfigError, match=reason) as refused:
        lock_instance(path)
    assert refused.value.subject == str(path)
    assert not (tmp_path / "elsewhere").exists()


def test_it_is_readable_by_nobody_else(tmp_path: Path) -> None:
    """Who may open a file may lock it: one that an earlier release left open to all is closed."""
    path = tmp_path / "cell@host.lock"
    path.touch()
    path.chmod(0o666)
    os.close(lock_instance(path))
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_strangers_file_and_a_second_name_are_refused(tmp_path: Path) -> None:
    """Its owner could change what it says, or what else it is."""
    path = tmp_path / "cell@host.lock"
    path.touch()
    os.chown(path, 65534, 65534)
    with pytest.raises(ConfigError, match="belongs to uid 65534"):
        lock_instance(path)
    path.unlink()
    other = tmp_path / "precious"
    other.touch()
    path.hardlink_to(other)
    with pytest.raises(ConfigError, match="has a second name"):
        lock_instance(path)
    assert other.read_bytes() == b""


def test_a_missing_directory_is_an_error_and_keeps_nothing_open(tmp_path: Path) -> None:
    """Without its directory there is no lock; no descriptor is left."""
    path = tmp_path / "missing" / "cell@host.lock"
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ConfigError, match="cannot be opened: No such file"):
        lock_instance(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_runtime_directory_is_made_with_all_above_it(tmp_path: Path) -> None:
    """A missing directory is made, one that is there is left as it is."""
    path = tmp_path / "a" / "b"
    ensure_directory(path)
    ensure_directory(path)
    assert path.is_dir()


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o707])
def test_a_runtime_directory_that_everybody_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Anybody could put a link where the daemon's files will be."""
    path = tmp_path / "run"
    path.mkdir()
    path.chmod(mode)
    with pytest.raises(ConfigError, match="others may write it") as refused:
        ensure_directory(path)
    assert "chmod go-w" in refused.value.remedy


def test_below_a_public_directory_it_is_ours_alone(tmp_path: Path) -> None:
    """As /tmp/shadowd-UID: made with 0700, and whatever else lies there is refused with a remedy."""
    public = tmp_path / "public"
    public.mkdir()
    public.chmod(0o1777)
    ensure_directory(public / "ours")
    assert (public / "ours").stat().st_mode & 0o777 == 0o700
    ensure_directory(public / "ours")
    (public / "ours").chmod(0o755)
    with pytest.raises(ConfigError, match="others may enter it") as refused:
        ensure_directory(public / "ours")
    assert "chmod 0700" in refused.value.remedy
    (tmp_path / "elsewhere").mkdir(0o700)
    (public / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="is not a directory"):
        ensure_directory(public / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_strangers_runtime_directory_is_refused(tmp_path: Path) -> None:
    """Made before us, by somebody who knew our uid."""
    path = tmp_path / "run"
    path.mkdir(0o755)
    os.chown(path, 65534, 65534)
    with pytest.raises(ConfigError, match="belongs to uid 65534") as refused:
        ensure_directory(path)
    assert "runtime_dir" in refused.value.remedy


def test_a_file_in_the_place_of_the_runtime_directory_is_an_error(tmp_path: Path) -> None:
    """The error names the path and the key to change."""
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(ConfigError) as refused:
        ensure_directory(path)
    assert refused.value.subject == str(path)
    assert "runtime_dir" in refused.value.remedy
