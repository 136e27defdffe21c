"""``python -m shadowd`` is ``shadowd``, for a checkout or an environment whose scripts are not on the PATH.

Nothing is decided here; ``shadowd.cli`` is the command line.
"""

import sys

from shadowd.cli import main

if __name__ == "__main__":
    sys.exit(main())
