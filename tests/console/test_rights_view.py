"""Directories of records that strangers may write: named by ``check``."""

import os
from pathlib import Path

import pytest

from shadowd.adapters.rights import loose_directories
from shadowd.console.cells import places
from shadowd.console.gather import gather
from shadowd.console.report import report
from tests.console.handmade import NOW, HandMade


def told(made: HandMade) -> list[tuple[str, str]]:
    """Return what ``check`` says of rights."""
    (gathered,) = gather(places(made.config, [], {}), 10, lambda: NOW)
    return [(item.health.name, item.text) for item in report(gathered).items if item.name == "rights"]


@pytest.mark.parametrize("part", ["", "claims", "notices"])
def test_a_directory_of_records_that_everybody_may_write_is_named(made: HandMade, part: str) -> None:
    """Any file there may stop every takeover; with the usual mode nothing is said."""
    assert told(made) == []
    place = made.state / part
    place.chmod(0o777)
    assert told(made) == [("WARNING", f"others than the cell's user may write {place} (everybody)")]


def test_a_sticky_directory_is_writable_all_the_same(made: HandMade) -> None:
    """Nobody removes another's file there, but everybody makes new ones."""
    (made.state / "claims").chmod(0o1777)
    assert len(told(made)) == 1


def test_a_missing_directory_is_nobodys(tmp_path: Path) -> None:
    """Before the first claim there is none; a cell's user that this host does not know changes nothing."""
    assert loose_directories(tmp_path / "shadowd", "nobody-of-this-name") == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_directory_of_another_user_or_group_is_named(tmp_path: Path) -> None:
    """Root and the cell's own user may; a group may if it is theirs."""
    state = tmp_path / "shadowd"
    state.mkdir(0o755)
    os.chown(state, 65534, 65534)
    assert loose_directories(state, None) == (f"{state} (user 65534)",)
    assert loose_directories(state, "nobody") == ()
    state.chmod(0o775)
    os.chown(state, 0, 4711)
    assert loose_directories(state, "nobody") == (f"{state} (group 4711)",)
