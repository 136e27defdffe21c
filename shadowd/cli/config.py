"""``shadowd config``: check, show or describe it before anything depends on it.

For the person who edits the file and the tool that deploys it: every mistake at once, the effective value
of every key with its origin, and a schema for editors. Nothing here contacts the daemon or changes a file of
a cell, so it is safe on any host at any time. What this host lacks to run a master (program, user, directory)
is a warning, for the file may be meant for another host, and so are host names that the cell's rules confuse;
how the cell fares is ``shadowd check``'s.
"""

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, assert_never

from shadowd.cli.look import PATIENCE, leave

if TYPE_CHECKING:
    from typing import Literal

    from shadowd.config.load import Loaded
    from shadowd.config.models import CellSettings
    from shadowd.errors import ConfigError

    Action = Literal["check", "show", "schema", "acl-hosts"]

_CHECK = """\
example:
  $ shadowd config check --config new.toml && install -m 644 new.toml /etc/shadowd/shadowd.toml

Exit status: 0 if the file can be used (warnings included), 78 if not.
"""
_SHOW = """\
example: which timers come from the environment?
  $ shadowd config show | grep SGE_
  $ shadowd config show --json | jq '.values[] | select(.key == "lease")'

The output is TOML: saved to a file it gives the same configuration.
"""
_SCHEMA = """\
example: completion and checks in an editor that knows JSON Schema for TOML
  $ shadowd config schema > shadowd.schema.json
"""
_ACL_HOSTS = """\
example: hosts that a TORQUE server shall hear besides those of server_name,
which it adds by itself (a second time is a "Duplicate entry")
  $ shadowd config acl-hosts --servers h4,h5 | qmgr
"""


_WHAT: Final = "Check, show or describe the configuration, before anything depends on it."


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb and its actions."""
    verb = subparsers.add_parser(
        "config", help="check, show or describe the configuration", description=_WHAT
    )
    actions = verb.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = _action(
        actions, "check", "say whether the configuration can be used, or all that is wrong", _CHECK
    )
    show = _action(actions, "show", "print every effective value with its origin", _SHOW)
    _action(actions, "schema", "print the JSON Schema of the file", _SCHEMA)
    hosts = _action(
        actions, "acl-hosts", "print the hosts of a list as commands for qmgr", _ACL_HOSTS, config=False
    )
    from shadowd.cli.serverlist import add_list

    add_list(hosts)
    for action in (check, show):
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; return the exit status."""
    action: Action = args.action
    match action:
        case "check":
            return _check(args.config, as_json=args.json)
        case "show":
            return _show(args.config, as_json=args.json)
        case "schema":
            from shadowd.config.models import Settings

            _say(json.dumps(Settings.model_json_schema(), indent=2))
            return 0
        case "acl-hosts":
            from shadowd.cli.serverlist import servers
            from shadowd.client.servers import acl_hosts

            _say("\n".join(acl_hosts(servers(args, os.environ).servers)))
            return 0
    assert_never(action)


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    epilog: str,
    *,
    config: bool = True,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if config:
        parser.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help="read FILE (else SHADOWD_CONFIG, else /etc/shadowd/shadowd.toml, else the environment)",
        )
    parser.set_defaults(run=run)
    return parser


def _check(path: Path | None, *, as_json: bool) -> int:
    from shadowd.config.load import examine
    from shadowd.errors import ConfigError

    try:
        loaded = examine(path, os.environ).trusted(os.geteuid())
    except ConfigError as error:
        return _refuse(error, as_json=as_json)
    lacks = _lacks(loaded)
    if as_json:
        summary = _summary(loaded)
        told = [*summary.pop("warnings"), *lacks, *_clashes(loaded)]
        _say(json.dumps({"ok": True, "problems": [], **summary, "warnings": told}))
        return leave(0)
    _say(f"ok: {loaded.source.at(None)}")
    for cell in loaded.settings.cells:
        silence = f"takeover at {cell.timing().earliest:g} s of silence"
        _say(f"  cell {cell.name}: {cell.kind}, {cell.place}; {'observer' if cell.observer else silence}")
    for warning in (*loaded.warnings(), *lacks, *_clashes(loaded)):
        _say(f"warning: {warning}")
    return leave(0)


def _lacks(loaded: "Loaded") -> list[str]:
    """Return what this host lacks to run the masters; a cell whose files hang is one warning."""
    from shadowd.app.hostneeds import looks
    from shadowd.console.deadline import run_all

    answers = run_all(looks(loaded.settings, os.environ), PATIENCE)
    told: list[str] = []
    for cell, answer in zip(loaded.settings.cells, answers, strict=True):
        if isinstance(answer, Exception):
            raise answer
        hangs = (f"no answer within {PATIENCE:g} s of what its master needs: a file system hangs",)
        told += [f"cell {cell.name}: {each}" for each in (hangs if answer is None else answer)]
    return told


def _clashes(loaded: "Loaded") -> list[str]:
    """Return the host names of each cell that count as one or as two, wrongly, as far as can be read here."""
    from shadowd.adapters.ground import survey
    from shadowd.adapters.nameclash import Clash, find_clashes
    from shadowd.console.deadline import run_all

    def look(cell: "CellSettings") -> tuple[Clash, ...]:
        found = survey(cell.sge_root, cell.sge_cell, cell.place)
        return find_clashes(found.paths, found.names)

    cells = loaded.settings.cells
    answers = run_all([partial(look, cell) for cell in cells], PATIENCE)
    return [
        f"cell {cell.name}: {clash.text}. {clash.remedy}"
        for cell, answer in zip(cells, answers, strict=True)
        if isinstance(answer, tuple)
        for clash in answer
    ]


def _show(path: Path | None, *, as_json: bool) -> int:
    from shadowd.config.load import examine
    from shadowd.config.show import as_data, as_toml
    from shadowd.errors import ConfigError

    try:
        loaded = examine(path, os.environ)
    except ConfigError as error:
        return _refuse(error, as_json=as_json)
    _say(json.dumps(as_data(loaded), indent=2) if as_json else as_toml(loaded))
    return 0


def _summary(loaded: "Loaded") -> dict[str, Any]:
    return {
        "file": str(loaded.source.path) if loaded.source.path else None,
        "cells": [
            {
                "name": cell.name,
                "kind": cell.kind,
                "directory": str(cell.place),
                "observer": cell.observer,
            }
            for cell in loaded.settings.cells
        ],
        "warnings": list(loaded.warnings()),
    }


def _refuse(error: "ConfigError", *, as_json: bool) -> int:
    """Print every problem; return the status that sysexits.h has for it."""
    from shadowd.config.explain import each_of

    if as_json:
        problems = [
            {"subject": one.subject, "reason": one.reason, "remedy": one.remedy} for one in each_of(error)
        ]
        _say(json.dumps({"ok": False, "problems": problems}))
    else:
        _say(f"error: {error}", sys.stderr)
    return error.exit_code


def _say(text: str, stream: TextIO | None = None) -> None:
    """Print text to a stream whose encoding may not know all of it (paths are bytes, locales differ)."""
    stream = stream or sys.stdout
    encoding = stream.encoding or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream)
