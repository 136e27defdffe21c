"""The table and the picture of ``shadowd simulate``, from scores made by hand."""

import math
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from shadowd.console.curves import svg
from shadowd.console.standings import as_data, excuses, replays, surprises, table
from shadowd.sim.clock import Moment
from shadowd.sim.judges import Promise, Verdict
from shadowd.sim.rivals.score import SURPRISES, Score, percentile, score
from shadowd.sim.swarm import SeedResult

SVG = "{http://www.w3.org/2000/svg}"


def result(seed: int, *, two: float = 0.0, left: bool = False, outages: tuple[float, ...] = ()) -> SeedResult:
    """Return what one seed came to."""
    verdict = Verdict(Moment(1.0), Promise.SOME_MASTER, "at the end")
    return SeedResult(
        seed=seed,
        level="none",
        hours=24.0,
        skipped=0.0,
        verdicts=(verdict,) if left else (),
        two_masters=two,
        outages=outages,
    )


def parsed(scores: list[Score], title: str) -> ET.Element:
    """Return the picture as a tree."""
    return ET.fromstring(svg(scores, title))  # noqa: S314 - we wrote it


def bad() -> Score:
    """Return a row in which everything went wrong once in ten runs."""
    results = [result(seed, outages=(10.5, 300.0)) for seed in range(10)]
    results[3] = result(3, two=86_400.0, left=True, outages=(7_000.0,))
    return score("sge_shadowd", "none", results)


def good() -> Score:
    """Return a row in which nothing went wrong, and no outage was needed either."""
    return score("shadowd", "guarded", [result(1), result(2)])


def test_the_table_fits_80_columns_and_loses_nothing() -> None:
    """Whatever the figures are: all of them are there, right under their headings."""
    lines = table([bad(), good()]).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-2].split() == [
        "sge_shadowd",
        "none",
        "1",
        "(10",
        "%)",
        "86,400",
        "1",
        "(10",
        "%)",
        "5.0",
        "min",
        "for",
        "ever",
    ]
    assert lines[-1].split() == ["shadowd", "guarded", "0", "0", "0", "-", "-"]


def test_a_hundredth_of_a_second_is_no_zero() -> None:
    """A figure that is not null is never shown as null."""
    row = table([score("x", "none", [result(1, two=0.0004), *[result(seed) for seed in range(2, 999)]])])
    assert "0.01" in row
    assert "(<1 %)" in row


def test_an_outage_that_did_not_end_counts_as_infinite() -> None:
    """A protocol that leaves cells without a master must not look quick."""
    row = score("x", "none", [result(1, outages=(1.0,)), result(2, left=True)])
    assert row.median == 1.0
    assert row.p99 == math.inf
    assert as_data(row)["outage_p99"] is None


@pytest.mark.parametrize(("share", "expected"), [(50, 50.0), (99, 99.0), (100, 100.0), (1, 1.0), (0.5, 1.0)])
def test_percentiles_are_values_that_occurred(share: float, expected: float) -> None:
    """The nearest rank: no outage is invented."""
    assert percentile([float(n) for n in range(1, 101)], share) == expected


def test_what_went_wrong_can_be_replayed() -> None:
    """One command for each thing."""
    assert list(replays([bad(), good()])) == [
        "two masters: shadowd simulate --replay 3 --protocol sge_shadowd --level none",
        "no master left: shadowd simulate --replay 3 --protocol sge_shadowd --level none",
    ]


@pytest.mark.parametrize("promise", SURPRISES)
def test_every_other_promise_is_counted_and_can_be_replayed(promise: Promise) -> None:
    """However often, and of whatever kind: one broken in one of many days is a broken promise."""
    broken = (Verdict(Moment(1.0), promise, "once"), Verdict(Moment(2.0), promise, "and again"))
    rows = [good(), score("shadowd", "fenced", [result(1), replace(result(2), verdicts=broken)])]
    assert [row.kept for row in rows] == [True, False]
    lines = {line[:24].rstrip(): line[24:].split() for line in surprises(rows)}
    assert lines.pop("shadowd") == ["guarded", "fenced"]
    assert lines.pop(promise.value) == ["0", "2"]
    assert list(lines.values()) == [["0", "0"]] * 3
    assert list(replays(rows)) == [
        f"{promise.value}: shadowd simulate --replay 2 --protocol shadowd --level fenced"
    ]
    data = as_data(rows[1])
    assert data["broken"][promise.value] == 2
    assert data["seeds_broken"][promise.value] == [2]


def test_a_rival_is_not_praised_for_what_it_is_not_judged_by() -> None:
    """It could overrule shutdowns all day: nobody looks, so no zero is shown."""
    assert not list(surprises([bad()]))
    assert as_data(bad())["broken"] == {}
    assert max(map(len, surprises([good()] * 3))) <= 80


def test_what_is_excluded_is_counted_and_named() -> None:
    """Excused seconds are in the table, and beside it."""
    row = score("shadowd", "guarded", [replace(result(1), excused={"until a thawed guard looks": 1.5})])
    assert row.broken == 0
    assert row.seconds_double == 1.5
    assert list(excuses([row])) == ["shadowd, guarded: 1.50 s excluded by name: until a thawed guard looks"]


def test_what_nothing_excludes_is_said_and_shown_first() -> None:
    """A broken promise must not hide behind a hundred excused ones."""
    excused = [replace(result(seed), excused={"until a thawed guard looks": 1.5}) for seed in range(1, 9)]
    row = score("shadowd", "guarded", [*excused, result(9, two=2.5)])
    assert list(excuses([row]))[1:] == ["shadowd, guarded: 2.50 s that nothing excludes"]
    assert list(replays([row])) == [
        "two masters: shadowd simulate --replay 9 --protocol shadowd --level guarded"
    ]


def test_the_picture_is_svg_with_a_curve_for_each_row_that_had_outages() -> None:
    """Well-formed, labelled, and a row without outages has no curve."""
    picture = parsed([bad(), good()], "Title & more")
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert {"Title & more", "time without a serving master", "sge_shadowd, none", "100 %"} <= set(texts)
    assert "shadowd, guarded" not in texts
    titles = [title.text for title in picture.iter(f"{SVG}title")]
    assert titles == ["sge_shadowd, none"]


def test_a_curve_rises_and_ends_below_the_top_where_outages_did_not_end() -> None:
    """Right is longer, up is more; the last step is short of 100 %."""
    picture = parsed([bad()], "t")
    path = next(path for path in picture.iter(f"{SVG}path") if path.find(f"{SVG}title") is not None)
    steps = path.attrib["d"].split("V")[1:]
    heights = [float(step.split("H")[0]) for step in steps]
    assert heights == sorted(heights, reverse=True)
    assert heights[-1] > 52


def test_nothing_at_all_still_makes_a_picture_and_a_table() -> None:
    """No row had an outage: axes and no curve."""
    assert parsed([good()], "t").find(f"{SVG}path") is None
    assert table([]).count("\n") == 2
