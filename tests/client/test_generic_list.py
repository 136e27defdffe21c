"""A generic cell as a list of servers: its file ``master``, then its shadows, on the port of its probe."""

from pathlib import Path

import pytest

from shadowd.client.gridengine import gridengine_list
from shadowd.config.light import LightCell, light_settings
from shadowd.errors import CellError


def cell_of(place: Path, probe: str) -> LightCell:
    """Return a generic cell whose master is on beta."""
    (place / "master").write_text("beta\n")
    (place / "shadow_masters").write_text("alpha beta\n")
    config = place / "shadowd.toml"
    config.write_text(
        f'host = "gamma"\n[[cell]]\nkind = "generic"\nname = "one"\ndirectory = "{place}"\n'
        f'[cell.launch]\ncommand = ["/bin/true"]\n[cell.probe]\n{probe}\n'
    )
    (cell,) = light_settings(config, {}).cells
    return cell


def test_the_master_comes_first(tmp_path: Path) -> None:
    """With the port of the probe, and no variable of the ancestor's asked."""
    found = gridengine_list(cell_of(tmp_path, "port = 6379"), {"SGE_QMASTER_PORT": "1"})
    assert [server.host for server in found.servers] == ["beta", "alpha"]
    assert found.protocol.port == 6379


def test_without_a_port_nobody_can_be_asked(tmp_path: Path) -> None:
    """The error says where the port belongs."""
    with pytest.raises(CellError, match=r"name the port of its master in \[cell.probe\]"):
        gridengine_list(cell_of(tmp_path, 'command = ["/bin/true"]'), {})
