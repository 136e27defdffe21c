"""Whatever lies where the cell's files should be: no takeover, clear words, bounded memory, and recovery.

In every cell here the heartbeat stands still, so that each would be taken over after three seconds; in each
something else is wrong. One daemon serves them side by side, as a real one would.
"""

import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from shadowd.adapters import records
from tests.daemon.toys import FAST, LONG, Daemon, Toys, configure, launch, patiently
from tests.lab.claimers import claim_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(200)]

EARLIEST = float(FAST["stale_after"]) + float(FAST["delay"])
GROWTH_KB = 64 * 1024
"""What reading garbage may cost for good, in KiB of resident memory at the peak."""
GIGABYTE = 1 << 30

Deed = Callable[[Path], object]


def huge(path: Path) -> None:
    """Make a sparse file of a gigabyte."""
    with path.open("wb") as file:
        file.truncate(GIGABYTE)


def loop(path: Path) -> None:
    """Make a symbolic link to itself."""
    path.symlink_to(path.name)


def listener(path: Path) -> None:
    """Make a socket that nobody serves."""
    directory = os.open(path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{directory}/{path.name}")
    os.close(directory)


def binary(path: Path) -> None:
    """Write bytes that are no text."""
    path.write_bytes(bytes(range(256)))


def endless(path: Path) -> None:
    """Make a link to a device that never ends."""
    path.symlink_to("/dev/zero")


ODD: dict[str, Deed] = {
    "huge": huge,
    "binary": binary,
    "fifo": os.mkfifo,
    "directory": Path.mkdir,
    "loop": loop,
    "socket": listener,
    "endless": endless,
}
"""What may lie where a file should be."""
WRONG = {
    "heartbeat": ("spool/heartbeat", "beat_unknown", ODD | {"empty": Path.touch, "missing": lambda _: None}),
    "lock": ("spool/lock", "locked", ODD | {"empty": Path.touch}),
    "act_qmaster": ("common/act_qmaster", "active_unknown", ODD | {"empty": Path.touch}),
    "shadow_masters": ("common/shadow_masters", "shadows_unknown", ODD | {"empty": Path.touch}),
    "pause": ("spool/shadowd/pause.json", "pause_unknown", ODD | {"empty": Path.touch}),
    "claims": (
        "spool/shadowd/claims",
        "cell_unreadable",
        {name: ODD[name] for name in ("huge", "fifo", "loop", "socket")},
    ),
    "claim": ("spool/shadowd/claims/0000000001.json", "ledger_doubt", ODD | {"empty": Path.touch}),
    "notice": (
        "spool/shadowd/notices/0000000001.launching.json",
        "ledger_doubt",
        {"without-its-claim": Path.touch},
    ),
}


def clear(path: Path) -> None:
    """Take away whatever lies there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class Stage:
    """Cells with one wrong thing each."""

    def __init__(self, place: Path, file: str, odd: dict[str, Deed]) -> None:
        self.cells = {name: Toys.make(place / name, name) for name in odd}
        self.file = file
        self.before: dict[str, bytes | None] = {}
        for name, toys in self.cells.items():
            (toys.cell.spool / "heartbeat").write_text("00041\n")
            for directory in ("claims", "notices", "hosts"):
                (toys.cell.spool / "shadowd" / directory).mkdir(parents=True)
            path = self.path(name)
            self.before[name] = path.read_bytes() if path.is_file() else None
            clear(path)
            odd[name](path)

    def path(self, name: str) -> Path:
        """Return the wrong file of a cell."""
        return self.cells[name].cell.common.parent / self.file

    def start(self, home: Path) -> Daemon:
        """Start beta's daemon for all of them."""
        configure(home, "beta", *self.cells.values())
        return launch(home, "beta")

    def mend(self, name: str) -> None:
        """Put things right as a person would."""
        clear(self.path(name))
        before = self.before[name]
        if before is not None:
            self.path(name).write_bytes(before)
        elif self.file.endswith("claims"):
            self.path(name).mkdir()


def peak(daemon: Daemon) -> int:
    """Return the largest resident memory so far, in KiB."""
    lines = Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


@pytest.mark.parametrize("what", WRONG)
def test_garbage_is_reported_and_nobody_takes_over(place: Path, what: str) -> None:
    """Told in log and ``status``, no claim while it lies there, and a takeover once it is gone."""
    file, reason, odd = WRONG[what]
    stage = Stage(place, file, odd)
    daemon = stage.start(place / "beta")
    daemon.wait_told("daemon.started")
    before = peak(daemon)
    for name in stage.cells:
        daemon.wait_refused(reason, name)
    time.sleep(EARLIEST + 1)
    for name in stage.cells:
        assert daemon.refused(reason, name), f"{name}\n{daemon.story()}"
        assert not daemon.told("takeover.claiming", cell=name), daemon.story()
        assert len(daemon.told("takeover.refused", cell=name)) <= 2, daemon.story()
        said = daemon.verb("status", "--cell", name)
        assert said.returncode == 2, said.stdout
        assert stage.path(name).name.partition(".")[0] in said.stdout, said.stdout
    assert peak(daemon) - before < GROWTH_KB, f"{before} KiB grew to {peak(daemon)} KiB"
    for name in stage.cells:
        stage.mend(name)
    for toys in stage.cells.values():
        assert toys.wait_master(("beta",)) == "beta"


def record(**changes: object) -> bytes:
    """Return a claim with some fields changed."""
    fields = json.loads(records.encode_claim(claim_of(1, "gamma", "nonce")))
    return json.dumps(fields | {"cell": "doubt"} | changes).encode()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (record(cell="other"), "other"),
        (record(format=99), "format"),
        (record(epoch=2), "epoch"),
        (record()[:-20], "0000000001.json"),
        (b"{" * 60_000, "0000000001.json"),
        (b"null", "0000000001.json"),
    ],
    ids=["another-cell", "newer", "another-epoch", "torn", "nested", "null"],
)
def test_a_claim_that_is_not_this_cells_forbids_every_bid(place: Path, data: bytes, word: str) -> None:
    """Another cell's claim, a newer format, a torn record: doubt, said in its words, until it is gone."""
    toys = Toys.make(place / "cell", "doubt")
    (toys.cell.spool / "heartbeat").write_text("00041\n")
    toys.claims.mkdir(parents=True)
    claim = toys.claims / "0000000001.json"
    claim.write_bytes(data)
    daemon = toys.start("beta")
    refusal = daemon.wait_refused("ledger_doubt")
    assert word in refusal["detail"], refusal
    time.sleep(EARLIEST + 1)
    assert not daemon.told("takeover.claiming"), daemon.story()
    claim.unlink()
    assert toys.wait_master(("beta",)) == "beta"


