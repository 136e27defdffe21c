"""``sge_shadowd``: the ancestor's command line, so that its startup script works unchanged.

No arguments, configured by SGE_ROOT, SGE_CELL and the three interval variables alone (the system's
configuration file does not count here: it may describe other cells), goes to the background, same pid file,
same process name, silent when all is well (GRIDENGINE.md, "Drop-in").
"""

import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shadowd import __version__
from shadowd.cli.run import absolute, serve
from shadowd.errors import AlreadyRunningError, ConfigError, ShadowdError

if TYPE_CHECKING:
    from shadowd.config.load import Loaded

_NAME = "sge_shadowd"
_USAGE = f"""\
sge_shadowd (shadowd {__version__})
usage: sge_shadowd [options]
   [-help]                  display this text

Watches the cell of SGE_ROOT and SGE_CELL from the background. Intervals in seconds:
   SGE_CHECK_INTERVAL       between two looks at the heartbeat (60)
   SGE_GET_ACTIVE_INTERVAL  silence after which the heartbeat is stale (240)
   SGE_DELAY_TIME           further silence before a takeover (600)

Set SHADOWD_CONFIG, or use `shadowd run`, for everything else.
"""
_FAILED = 1
_PID = re.compile(r"pid ([0-9]+)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the drop-in; the return value is the exit status of the start."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in {"-help", "--help", "-h"}:
        print(_USAGE, end="")
        return 0
    try:
        if words:
            raise ConfigError(ascii(words[0]), "is no option of sge_shadowd", "see sge_shadowd -help")
        config = absolute(None)
        if config is None and not os.environ.get("SGE_ROOT"):
            remedy = "export SGE_ROOT, or source the cell's settings.sh"
            raise ConfigError("SGE_ROOT", "is not set", remedy)

        def load() -> "Loaded":
            from shadowd.config.load import Loaded, examine, from_environment
            from shadowd.config.source import NO_FILE

            if config is not None:
                return examine(config, os.environ)
            return Loaded(from_environment(os.environ), NO_FILE, {}, {})

        return serve(load, background=True, name=_NAME, explain=_explain)
    except ShadowdError as error:
        status, text = _explain(error)
        print(text, file=sys.stderr)
        return status


def _explain(error: ShadowdError) -> tuple[int, str]:
    """Return the ancestor's exit status, and its words where it has some."""
    if isinstance(error, AlreadyRunningError):
        found = _PID.search(error.reason)
        who = f" with pid {found[1]}" if found else ""
        return _FAILED, f"{_NAME}: found running shadowd{who} - not starting"
    return _FAILED, f"{_NAME}: {error}"
