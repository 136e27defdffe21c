"""``shadowd history``: the claims directory as a story, newest last.

For the morning after: who became master, why, how long that took, and how it ended, from the records that
the hosts left, whether or not a daemon runs. It refuses to change anything.
"""

import argparse
import json
import os
import time
from typing import Final

from shadowd.cli.look import add_options, leave
from shadowd.config.light import LightCell, light_settings
from shadowd.console.deadline import run_all
from shadowd.console.history import Story, as_data, as_text, read_story
from shadowd.errors import CellError, ConfigError

_EPILOG = """\
examples:
  $ shadowd history                     # the last 20 epochs of every cell
  $ shadowd history --limit 3 --cell prod
  $ shadowd history --json | jq '.cells[].epochs[] | select(.outcome == "died")'

Exit status: 0 printed, 66 a cell's records cannot be read, 78 wrong
configuration.
"""
_LIMIT: Final = 20
_MOST: Final = 10_000


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "history",
        description="Tell what became of every claim: who was master, when, and why not longer.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--limit",
        type=_number,
        default=_LIMIT,
        metavar="N",
        help=f"how many epochs of each cell, the newest (default {_LIMIT})",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the stories; raises what keeps one from being told, after the others."""
    cells = _chosen(args)
    jobs = [lambda cell=cell: _read(cell, args.limit) for cell in cells]
    answers = run_all(jobs, args.timeout)
    stories = [answer for answer in answers if isinstance(answer, Story)]
    if args.json:
        print(json.dumps(as_data(stories), indent=2))
    elif stories:
        print("\n\n".join(as_text(story, time.time()) for story in stories))
    for cell, answer in zip(cells, answers, strict=True):
        if answer is None:
            raise CellError(
                str(cell.directory), f"no answer within {args.timeout:g} s", "see that its file server is up"
            )
        if isinstance(answer, Exception):
            raise answer
    return leave(0)


def _chosen(args: argparse.Namespace) -> list[LightCell]:
    cells = {cell.name: cell for cell in light_settings(args.config, os.environ).cells}
    names = list(dict.fromkeys(args.cell)) or list(cells)
    for name in names:
        if name not in cells:
            raise ConfigError("--cell", f"there is no cell {name[:64]!r}", f"cells here: {', '.join(cells)}")
    return [cells[name] for name in names]


def _read(cell: LightCell, limit: int) -> Story:
    from shadowd.adapters.ground import survey

    state = survey(cell.sge_root, cell.sge_cell, cell.directory).paths.state
    return read_story(state, cell.name, limit)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 6 and 1 <= int(text) <= _MOST):
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: a number from 1 to {_MOST}")
    return int(text)
