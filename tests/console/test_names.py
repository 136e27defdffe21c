"""What ``check`` says about names that do not lead to the hosts of the cell."""

from pathlib import Path

import pytest

from shadowd.adapters import hostaddresses
from shadowd.adapters.cellfiles import CellPaths, GridEngineFiles
from shadowd.adapters.hostnames import HostNames
from shadowd.adapters.resident import ResidentSearch
from shadowd.console.health import Health
from shadowd.console.names import WrongName, name_items, wrong_names
from shadowd.core.values import Host

HERE = Host("alpha")
WRONG = "beta leads to 127.0.1.1, an address of this host (/etc/hosts, line 3)"


def files(tmp_path: Path) -> GridEngineFiles:
    """Return the files of a cell of which nothing is there but the list of its shadows."""
    paths = CellPaths(
        spool=tmp_path,
        lock=tmp_path / "lock",
        beat=tmp_path / "heartbeat",
        active=tmp_path / "act_qmaster",
        shadows=tmp_path / "shadow_masters",
        pid_file=tmp_path / "qmaster.pid",
    )
    paths.shadows.write_text("alpha\nbeta\ngamma\ndelta\n")
    return GridEngineFiles("lab", HERE, paths, HostNames(), ResidentSearch(paths.pid_file, tmp_path))


def test_names_that_lead_here_or_nowhere_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each other host is looked up; those with an address of their own, or a configured one, are well."""
    known = {"beta": ["127.0.1.1"], "gamma": [], "delta": ["192.0.2.4"]}
    monkeypatch.setattr(hostaddresses, "system_resolver", lambda name: known.get(name, [name]))
    hosts = tmp_path / "shadowd" / "hosts"
    hosts.mkdir(parents=True)
    (hosts / "gamma.json").write_text('{"boot_id": "other", "addresses": ["192.0.2.3"]}')
    names = [Host(name) for name in ("beta", "alpha", "beta", "gamma", "delta")]
    found = wrong_names(files(tmp_path), names, {})
    assert [(one.host, one.reached) for one in found] == [("beta", False), ("gamma", True)]
    assert "beta leads to 127.0.1.1, an address of this host" in found[0].wrong
    assert "gamma has no address on this host" in found[1].wrong
    assert wrong_names(files(tmp_path), names[:1], {"beta": "192.0.2.2"}) == ()


def test_the_line_and_the_remedy_are_told() -> None:
    """The master's host that nobody can ask is critical; one whose record serves, or another host, is not."""
    (item,) = name_items([WrongName("beta", WRONG, reached=False)], "beta")
    assert (item.name, item.health) == ("name beta", Health.CRITICAL)
    assert item.text == f"{WRONG}; nobody here can ask it"
    assert "/etc/hosts" in item.remedy
    (item,) = name_items([WrongName("beta", WRONG, reached=True)], "beta")
    assert (item.health, item.text) == (Health.WARNING, f"{WRONG}; its host record tells an address")
    (item,) = name_items([WrongName("beta", WRONG, reached=False)], "gamma")
    assert item.health is Health.WARNING
