"""Failover of a generic cell on real NFS: one successor at the first attempt; every daemon ends when told."""

import os

import pytest

from tests.nfs import guest

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(bool(guest.usable()), reason=guest.usable() or "a guest can be booted"),
]


FAULTS = os.environ.get("NFS_FAULTS", "kill crash").split()
"""Ways to lose a master; ``./tests/run --nfs`` has all of them."""


@pytest.mark.parametrize(("version", "quiet"), [("4.2", 65), ("3", 5)])
def test_one_successor_at_the_first_attempt(version: str, quiet: float) -> None:
    """After a quiet minute, no hand on any file; then the server goes, and the daemons are told to end."""
    *failovers, end = guest.run(
        "failover", *FAULTS, "terminate", version=version, quiet=quiet, limit=200 + 250 * len(FAULTS)
    )
    for record in failovers:
        assert record["after"] != record["before"], record
        assert record["settled"] == record["after"], record
        assert record["claimed"] == 1, record
        assert not record["two_at_once"], record
        assert record["delegated"] == [], record
    assert [record["fault"] for record in failovers] == FAULTS
    assert end["ended"] == {"h1": True, "h2": True, "h3": True}
