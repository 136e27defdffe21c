"""Sinks never wait and never raise."""

import os
from pathlib import Path

import pytest

from shadowd.log.sinks import MAX_LINE, FileSink, StreamSink, encode


def test_a_full_pipe_costs_lines_and_no_time() -> None:
    """A reader that stopped is skipped; the number of lost lines is told when it reads again."""
    reader, writer = os.pipe()
    try:
        sink = StreamSink(writer)
        for _ in range(200):
            sink.write("x" * 1000)
        assert sink.lost > 0
        lost = sink.lost
        while len(os.read(reader, 1 << 16)) == 1 << 16:
            pass
        sink.write("after")
        assert os.read(reader, 1 << 16) == f"({lost} lines lost: nobody read them)\nafter\n".encode()
        assert sink.lost == 0
    finally:
        os.close(reader)
        os.close(writer)


def test_a_closed_stream_is_survived() -> None:
    """Standard error may be gone."""
    reader, writer = os.pipe()
    sink = StreamSink(writer)
    os.close(reader)
    sink.write("nobody")
    os.close(writer)
    sink.write("nobody")
    assert sink.lost == 2


def test_a_rotated_file_is_followed(tmp_path: Path) -> None:
    """After logrotate's rename the next line goes to a new file, without any signal."""
    path = tmp_path / "log"
    sink = FileSink(path, pytest.fail)
    sink.write("one")
    path.rename(tmp_path / "log.1")
    sink.write("two")
    sink.close()
    assert (tmp_path / "log.1").read_text() == "one\n"
    assert path.read_text() == "two\n"


def test_a_file_that_cannot_be_written_is_complained_about_once(tmp_path: Path) -> None:
    """A missing directory, a directory or a FIFO under the name: one complaint, then again when it recurs."""
    complaints: list[str] = []
    sink = FileSink(tmp_path / "gone" / "log", complaints.append)
    sink.write("lost")
    sink.write("lost")
    assert complaints == [f"{tmp_path / 'gone' / 'log'}: No such file or directory"]
    (tmp_path / "gone").mkdir()
    sink.write("found")
    assert sink.path.read_text() == "found\n"
    sink.path.unlink()
    os.mkfifo(sink.path)
    sink.write("lost")
    assert len(complaints) == 2
    sink.close()


def test_a_line_is_bounded_and_always_bytes() -> None:
    """Surrogates, NULs and huge lines become a line that a pipe takes at once."""
    assert encode("a\x00b\udcff") == b"a?b\\udcff\n"
    assert len(encode("x" * 100_000)) == MAX_LINE
