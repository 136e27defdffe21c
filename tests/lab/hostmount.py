"""A pass-through over a directory that all hosts of a lab see, on one of them alone.

This is how the file server goes away for one host and stays for the others: the faulty file system lies over
the real directory in that host's mount namespace, and everybody else looks past it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import fusefs
from tests.lab.fusefs import FaultyMount, await_mount
from tests.lab.host import Host


@contextmanager
def mounted_on(host: Host, directory: Path, place: Path) -> Iterator[FaultyMount]:
    """Mount it until the block ends; its rules and its log lie in ``place``."""
    backing, control = Path("/run") / f"behind-{directory.name}", place / f"{host.name}.rules.json"
    log = place / f"{host.name}.fusefs.log"
    table = Path(f"/proc/{host.holder.pid}/mountinfo")
    control.write_text("[]")
    host.run(["mkdir", "-p", backing], check=True)
    host.run(["mount", "--bind", directory, backing], check=True)
    program = host.popen([sys.executable, fusefs.__file__, backing, directory, control], output=log)
    try:
        await_mount(directory, program, log, table)
        yield FaultyMount(directory, backing, program.pid, control, table)
    finally:
        # Detached first, by a process that is not in it; killed next: whoever hangs inside gets ENOTCONN.
        host.run(["umount", "--lazy", directory])
        program.kill()
        program.wait(timeout=30)
        host.run(["umount", "--lazy", backing])
