"""What a shared file on NFS shows to whom, and who waits for it: run in the guest, one record a question.

Each record has ``name``, and what was seen with the package's own functions (``shadowd.adapters``). Run on
one host as a program: ``files.py ACTION ARGUMENTS``.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from shadowd.adapters.genericfiles import BeatFile, paths_of
from shadowd.adapters.mounts import direct
from shadowd.adapters.publish import rewrite_file
from shadowd.adapters.reading import list_dir, read_small
from shadowd.core.values import Epoch
from tests.nfs.world import GUEST, LEASE, SHARED, World, wait

ROUNDS = 5
BEAT = SHARED / "cell" / "heartbeat"


def keeps_a_descriptor() -> None:
    """Beat twice, keep the file open, and print what a fresh read shows while another host counts on."""
    beats = BeatFile(paths_of(BEAT.parent))
    beats.write(Epoch(1))
    beats.write(Epoch(1))
    seen = []
    for _ in range(ROUNDS):
        input_line()
        list_dir(BEAT.parent, 100)
        data = read_small(BEAT, 100)
        seen.append(int(data) if isinstance(data, bytes) else None)
        say(json.dumps(seen))


def writes(value: str) -> None:
    """Write the heartbeat of another host."""
    problem = rewrite_file(BEAT, b"%019d\n" % int(value))
    say(problem or "written")


def reads(path: str) -> None:
    """Read a file as a shadow does."""
    say(read_small(Path(path), 100))


def beats_for_ever() -> None:
    """Beat on a thread; end on SIGTERM as the daemon does."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    beats = BeatFile(paths_of(BEAT.parent))

    def beat() -> None:
        while True:
            beats.write(Epoch(1))
            (GUEST / "beaten").touch()
            time.sleep(0.05)

    threading.Thread(target=beat, daemon=True).start()
    while True:
        time.sleep(0.1)


def say(words: object) -> None:
    """Print a line now."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def input_line() -> str:
    """Wait for the word of whoever runs this."""
    return sys.stdin.readline()


def ask(world: World, host: str, *words: str) -> "subprocess.Popen[str]":
    """Run an action on a host, with pipes."""
    argv = world[host].argv([sys.executable, "-m", "tests.nfs.files", *words])
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(child: "subprocess.Popen[str]") -> str:
    """Return what an action prints, at its end."""
    return child.communicate(timeout=60)[0].strip()


def tell(name: str, **seen: object) -> None:
    """Report one record."""
    say(json.dumps({"name": name, **seen}))


def main() -> None:
    """Ask every question, with hosts h1 and h2."""
    world = World()
    world["h1"].do("mkdir", "-p", BEAT.parent / "shadowd")
    tell("flag", nfs=said(ask(world, "h1", "flag", str(BEAT.parent))), local=direct(GUEST))

    keeper = ask(world, "h1", "keeps_a_descriptor")
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    # A listing: a name that was looked for and missing may stay so for 30 s.
    wait(lambda: BEAT.name in world["h2"].do("ls", BEAT.parent), 30, "the first beat")
    shown: list[int] = []
    for number in range(ROUNDS):
        said(ask(world, "h2", "writes", str(1000 + number)))
        keeper.stdin.write("go on\n")
        keeper.stdin.flush()
        shown = json.loads(keeper.stdout.readline())
    keeper.wait(30)
    tell("fresh", shown=shown, written=[1000 + number for number in range(ROUNDS)])

    # A server delegates no file that was opened in two ways a moment ago: a while without any opening.
    world["h2"].do("sh", "-c", f"echo 17 >{SHARED}/ours; echo 17 >{SHARED}/plain")
    time.sleep(LEASE + 5)
    said(ask(world, "h1", "reads", f"{SHARED}/ours"))
    world["h1"].do("cat", f"{SHARED}/plain")
    tell("delegations", names=world.delegations())

    beating = ask(world, "h1", "beats_for_ever")
    wait((GUEST / "beaten").exists, 30, "beats")
    world.stop_server()
    (GUEST / "beaten").unlink()
    time.sleep(2)  # nothing can be waited for: the next beat is to be under way, and never to arrive
    beating.terminate()
    try:
        beating.wait(20)
        ended = True
    except subprocess.TimeoutExpired:
        ended = False
    tell("terminated", ended=ended)
    sys.stdout.flush()
    os._exit(0)


ACTIONS = {
    "keeps_a_descriptor": keeps_a_descriptor,
    "writes": writes,
    "reads": reads,
    "beats_for_ever": beats_for_ever,
    "flag": lambda directory: say(direct(directory)),
}

if __name__ == "__main__":
    if len(sys.argv) > 1:
        ACTIONS[sys.argv[1]](*sys.argv[2:])
    else:
        main()
