"""``shadowd simulate``: what failover does in simulated bad weather, ours and the others'.

Every protocol lives through the same faults on the same hosts, seed by seed, in virtual time; nothing on
this machine or its network is touched. With ``--config`` the timers are this site's. The progress bar is
for people on a terminal, the table for everybody.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shadowd.errors import ConfigError, ShadowdError

if TYPE_CHECKING:
    from shadowd.core.timing import Timing
    from shadowd.sim.rivals.contest import Run
    from shadowd.sim.rivals.score import Score
    from shadowd.sim.swarm import SeedResult

_EXAMPLE = """\
examples:
  $ shadowd simulate                                # 100 seeds of a day each
  $ shadowd simulate --config shadowd.toml --seeds 1000 --plot outages.svg
  $ shadowd simulate --replay 17 --protocol sge_shadowd --level none

two masters: runs in which two could write at once, and for how long in all;
left without: runs that ended without a master though all had been repaired.
Below the table: how often shadowd overruled a shutdown, took something else
for one, wrote a false outcome or killed a healthy master.

Exit status: 0 it ran; 1 shadowd broke a promise, guarded or fenced (the seed is
shown); 64 wrong command line; 73 the picture cannot be written; 78 wrong
configuration; 130 interrupted.
"""
_SEEDS: Final = 100
_HOURS: Final = 24.0
_LEAST_HOURS: Final = 4.0
"""The last two are for the masters that must come."""
_MOST_HOURS: Final = 24.0 * 366
_BAR: Final = 30
_LINE: Final = 78
_REDRAW: Final = 0.3
"""Seconds between two states of the bar."""
_EX_USAGE: Final = 64
_EX_CANTCREAT: Final = 73


class _ChoiceError(ShadowdError):
    """Options that do not go together."""

    exit_code = _EX_USAGE


class _PictureError(ShadowdError):
    """The picture cannot be written."""

    exit_code = _EX_CANTCREAT


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "simulate",
        description="Count what failover does in simulated bad weather: ours and others'.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seeds", type=_count, default=_SEEDS, metavar="N", help=f"how many seeds (default {_SEEDS})")
    add("--first", type=_seed, default=1, metavar="N", help="the first seed (default 1)")
    add("--hours", type=_hours, default=_HOURS, metavar="H", help=f"of each (default {_HOURS:g})")
    add("--jobs", type=_count, metavar="N", help="processes (default: one for each processor)")
    add("--protocol", action="append", default=[], metavar="NAME", help="only this one (may recur)")
    add("--level", action="append", default=[], metavar="NAME", help="only this level (may recur)")
    add("--config", type=Path, metavar="FILE", help="simulate the timers of FILE, not the defaults")
    add("--cell", metavar="NAME", help="of this cell of FILE (default: its only one)")
    add("--plot", type=Path, metavar="FILE", help="draw how long outages last, as SVG")
    add("--replay", type=_seed, metavar="SEED", help="print the trace of one seed")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate and print; return the exit status."""
    timing = _timing(args.config, args.cell)
    rows = _rows(args.protocol, args.level)
    if args.replay is not None:
        return _replay(rows, args, timing)
    from shadowd.sim.rivals.contest import Run
    from shadowd.sim.rivals.heats import results
    from shadowd.sim.rivals.score import score

    if args.plot:
        _check_writable(args.plot)
    seeds = range(args.first, args.first + args.seeds)
    # Row by row within a seed, so that all processors work on heavy and light protocols alike.
    runs = [
        Run(protocol=protocol, level=level, seed=seed, hours=args.hours, timing=timing)
        for seed in seeds
        for protocol, level in rows
    ]
    found: dict[tuple[str, str], list[SeedResult]] = {row: [] for row in rows}
    jobs = args.jobs or len(os.sched_getaffinity(0))
    for each, result in _watched(results(runs, jobs), len(runs)):
        found[each.protocol, each.level].append(result)
    scores = [score(protocol, level, of) for (protocol, level), of in found.items()]
    _print(scores, args, timing)
    if args.plot:
        _draw(scores, args)
    return 1 if any(_broken(score) for score in scores) else 0


def _rows(protocols: list[str], levels: list[str]) -> list[tuple[str, str]]:
    """Return the protocols and levels asked for; raises for names that there are not."""
    from shadowd.sim.rivals.contest import LEVELS

    known_levels = list(dict.fromkeys(level for of in LEVELS.values() for level in of))
    for what, given, known in (("protocol", protocols, list(LEVELS)), ("level", levels, known_levels)):
        for name in given:
            if name not in known:
                raise _ChoiceError(f"--{what}", f"{name[:40]!r} is none", f"there are {', '.join(known)}")
    rows = [
        (protocol, level)
        for protocol, of in LEVELS.items()
        for level in of
        if (not protocols or protocol in protocols) and (not levels or level in levels)
    ]
    if not rows:
        raise _ChoiceError("--level", f"{', '.join(protocols)} has no level {', '.join(levels)}")
    return rows


