"""``python -m shadowd`` is ``shadowd``."""

import sys

from shadowd.cli import main

if __name__ == "__main__":
    sys.exit(main())
