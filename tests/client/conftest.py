"""What the tests of the client side share."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.lab.net import Net


@pytest.fixture
def net() -> Iterator[Net]:
    """Close all sockets afterwards."""
    with ExitStack() as stack:
        yield Net(stack)
