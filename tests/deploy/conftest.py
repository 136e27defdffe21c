"""Fixtures of the tests of what is installed around the package."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.toy_cell import ToyCell


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[ToyCell]:
    """Give a cell of toy programs, of which nothing runs afterwards."""
    cell = ToyCell(tmp_path / "sge")
    try:
        yield cell
    finally:
        cell.close()