def test_a_claims_directory_that_lost_its_records_forbids_every_bid(toys: Toys) -> None:
    """Emptied under a running daemon: alarm and no bid; put back, failover goes on."""
    toys.start_master()
    beta = toys.serve("beta", stagger=0.3)
    gamma = toys.serve("gamma", stagger=0.3)
    toys.kill_pair("alpha")
    beta.wait_told("master.confirmed")
    patiently(lambda: gamma.record().get("epoch") == 1, LONG, "gamma knows the epoch", gamma.story)
    # The guard first: it would write its master's end into the empty directory, or restart it.
    beta.kill()
    state = toys.claims.parent
    away = state.with_name("away")
    state.rename(away)
    refusal = gamma.wait_refused("ledger_shrank")
    assert "epoch 1 was there" in refusal["detail"]
    toys.kill_pair("beta")
    time.sleep(EARLIEST + 1)
    assert not gamma.told("takeover.claiming"), gamma.story()

    def put_back() -> bool:
        shutil.rmtree(state, ignore_errors=True)  # the daemon makes it anew for its records, at any moment
        with suppress(OSError):
            away.rename(state)
        return not away.exists()

    patiently(put_back, LONG, "the records are back", gamma.story)
    assert toys.wait_master(("gamma",)) == "gamma"
    toys.never_two()


def test_a_spool_that_goes_and_comes_back_stops_nothing_for_good(toys: Toys) -> None:
    """The whole spool away: reported, no silence counted; back again, the daemon goes on with it."""
    toys.start_master()
    beta = toys.serve("beta")
    away = toys.cell.spool.with_name("away")
    toys.cell.spool.rename(away)
    beta.wait_refused("cell_unreadable")
    time.sleep(EARLIEST + 1)
    away.rename(toys.cell.spool)
    beta.wait_eligible()
    assert not beta.told("heartbeat.stale"), beta.story()
    toys.kill_pair("alpha")
    assert toys.wait_master(("beta",)) == "beta"
