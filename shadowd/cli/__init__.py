"""The command line: one verb a module, and only the verb that was asked for is imported.

Monitoring calls ``status`` and ``check`` every minute, so the top level knows no more of a verb than its
name and one sentence. Errors are printed in git's manner: what is wrong with what, then a hint. Exit
codes are those of sysexits.h, except that a verb may set ``TROUBLE_EXIT``, as the monitoring plugins do
(3, UNKNOWN). This module refuses to do anything for a verb but to parse, call and report.

A verb module has ``register(subparsers)``, ``run(args) -> int`` and an option ``--config FILE``.
"""

import argparse
import gc
import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Final, NoReturn

from shadowd import __version__
from shadowd.errors import ShadowdError

VERBS: Final = {
    "run": "watch the cells of this host, and take over when a master is dead",
    "status": "show every cell: who is master, and what each host will do when",
    "check": "judge whether failover would work now, for monitoring",
    "takeover": "take over without waiting for the timers, with every safety check",
    "stop": "shut a generic cell down, so that nobody takes over",
    "start": "start the master of a generic cell on this host",
    "migrate": "move a living, guarded master to this host",
    "pause": "switch failover off for maintenance: nobody starts a master",
    "resume": "end a pause",
    "history": "tell who was master when, and how it ended",
    "locate": "print the host that serves, of a list of servers or of a cell",
    "exec": "run a command of a client against the host that serves",
    "config": "check, show or describe the configuration",
    "demo": "show a failover on this machine, with a toy master",
    "simulate": "count what failover does in simulated bad weather, ours and others'",
}
EX_USAGE: Final = 64
EX_SOFTWARE: Final = 70
_TOP: Final = "command line"
_BRIEF: Final = frozenset({"status", "check", "locate", "exec"})
"""Verbs that end long before there is garbage worth collecting."""
_EX_PIPE: Final = 141  # what a shell shows for a program that SIGPIPE ended
_EX_INTERRUPT: Final = 130


class UsageError(ShadowdError):
    """The command line cannot be understood."""

    exit_code = EX_USAGE


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help for 80 columns; a width that is given keeps argparse from loading shutil, bz2 and lzma."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80)


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line as an error like all others."""

    def error(self, message: str) -> NoReturn:
        subject = self.prog.removeprefix("shadowd").strip() or _TOP
        raise UsageError(subject, message, f"see {self.prog} --help")

    def _get_formatter(self) -> argparse.HelpFormatter:
        return _Help(self.prog)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run one verb, and return the exit status; without ``argv``, as a program that ends here."""
    if argv is not None:
        return _guarded(list(argv))
    words = sys.argv[1:]
    if words and words[0] in _BRIEF:
        gc.disable()
    code = _guarded(words)
    if sys.stderr:
        sys.stderr.flush()
    # Taking the interpreter apart costs 7 ms, a tenth of a call by monitoring, and gives nothing back.
    os._exit(code)


def _guarded(words: list[str]) -> int:
    """Run one verb, whoever stops reading or waiting for it."""
    try:
        code = _run(words)
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has enough; the interpreter must not try to flush into the pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _EX_PIPE
    except KeyboardInterrupt:
        return _EX_INTERRUPT
    return code


def parser(verbs: Iterable[str]) -> argparse.ArgumentParser:
    """Return the parser with these verbs in full; with all of them it serves completion and manuals."""
    top = _Parser(
        prog="shadowd",
        usage="shadowd [-h] [--version] VERB ...",
        description="Failover for the one daemon a batch cluster cannot lose.",
        epilog="verbs:\n" + "".join(f"  {name:<10}{text}\n" for name, text in VERBS.items()),
    )
    top.add_argument("--version", action="version", version=f"shadowd {__version__}")
    subparsers = top.add_subparsers(
        prog="shadowd", dest="verb", metavar="VERB", help=argparse.SUPPRESS, required=True
    )
    for verb in verbs:
        _module(verb).register(subparsers)
    return top


def _run(words: list[str]) -> int:
    verb = next((word for word in words if not word.startswith("-")), None)
    module: ModuleType | None = None
    try:
        module = _module(verb) if verb else None
        args, strange = parser([verb] if verb else []).parse_known_args(words)
        if strange:
            _refuse(verb, strange)
        return int(module.run(args)) if module else EX_USAGE
    except ShadowdError as error:
        # Nothing of it may move a cursor: an error quotes files and arguments.
        print(f"shadowd: {_printable(str(error))}", file=sys.stderr)
        return int(getattr(module, "TROUBLE_EXIT", error.exit_code))
    except (BrokenPipeError, KeyboardInterrupt, SystemExit):
        raise
    except Exception:  # noqa: BLE001 - the last place that can still give monitoring a number it understands
        sys.excepthook(*sys.exc_info())
        return int(getattr(module, "TROUBLE_EXIT", EX_SOFTWARE))


def _module(verb: str) -> ModuleType:
    if verb not in VERBS:
        raise _unknown(verb)
    return import_module(f"shadowd.cli.{verb}")


def _refuse(verb: str | None, strange: list[str]) -> NoReturn:
    raise UsageError(
        verb or _TOP, f"unrecognized arguments: {' '.join(strange)}", f"see shadowd {verb} --help"
    )


def _unknown(verb: str) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(verb, VERBS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"verbs: {', '.join(VERBS)}"
    return UsageError(_TOP, f"{verb[:40]!r} is no verb", hint)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text[:4000])
