"""Fixtures of the tests of whole daemons."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.toys import Toys, end_all


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Give a directory; every process that carries it on its command line ends with the test."""
    yield tmp_path
    end_all(tmp_path)


@pytest.fixture
def toys(place: Path) -> Iterator[Toys]:
    """Give a cell of alpha, beta and gamma, where nothing runs yet."""
    made = Toys.make(place / "cell")
    yield made
    made.close()
