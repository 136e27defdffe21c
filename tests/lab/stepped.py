"""shadowd with a wall clock that the test can step: ``stepped.py FILE ARGUMENTS...``.

FILE holds the seconds by which this process's wall clock is wrong, read anew at each look. The kernel's
other clocks stay as they are, as when NTP or an operator sets the time.
"""

import sys
import time
from pathlib import Path

from shadowd.cli import main

REAL = time.time


def wrong() -> float:
    """Return the time of day that this host believes in."""
    return REAL() + float(Path(sys.argv[1]).read_text() or "0")


if __name__ == "__main__":
    time.time = wrong
    sys.exit(main(sys.argv[2:]))
