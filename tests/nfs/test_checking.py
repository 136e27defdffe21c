"""``check`` knows the mount: its words on real clients, read-only, nearly full and full."""

import pytest

from tests.nfs import guest

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(guest.usable()), reason=guest.usable() or "a guest can be booted"),
]


def test_check_tells_what_the_mount_means() -> None:
    """Each with what mends it; the default options are well."""
    found = {record["what"]: record for record in guest.run("checking", version="4.2", limit=280)}
    assert "nfs4 4.2, hard" in found["default"]["said"], found["default"]
    assert "read-only" in found["ro"]["said"], found["ro"]
    assert "is nearly full" in found["nearly full"]["said"], found["nearly full"]
    assert "is full" in found["full"]["said"], found["full"]
    assert [found[what]["status"] for what in ("ro", "full")] == [2, 2]
