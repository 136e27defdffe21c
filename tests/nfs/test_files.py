"""The rules for shared files, on a real NFS server with real clients; each fails where its rule is dropped.

``shadowd.adapters.mounts`` has the rules: files on NFS are opened with O_DIRECT.
"""

import os
from typing import Any

import pytest

from tests.nfs import guest

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(guest.usable()), reason=guest.usable() or "a guest can be booted"),
]


@pytest.mark.parametrize("version", ["4.2", "3"])
def test_shared_files(version: str) -> None:
    """A read is fresh, a reader leaves nothing behind, and a hanging write holds no process back."""
    found: dict[str, dict[str, Any]] = {
        str(record["name"]): record for record in guest.run("files", hosts=2, version=version, lease=15)
    }
    assert found["flag"] == {"name": "flag", "nfs": str(os.O_DIRECT), "local": 0}
    assert found["fresh"]["shown"] == found["fresh"]["written"]
    # The plain reader's delegation shows that the server would have given one to ours.
    assert found["delegations"]["names"] == (["/plain"] if version == "4.2" else [])
    assert found["terminated"]["ended"]
