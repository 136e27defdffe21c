"""What ``check`` says of the mount on real clients, as an administrator changes it. Runs in the guest.

Each record has the options that were asked for and the lines about mounts that ``check`` printed.
"""

import json
import os
import sys

from tests.nfs.failover import CELL, LONG, Cell
from tests.nfs.world import NAMES, SHARED, World, wait


def told(cell: Cell, name: str, what: str) -> None:
    """Report what ``check`` says of mounts on a host."""
    done = cell.verb(name, "check")
    lines = [line.strip() for line in done.stdout.splitlines() if "mount " in line or "room" in line]
    record = {"what": what, "said": " ".join(lines), "status": done.returncode, "all": done.stdout[-2000:]}
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve a cell, then look at it by mounts of every sort."""
    world = World()
    cell = Cell(world)
    for name in NAMES:
        cell.serve(name)
    wait(lambda: all(cell.state(name)["state"] == "standby" for name in NAMES), LONG, "all stand by")
    wait(lambda: cell.verb("h1", "start").returncode == 0, LONG, f"the first start\n{cell.story()}")
    world["h2"].do("sh", "-c", f"for n in 1 2 3 4; do ls {CELL} >/dev/null; sleep 1; done")
    told(cell, "h2", "default")
    world["h2"].do("mount", "-o", "remount,ro", str(SHARED))
    told(cell, "h2", "ro")
    world["h2"].do("mount", "-o", "remount,rw", str(SHARED))
    world.server.do("sh", "-c", "head -c 60000000 /dev/zero >/srv/export/ballast")
    told(cell, "h2", "nearly full")
    world.server.do("sh", "-c", "head -c 200000000 /dev/zero >/srv/export/ballast 2>/dev/null || true")
    told(cell, "h2", "full")
    world.server.do("rm", "/srv/export/ballast")
    os._exit(0)


if __name__ == "__main__":
    main()
