"""Which file is read, and that whatever lies there is answered in bounded time and memory."""

import os
from pathlib import Path

import pytest

from shadowd.config.source import LARGEST, find, read
from shadowd.errors import ConfigError


def refused(path: Path) -> ConfigError:
    """Return the error that reading this path gives."""
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert str(path) in caught.value.subject
    assert caught.value.remedy
    return caught.value


def test_the_argument_wins_over_the_variable_over_the_system_file(tmp_path: Path) -> None:
    """The file is the one asked for most directly; an empty variable asks for nothing."""
    system = tmp_path / "shadowd.toml"
    assert find(None, {}, system) is None
    assert find(None, {}, tmp_path / "file" / "x") is None
    system.touch()
    assert find(None, {}, system) == system
    assert find(None, {"SHADOWD_CONFIG": ""}, system) == system
    assert find(None, {"SHADOWD_CONFIG": "/a"}, system) == Path("/a")
    assert find(Path("/b"), {"SHADOWD_CONFIG": "/a"}, system) == Path("/b")
    assert find(None, {}, system / "below-a-file") is None


def test_no_file_is_the_empty_document() -> None:
    """Without a file the environment alone speaks."""
    assert read(None).document == {}
    assert read(None).at(3) == "environment"


def test_a_file_asked_for_by_name_must_exist(tmp_path: Path) -> None:
    """A missing file is never taken for an empty one."""
    assert "no such file" in refused(tmp_path / "missing.toml").reason


def test_a_directory_is_refused(tmp_path: Path) -> None:
    """A directory is named as what it is not."""
    assert "not a regular file" in refused(tmp_path).reason


def test_a_fifo_without_a_writer_does_not_hang(tmp_path: Path) -> None:
    """A FIFO is refused without waiting for anybody to write."""
    os.mkfifo(tmp_path / "fifo")
    assert "not a regular file" in refused(tmp_path / "fifo").reason


def test_a_device_is_refused() -> None:
    """An endless device is refused unread."""
    assert "not a regular file" in refused(Path("/dev/zero")).reason


def test_a_link_loop_is_refused(tmp_path: Path) -> None:
    """A symbolic link to itself is an error of the system, told in its words."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "cannot be opened" in refused(tmp_path / "loop").reason


def test_a_path_with_a_nul_is_refused() -> None:
    """A path that no system call takes is an error as any other."""
    with pytest.raises(ConfigError):
        read(Path("/a\0b"))


def test_a_huge_file_is_read_to_the_limit_only(tmp_path: Path) -> None:
    """A terabyte (sparse) is refused after one megabyte; exactly the limit is taken."""
    file = tmp_path / "huge.toml"
    with file.open("wb") as huge:
        huge.truncate(1 << 40)
    assert "larger than" in refused(file).reason
    file.write_text("#" * LARGEST)
    assert read(file).document == {}
    file.write_text("#" * (LARGEST + 1))
    assert "larger than" in refused(file).reason


def test_binary_content_names_the_line(tmp_path: Path) -> None:
    """Text that is no UTF-8 is refused with the line of the first bad byte."""
    file = tmp_path / "x.toml"
    file.write_bytes(b"a = 1\nb = 2\n\xff\xfe\n")
    assert refused(file).subject == f"{file}:3"


def test_a_byte_order_mark_and_dos_lines_are_harmless(tmp_path: Path) -> None:
    """An editor's marks do not spoil a file."""
    file = tmp_path / "x.toml"
    file.write_bytes(b"\xef\xbb\xbfa = 1\r\nb = 2\r\n")
    assert read(file).document == {"a": 1, "b": 2}


def test_broken_toml_names_line_and_column(tmp_path: Path) -> None:
    """The parser's position becomes FILE:LINE, and the column the remedy."""
    file = tmp_path / "x.toml"
    file.write_text("a = 1\nb = = 2\n")
    error = refused(file)
    assert error.subject == f"{file}:2"
    assert "column 5" in error.remedy
    file.write_text('a = "')
    assert "not TOML" in refused(file).reason


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 200_000 + " = 1",
        "a = " + "[" * 500_000,
        "a = " + "{a = " * 200_000,
        "a = " + "1" * 1_000_000,
        "a = {" + "a." * 200_000 + "a = 1}",
        "[" + "'a'." * 200_000 + "a]",
        "a = " + '"""' * 300_001,
    ],
    ids=["dotted", "brackets", "braces", "digits", "dotted-inside", "dotted-header", "quotes"],
)
def test_text_that_is_made_to_cost_is_refused(tmp_path: Path, text: str) -> None:
    """What costs the parser gigabytes or its stack is refused before it gets there."""
    file = tmp_path / "x.toml"
    file.write_text(text)
    refused(file)


def test_whoever_else_may_change_the_file_is_noted(tmp_path: Path) -> None:
    """It names programs that the daemon runs: owner and mode count, of the file and of its directories."""
    place = tmp_path / "etc"
    place.mkdir(0o755)
    file = place / "x.toml"
    file.touch(0o644)
    assert read(file).others_write == ""
    file.chmod(0o666)
    assert read(file).others_write == f"{file}: everybody may write this file; chmod o-w"
    file.chmod(0o644)
    place.chmod(0o777)
    assert read(file).others_write == f"{place}: everybody may write this directory; chmod o-w"
    place.chmod(0o1777)
    assert read(file).others_write == ""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "open/y.toml").touch(0o644)
    (place / "link.toml").symlink_to(tmp_path / "open/y.toml")
    assert read(place / "link.toml").others_write.startswith(f"{tmp_path}/open: everybody may write")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_or_group_is_noted(tmp_path: Path) -> None:
    """Its owner can change it at any time, and so can who may write its group's files."""
    file = tmp_path / "x.toml"
    file.touch(0o644)
    os.chown(file, 65534, -1)
    assert read(file).others_write == f"{file}: belongs to uid 65534, who may change it; chown root"
    os.chown(file, 0, 65534)
    assert read(file).others_write == ""
    file.chmod(0o664)
    assert read(file).others_write == f"{file}: group 65534 may write this file; chmod g-w"
