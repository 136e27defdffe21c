"""``shadowd exec -- COMMAND``: a client's command, run against the server that serves.

For commands that know one server only, or that hang where the first of their list does. The serving host
is found first, then this process *becomes* the command, so exit status, signals and terminal are its own.
TORQUE's clients are told by PBS_DEFAULT and PBS_SERVER. Grid Engine's go where ``act_qmaster`` points,
whatever the environment says; there the command only waits until the master in it answers.

It refuses to run the command when nobody answers.
"""

import argparse
import os
import signal
import sys

from shadowd.cli import UsageError
from shadowd.cli.serverlist import GRIDENGINE, add_list, add_patience, cache, cell, kind, source, tell
from shadowd.client.locating import NotLocatedError, locate
from shadowd.client.sources import VARIABLES

_EPILOG = """\
examples:
  $ shadowd exec -- qstat -q       # of PBS_DEFAULT, server_name or SGE_ROOT
  $ shadowd exec --servers h1,h2 --timeout 120 -- qsub job.sh
  $ shadowd exec --cell prod -- qstat -f

TORQUE's clients complete a bare job number by the server they are told, and
jobs bear the name of the first one: give names in full, as in
  $ shadowd exec -- sh -c 'qdel "$(shadowd locate --job-name 12)@$PBS_DEFAULT"'

Exit status: that of COMMAND; 127 there is no such command, 126 it cannot be
run, 69 no server answered, 78 the list is wrong, 66 the cell's files cannot
be read, 64 wrong usage.
"""
_NOT_FOUND = 127
_NOT_RUN = 126


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "exec",
        usage="shadowd exec [options] -- COMMAND ...",
        description="Run a client's command against the host that serves.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_patience(parser)
    add_list(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="and its arguments")


def run(args: argparse.Namespace) -> int:
    """Become the command; returns only when that is not possible."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise UsageError("exec", "there is no command", "write it behind --: shadowd exec -- qstat -q")
    environment = dict(os.environ)
    of_cell = kind(args, os.environ) == GRIDENGINE
    # Grid Engine's clients ask the master in act_qmaster and nobody else; TORQUE's go where they are told.
    args.only = args.only or (
        of_cell and (args.servers is not None or cell(args, os.environ).kind != "torque")
    )
    wanted = source(args, os.environ)
    try:
        found = locate(wanted, probe_timeout=args.probe_timeout, timeout=args.timeout, cache=cache(args))
    except NotLocatedError as error:
        return tell(error)
    if not of_cell:
        environment |= {"PBS_DEFAULT": str(found.server), "PBS_SERVER": str(found.server)}
    elif args.servers is None:
        environment |= _of_cell(args, found.server.host)
    return _become(command, environment)


def _of_cell(args: argparse.Namespace, host: str) -> dict[str, str]:
    """Return the variables by which the cell's clients find it; in a generic one, its host."""
    chosen = cell(args, os.environ)
    if chosen.sge_root is None:
        torque = dict.fromkeys(VARIABLES, host) if chosen.kind == "torque" else {}
        return {"SHADOWD_CELL": chosen.name, "SHADOWD_HOST": host, **torque}
    found = {"SGE_ROOT": str(chosen.sge_root), "SGE_CELL": chosen.sge_cell}
    return found if chosen.port is None else {**found, "SGE_QMASTER_PORT": str(chosen.port)}


def _become(command: list[str], environment: dict[str, str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if stream:
            stream.flush()
    # Python ignores these two, and a command would inherit that.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - an argument vector, never a shell
    except (FileNotFoundError, NotADirectoryError):
        print(f"shadowd: {command[0]}: there is no such command", file=sys.stderr)
        return _NOT_FOUND
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        print(f"shadowd: {command[0]}: cannot be run: {reason}", file=sys.stderr)
        return _NOT_RUN
