"""Whole daemons and a shared directory that is not what it should be: wrong files in it, or another one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.generics import Generic
from tests.daemon.toys import LONG, patiently
from tests.lab import processes

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Generic]:
    """Give a cell of alpha and beta, where nothing runs yet."""
    made = Generic(tmp_path / "cell").create()
    yield made
    made.close()


@pytest.mark.parametrize(
    "name",
    [
        "notices/0000000001.died.json",
        "notices/0000000001.stopped.json",
        "notices/0000000002.died.json",
        "claims/0000000002.json",
    ],
)
def test_an_empty_file_among_the_records_takes_down_no_healthy_master(single: Generic, name: str) -> None:
    """It is a doubt that names the file, and the master goes on; without it a takeover works as ever."""
    single.begin()
    healthy = single.masters("alpha")
    empty = single.shared / "shadowd" / name
    empty.touch()
    refusal = single.daemons["beta"].wait_refused("ledger_doubt")
    assert str(empty) in refusal["detail"]
    beats = (single.shared / "heartbeat").read_bytes()
    patiently(lambda: (single.shared / "heartbeat").read_bytes() > beats, LONG, "a beat", single.story)
    assert single.masters() == healthy
    assert single.daemons["alpha"].record()["state"] == "active"
    empty.unlink()
    patiently(lambda: single.daemons["beta"].refused("ledger_doubt") is None, LONG, "trust", single.story)
    processes.kill(single.all_of("alpha"))
    single.wait_master("beta")
    single.never_two()
