"""``sge_shadowd``: the ancestor's command line, so that its startup script works unchanged.

No arguments, configured by SGE_ROOT, SGE_CELL and the three interval variables alone (a configuration file
does not count here), goes to the background, same pid file, same process name (GRIDENGINE.md, "Drop-in").
"""

import os
import sys
from collections.abc import Sequence

from shadowd import __version__
from shadowd.cli.run import serve
from shadowd.errors import ConfigError, ShadowdError

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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the drop-in; the return value is the exit status of the start."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in {"-help", "--help", "-h"}:
        print(_USAGE, end="")
        return 0
    try:
        if words:
            raise ConfigError(words[0], "is no option of sge_shadowd", "sge_shadowd -help")
        if not os.environ.get("SGE_ROOT"):
            remedy = "export SGE_ROOT, or source the cell's settings.sh"
            raise ConfigError("SGE_ROOT", "is not set", remedy)
        return serve(None, background=True, name="sge_shadowd")
    except ShadowdError as error:
        print(f"sge_shadowd: {error}", file=sys.stderr)
        return 1
