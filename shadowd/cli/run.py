"""``shadowd run``: the daemon, in the foreground unless told otherwise."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shadowd.errors import ShadowdError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadowd.config.load import Loaded

_BROKEN = 70  # EX_SOFTWARE
_EXAMPLE = """\
examples:
  $ SGE_ROOT=/opt/sge shadowd run     one cell, described by the environment
  $ shadowd run --config /etc/shadowd/shadowd.toml
  $ shadowd run --daemonize           for init scripts; returns when it is ready

TERM and INT end the daemon within a second and leave a running master alone;
HUP reads the configuration again, and a bad one keeps the old in force.
Exit status: 0 ended by a signal, 66 no cell can be served, 75 this host serves
the cell already, 78 the configuration cannot be used.
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "run",
        description="Watch the cells of this host, and take over when a master is dead.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration")
    parser.add_argument("--daemonize", action="store_true", help="go to the background when ready")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal says stop."""
    config = absolute(args.config)

    def load() -> "Loaded":
        from shadowd.config.load import examine

        return examine(config, os.environ)

    return serve(load, background=args.daemonize)


def serve(
    load: "Callable[[], Loaded]",
    *,
    background: bool,
    name: str | None = None,
    explain: "Callable[[ShadowdError], tuple[int, str]] | None" = None,
) -> int:
    """Run the daemon of the configuration that ``load`` reads, now and at each SIGHUP.

    ``name`` is what ``ps`` and init scripts know it by; ``explain`` makes exit status and message of an
    error that ends a start in the background.
    """
    from shadowd.adapters.daemonize import daemonize, open_streams

    open_streams()
    # Before anything else: threads and locks do not survive a fork.
    say = daemonize() if background else None
    try:
        _serve(load, name, say)
    except ShadowdError as error:
        if say is None:
            raise
        status, text = explain(error) if explain else (error.exit_code, f"shadowd: {error}")
        say(status, text)
        os._exit(status)
    except Exception as error:
        _leave_trace(error)
        if say is None:
            raise
        say(_BROKEN, f"shadowd: the daemon ended: {type(error).__name__}: {error}; see its log")
        os._exit(_BROKEN)
    return 0


def _leave_trace(error: Exception) -> None:
    """Say why the daemon ends, in its log and in syslog: in the background there is no terminal."""
    import syslog
    import traceback
    from contextlib import suppress

    from shadowd.log.setup import announce

    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" at {Path(frame.filename).name}:{frame.lineno}" for frame in where)
    reason = f"{type(error).__name__}: {error}{place}"
    with suppress(Exception):
        announce("daemon.ended", detail=reason)
    with suppress(Exception):
        syslog.openlog("shadowd", syslog.LOG_PID, syslog.LOG_DAEMON)
        syslog.syslog(syslog.LOG_CRIT, f"the daemon ends: {reason}")


def _serve(load: "Callable[[], Loaded]", name: str | None, say: "Callable[[int, str], None] | None") -> None:
    sys.modules["rich"] = None  # type: ignore[assignment]  # structlog would import it: 5 MB for colours
    from shadowd.app.daemon import Daemon

    if name is not None:
        from shadowd.adapters.procfs import set_name

        set_name(name)
    daemon = Daemon(load, os.environ, silent=say is not None)
    daemon.serve(ready=(lambda: None) if say is None else (lambda: say(0, "")))


def absolute(config: Path | None) -> Path | None:
    """Make the file's name good for a daemon, which leaves this directory and reads it again on HUP."""
    if config is None and os.environ.get("SHADOWD_CONFIG"):
        config = Path(os.environ["SHADOWD_CONFIG"])
    return None if config is None else config.absolute()
