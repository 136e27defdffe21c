"""What the daemon tells people in lines: one list of event names, and every place the lines go.

structlog imports ``rich`` wherever that happens to be installed, at a cost of 5 MB and 40 ms that a
daemon has no use for; it is shut out here, before any module of this floor can import structlog. This
package refuses to decide anything and to write to a shared file system on its caller's thread.
"""

import sys

if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # the documented way to forbid an import
