"""Host names that the cell's rules make one, or two, although they are not."""

from pathlib import Path

import pytest

from shadowd.adapters.cellfiles import CellPaths
from shadowd.adapters.hostnames import HostNames, parse_aliases
from shadowd.adapters.nameclash import Clash, find_clashes

WHOLE = HostNames(ignore_fqdn=False)
SHORT = HostNames()


@pytest.fixture
def paths(tmp_path: Path) -> CellPaths:
    """Return the places of a cell without files."""
    common, spool = tmp_path / "common", tmp_path / "spool"
    common.mkdir()
    return CellPaths(
        spool=spool,
        lock=spool / "lock",
        beat=spool / "heartbeat",
        active=common / "act_qmaster",
        shadows=common / "shadow_masters",
        pid_file=spool / "qmaster.pid",
    )


def found(
    paths: CellPaths, names: HostNames, shadows: str, active: str = "h1", **more: tuple[str, ...]
) -> list[Clash]:
    """Return what is found in these files."""
    paths.shadows.write_text(shadows)
    paths.active.write_text(f"{active}\n")
    return list(find_clashes(paths, names, **more))


def test_an_alias_that_makes_two_shadows_one(paths: CellPaths) -> None:
    """host_aliases copied from a machine that had both names once."""
    names = HostNames(aliases=parse_aliases(b"head h1 h2\n"))
    (clash,) = found(paths, names, "h1\nh2\n# h3\nh4\n")
    assert clash.merged
    assert clash.text.startswith("h1 and h2, both in ")
    assert str(paths.active.with_name("host_aliases")) in clash.text
    assert "shadow_masters" in clash.text


def test_two_domains_that_are_cut_off(paths: CellPaths) -> None:
    """Only what comes before the first dot counts."""
    (clash,) = found(paths, SHORT, "h1.east.lab h1.west.lab")
    assert (clash.merged, "first dot" in clash.text) == (True, True)


def test_a_short_and_a_full_name_where_both_count_whole(paths: CellPaths) -> None:
    """Each file has another spelling of the one host."""
    (clash,) = found(paths, WHOLE, "h1.lab\nh2.lab\n", "h1")
    assert not clash.merged
    assert clash.text == (
        f"h1 (in {paths.active}) and h1.lab (in {paths.shadows}) count as two hosts: ignore_fqdn is false"
    )
    assert str(paths.active.with_name("bootstrap")) in clash.remedy


def test_this_host_and_those_that_report_are_looked_at_too(paths: CellPaths) -> None:
    """A record, or our own name, with or without a domain."""
    clashes = found(paths, WHOLE, "h1\nh2\nh3\n", records=("h2.lab",), own=("h3.lab",))
    assert ["own name" in clash.text for clash in clashes] == [False, True]
    assert "hosts" in clashes[0].text


@pytest.mark.parametrize(
    ("names", "shadows"),
    [
        (SHORT, "h1\nH1.lab.\nh2\n"),
        (WHOLE, "h1.lab\nh2.lab\nh1.other\n"),
        (HostNames(ignore_fqdn=False, default_domain="lab"), "h1.lab\nh2\n"),
        (HostNames(aliases=parse_aliases(b"h1 head\nh2 spare\n")), "head\nspare\n"),
        (SHORT, ""),
    ],
    ids=["one host twice", "whole names", "a default domain", "aliases of one each", "nothing"],
)
def test_what_is_well_is_not_told(paths: CellPaths, names: HostNames, shadows: str) -> None:
    """Neither one host that is listed twice nor a rule that does its work."""
    active = "h1.lab" if not names.ignore_fqdn else "h1"
    assert found(paths, names, shadows, active) == []


def test_files_that_are_not_there(paths: CellPaths) -> None:
    """Other items of a check tell of those."""
    assert find_clashes(paths, SHORT) == ()


def test_a_list_of_thousands_is_told_in_part(paths: CellPaths) -> None:
    """A few are enough to know what is wrong."""
    many = "\n".join(f"h1.d{number}" for number in range(2000))
    assert len(found(paths, SHORT, many)) == 20