def _timing(config: Path | None, cell: str | None) -> "Timing":
    from shadowd.core.timing import Timing

    if config is None:
        if cell is not None:
            raise _ChoiceError("--cell", "which configuration?", "name it with --config FILE")
        return Timing().derived()
    from shadowd.config.load import load

    cells = {each.name: each for each in load(config, os.environ).cells}
    if cell is None and len(cells) != 1:
        raise _ChoiceError("--config", f"{config} has {len(cells)} cells", f"--cell {' | '.join(cells)}")
    chosen = cells.get(cell) if cell is not None else next(iter(cells.values()))
    if chosen is None:
        raise ConfigError("--cell", f"{config} has no cell {str(cell)[:40]!r}", f"cells: {', '.join(cells)}")
    return chosen.timing()


def _replay(rows: list[tuple[str, str]], args: argparse.Namespace, timing: "Timing") -> int:
    from shadowd.sim.rivals.contest import Run
    from shadowd.sim.rivals.replay import replay

    if len(rows) != 1:
        which = ", ".join(f"--protocol {protocol} --level {level}" for protocol, level in rows[:2])
        raise _ChoiceError("--replay", "of which protocol and level?", f"one of {which} ...")
    ((protocol, level),) = rows
    for line in replay(
        Run(protocol=protocol, level=level, seed=args.replay, hours=args.hours, timing=timing)
    ):
        print(line)
    return 0


def _print(scores: "list[Score]", args: argparse.Namespace, timing: "Timing") -> None:
    from shadowd.console.standings import as_data, excuses, replays, surprises, table

    if args.json:
        import json
        from dataclasses import asdict

        timers = {**asdict(timing), "delay_applies": timing.delay_applies.value}
        head = {"first": args.first, "seeds": args.seeds, "hours": args.hours, "timing": timers}
        print(json.dumps({**head, "rows": [as_data(score) for score in scores]}, indent=2))
        return
    last = args.first + args.seeds - 1
    days = f"seeds {args.first} to {last}, {args.hours:g} h each"
    print(f"{days}, the same faults for all; of names, ours alone\n")
    print(table(scores))
    for notes in (list(surprises(scores)), list(excuses(scores)), list(replays(scores))):
        if notes:
            print("", *notes, sep="\n")


def _draw(scores: "list[Score]", args: argparse.Namespace) -> None:
    from shadowd.console.curves import svg

    title = f"How long outages last: {args.seeds} seeds of {args.hours:g} h"
    try:
        args.plot.write_text(svg(scores, title), encoding="utf-8")
    except OSError as error:
        raise _PictureError(str(args.plot), error.strerror or str(error)) from None


def _check_writable(path: Path) -> None:
    """Raise at once, not after an hour of simulation."""
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise _PictureError(str(path), "cannot be written", "name a file in a directory that can")


def _broken(score: "Score") -> bool:
    """Tell whether a promise of ours did not hold: PROTOCOL.md promises nothing without a guard."""
    from shadowd.sim.rivals.contest import OURS

    return score.protocol == OURS and score.level != "none" and not score.kept


def _watched(results: "Iterable[tuple[Run, SeedResult]]", total: int) -> "Iterator[tuple[Run, SeedResult]]":
    """Pass the results on, with a bar on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield from results
        return
    began = drawn = time.monotonic()
    _draw_over(_bar(0, total, 0.0))
    try:
        for done, result in enumerate(results, start=1):
            now = time.monotonic()
            if now - drawn >= _REDRAW:
                drawn = now
                _draw_over(_bar(done, total, now - began))
            yield result
    finally:
        _draw_over("")


def _bar(done: int, total: int, passed: float) -> str:
    filled = "#" * (_BAR * done // total)
    from shadowd.console.clock import span

    left = f", {span(passed / done * (total - done))} left" if done else ""
    return f"[{filled:<{_BAR}}] {done}/{total} runs{left}"


def _draw_over(text: str) -> None:
    print(f"\r{text:<{_LINE}}\r", end="", file=sys.stderr, flush=True)


def _count(text: str) -> int:
    return _whole(text, 1)


def _seed(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number of at least {least}")
    return int(text)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not _LEAST_HOURS <= hours <= _MOST_HOURS:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r}: at least {_LEAST_HOURS:g}, at most {_MOST_HOURS:g} hours"
        )
    return hours
