"""Worker threads that may hang: nobody waits behind one, and nobody stays without work."""

import queue
import threading
import time
from collections.abc import Callable

import pytest

from shadowd.runtime.workers import Job, Workers

LIMIT = 10.0


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until this holds; fail after a limit that no sound machine reaches."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def run(workers: Workers) -> threading.Thread:
    """Run one job and return its thread."""
    done: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()
    workers.submit(lambda: done.put(threading.current_thread()))
    return done.get(timeout=LIMIT)


def test_a_job_runs_in_a_daemon_thread() -> None:
    """A worker that hangs for ever must not keep the process from ending."""
    thread = run(Workers(idle_for=0.01))
    assert thread is not threading.current_thread()
    assert thread.daemon


def test_a_hung_job_delays_no_other() -> None:
    """While one worker hangs, others are made."""
    workers = Workers(idle_for=0.01)
    healed = threading.Event()
    hung: list[threading.Thread] = []

    def hang() -> None:
        hung.append(threading.current_thread())
        healed.wait(LIMIT)

    workers.submit(hang)
    wait_for(lambda: bool(hung))
    assert run(workers) is not hung[0]
    assert run(workers) is not hung[0]
    healed.set()
    wait_for(lambda: not hung[0].is_alive())


def test_an_idle_worker_is_used_again() -> None:
    """Jobs one after the other need one thread."""
    workers = Workers(idle_for=0.5)
    first = run(workers)
    wait_for(lambda: bool(workers._idle))
    assert run(workers) is first


def test_idle_workers_leave() -> None:
    """A worker without work ends, and the next job gets a new one."""
    workers = Workers(idle_for=0.01)
    first = run(workers)
    wait_for(lambda: not first.is_alive())
    assert not workers._idle
    assert run(workers) is not first


def test_a_job_that_comes_while_its_worker_is_about_to_leave_is_done() -> None:
    """Whoever took a worker from the idle ones may put a job in after its patience ended."""
    workers = Workers(idle_for=0.05)
    first = run(workers)
    wait_for(lambda: bool(workers._idle))
    done: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()
    job: Job = lambda: done.put(threading.current_thread())  # noqa: E731 - shorter than its name
    with workers._lock:
        inbox = workers._idle.pop()
        time.sleep(0.2)  # the worker's patience ends, and it waits for the lock that is held here
    inbox.put(job)
    assert done.get(timeout=LIMIT) is first


class NoThreads:
    """The place of ``threading.Thread`` on a host that has no task left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = False
        real = threading.Thread.start

        def start(thread: threading.Thread) -> None:
            if not self.left:
                raise RuntimeError("can't start new thread")
            real(thread)

        monkeypatch.setattr(threading.Thread, "start", start)


def test_kept_workers_are_there_from_the_beginning_and_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a host without a free task still does, it does with these."""
    workers = Workers(idle_for=0.01, kept=2)
    wait_for(lambda: len(workers._idle) == 2)
    NoThreads(monkeypatch)
    time.sleep(0.1)  # several times as long as an idle worker stays
    first, second = run(workers), run(workers)
    assert first.is_alive()
    assert second.is_alive()


def test_without_a_thread_a_job_waits_for_the_next_free_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, nothing is raised, and the order is kept."""
    told: list[str] = []
    workers = Workers(kept=1, failed=told.append)
    go, done = threading.Event(), queue.SimpleQueue[int]()
    wait_for(lambda: len(workers._idle) == 1)
    workers.submit(lambda: go.wait(LIMIT) and None)
    NoThreads(monkeypatch)
    workers.submit(lambda: done.put(1))
    workers.submit(lambda: done.put(2))
    assert told
    assert all("can't start new thread" in line for line in told)
    go.set()
    assert [done.get(timeout=LIMIT), done.get(timeout=LIMIT)] == [1, 2]


def test_jobs_that_wait_are_begun_when_there_are_threads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although every worker hangs, and nothing more is submitted."""
    workers = Workers()
    host = NoThreads(monkeypatch)
    done = queue.SimpleQueue[int]()
    workers.submit(lambda: done.put(1))
    workers.catch_up()
    assert done.empty()
    host.left = True
    workers.catch_up()
    assert done.get(timeout=LIMIT) == 1


def test_a_job_that_raises_ends_no_worker() -> None:
    """It is said, and its thread does the next."""
    told: list[str] = []
    workers = Workers(kept=1, failed=told.append)
    wait_for(lambda: len(workers._idle) == 1)

    def fail() -> None:
        raise MemoryError

    workers.submit(fail)
    wait_for(lambda: len(workers._idle) == 1 and bool(told))
    assert told == ["a request failed: MemoryError: "]
    assert run(workers).is_alive()


def test_without_anybody_to_tell_it_goes_on_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised."""
    host = NoThreads(monkeypatch)
    workers = Workers(kept=1)
    host.left = True
    assert run(workers).is_alive()
