"""What holds for every test: nothing is left running, nothing of the caller's environment leaks in.

``real`` tests are left out, with the reason and the remedy, where the machine cannot carry them. Time
limits, random order and "warnings are errors" are set in ``pyproject.toml``.
"""

import os
import sys
import threading
import uuid
from collections.abc import Generator, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pydantic import BaseModel

from tests.lab import gridengine, hosts, processes
from tests.lab.host import keepers

pytest_plugins = ["tests.lab.fixtures", "tests.fuzz.plugin"]

HERE = Path(__file__).parent
COVERING = ("core", "runtime")
"""The tests whose coverage is measured."""
MARK = "PYTEST_OWNER_OF_PROCESS"
RERUNS = int(os.environ.get("RERUNS", "1"))
GRACE = 3.0
APART = 15
"""More tests than are run at a time: one crowd has found its place when the next one comes."""
EXAMPLES = int(os.environ.get("EXAMPLES", "60"))
"""How many examples hypothesis makes for one test; fewer in the quick run."""


class Warmth(BaseModel):
    """Makes pydantic build its schema code now.

    Its first use inside ``freeze_time`` would make it take freezegun's FakeDatetime for the real class, and
    every later model with a time in it would refuse real ones (freezegun issues 480 and 551).
    """

    moment: datetime


# The ancestor's variables and systemd's are input to the tested code, so only tests may set them.
ALIEN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "INVOCATION_ID", "NO_COLOR")
for variable in list(os.environ):
    if variable.startswith(("SGE_", "SHADOWD_", "PBS_")) or variable in ALIEN:
        del os.environ[variable]
# Marks the processes of this test process, so that a daemon that left its parent is still known as ours.
os.environ[MARK] = uuid.uuid4().hex

settings.register_profile(
    "person",
    deadline=None,
    max_examples=EXAMPLES,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", settings.get_profile("person"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "person")


def why_not_real() -> str:
    """Return what this machine lacks for the tests with real daemons, or an empty string."""
    return hosts.usable() or gridengine.usable()


def limit(item: pytest.Item) -> float:
    """Return the seconds that a test claims for itself; few where it takes the limit that all have."""
    marker = item.get_closest_marker("timeout")
    if marker:
        return float(marker.args[0])
    return 60.0 if item.get_closest_marker("real") else 0.0


def spread(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with some others between any two that start dozens of daemons at once."""
    crowds = [item for item in items if item.get_closest_marker("crowd")]
    apart = [item for item in items if item not in crowds]
    for number, item in enumerate(crowds):
        apart.insert(number * APART, item)
    return apart


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first, follow lines only where it counts, skip real tests in clear words.

    Whoever may take long says so by a time limit of its own. Behind these the many short tests fill both
    processors to the end, in random order.
    """
    items.sort(key=limit, reverse=True)
    items[:] = spread(items)
    for item in items:
        # Core and runtime owe full coverage to their own tests; elsewhere a trace makes Python slow only.
        if item.path.relative_to(HERE).parts[0] not in COVERING:
            item.add_marker(pytest.mark.no_cover)
    real = [item for item in items if item.get_closest_marker("real")]
    for item in real:
        # Real daemons share two processors with each other and with whatever else the machine does: one slow
        # second is no fault of theirs, two are. The summary counts what was run again; RERUNS=0 shows why.
        item.add_marker(pytest.mark.flaky(reruns=RERUNS))
    lack = why_not_real() if real else ""
    if lack:
        words = f"{lack}; run ./tests/run as root (with namespaces allowed): it installs what is missing"
        for item in real:
            item.add_marker(pytest.mark.skip(reason=words))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Follow no line where ``no_cover`` says so.

    In a worker of xdist two collectors are at work, and pytest-cov, which comes before this, pauses one.
    """
    if item.get_closest_marker("no_cover") is None:
        return (yield)
    tracer, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)
        threading.settrace(of_threads)


def _ours(pid: int) -> bool:
    """Say whether a process was started by this test process, itself or through others."""
    if pid in keepers or not processes.alive(pid):
        return False
    fields = processes.stat_fields(pid)
    if fields and fields[1] == str(os.getpid()):
        return True
    try:
        return f"{MARK}={os.environ[MARK]}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """Fail a test that leaves a process behind, and end that process, so that the next test starts clean."""
    before = set(processes.everybody())
    yield
    left = [pid for pid in set(processes.everybody()) - before if _ours(pid)]
    if not left:
        return
    try:
        processes.wait_for(lambda: not any(map(_ours, left)), GRACE, "processes of the test end")
    except AssertionError:
        stubborn = {pid: processes.arguments(pid) for pid in left if _ours(pid)}
        processes.kill(stubborn)
        if stubborn:
            pytest.fail(f"left running by the test: {stubborn}")
