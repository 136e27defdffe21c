"""What the tests of several adapters share."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shadowd.adapters import procfs
from tests.lab.net import Net
from tests.lab.stand import Stand


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """Give a place to launch programs from."""
    procfs.become_subreaper(on=False)
    made = Stand(tmp_path)
    yield made
    made.clean_up()
    procfs.become_subreaper(on=False)


@pytest.fixture
def net() -> Iterator[Net]:
    """Close all sockets afterwards."""
    with ExitStack() as stack:
        yield Net(stack)
