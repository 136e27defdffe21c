"""The lab as fixtures: ``lab`` (three empty hosts of the test's own) and ``cell`` (a real cell at rest).

One cell is built for each test process and put back before each test; building it for each test would
make the failure table unbearably slow. A test that needs a cell starts the daemons that it is about.
"""

from collections.abc import Iterator

import pytest

from tests.lab.gridengine import Cell
from tests.lab.hosts import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Give three hosts ``a``, ``b`` and ``c`` for one test."""
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="session")
def built_cell() -> Iterator[Cell]:
    """Build the cell of this test process; tests take ``cell``."""
    with Lab() as lab:
        cell = Cell(lab)
        cell.build()
        yield cell


@pytest.fixture
def cell(built_cell: Cell) -> Iterator[Cell]:
    """Give a fresh real cell: nothing runs, ``act_qmaster`` names ``a``, all hosts are shadow masters."""
    built_cell.restore()
    yield built_cell
    built_cell.stop_all()
