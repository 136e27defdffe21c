"""Who the daemon says it is."""

import os
from pathlib import Path

import pytest

from shadowd.adapters.identity import SystemIdentity
from shadowd.adapters.marks import nonce_of
from shadowd.core.values import Host
from shadowd.errors import CellError

BOOT = "721ece79-606a-4f47-b3a1-a681666dbef7"


@pytest.fixture
def boot_id(tmp_path: Path) -> Path:
    """Write a boot id as the kernel shows it."""
    path = tmp_path / "boot_id"
    path.write_text(f"{BOOT}\n")
    return path


def identity(*machine_ids: Path, boot_id: Path) -> SystemIdentity:
    """Make an identity from these files."""
    return SystemIdentity("lab", Host("a"), machine_ids=machine_ids, boot_id=boot_id)


def test_this_process_is_named_for_good() -> None:
    """Pid and start token are those of field 22 of /proc/self/stat."""
    me = SystemIdentity("lab", Host("a"))
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    assert (me.cell, me.host, me.pid, me.start_token) == ("lab", "a", os.getpid(), fields[19])
    assert me.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_nonces_differ() -> None:
    """No two nonces are the same, each is one word, and the secret behind it is another."""
    me = SystemIdentity("lab", Host("a"))
    nonces = {me.nonce() for _ in range(1000)}
    assert len(nonces) == 1000
    assert all(len(nonce) == 64 and nonce.isalnum() for nonce in nonces)
    last = me.nonce()
    secret = me.secrets.of(last)
    assert secret is not None
    assert secret != last
    assert nonce_of(secret) == last
    assert me.secrets.of("another") is None


def test_the_first_usable_machine_id_counts(tmp_path: Path, boot_id: Path) -> None:
    """Missing, empty, uninitialized and binary files are passed over."""
    paths = [tmp_path / name for name in ("missing", "empty", "new", "binary", "good", "late")]
    for path, content in zip(
        paths[1:], (b"", b"uninitialized\n", b"\xff" * 32, b"a" * 32, b"b" * 32), strict=True
    ):
        path.write_bytes(content)
    assert identity(*paths, boot_id=boot_id).machine_id == "a" * 32


def test_without_a_machine_id_the_host_name_stands_in(tmp_path: Path, boot_id: Path) -> None:
    """The fallback outlives a reboot, which is all that is asked of it."""
    assert identity(tmp_path / "none", boot_id=boot_id).machine_id == f"name-{os.uname().nodename}"


@pytest.mark.parametrize("content", [None, b"", b"x", b"\0" * 50, b"a b c d e f g h"])
def test_without_a_boot_id_there_is_no_identity(tmp_path: Path, content: bytes | None) -> None:
    """An error names the file, the reason and the remedy."""
    path = tmp_path / "boot_id"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CellError) as caught:
        identity(boot_id=path)
    assert caught.value.subject == str(path)
    assert "mount /proc" in caught.value.remedy


def test_a_daemonized_process_takes_its_own_pid(boot_id: Path) -> None:
    """After a fork ``refresh`` names the child."""
    me = identity(boot_id=boot_id)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        me.refresh()
        os.write(writer, f"{me.pid} {os.getpid()}".encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    said = os.read(reader, 100).split()
    os.close(reader)
    assert said == [str(child).encode()] * 2
