"""Reads that never come back."""

import threading

import pytest

from shadowd.console.deadline import abandoned, run_all


def test_a_hung_job_costs_the_deadline_and_not_the_others_answers() -> None:
    """One hung mount must not hide the healthy cells."""
    gate = threading.Event()
    answers = run_all([lambda: "well", lambda: str(gate.wait(60)), lambda: "too"], 0.3)
    assert answers == ["well", None, "too"]
    assert abandoned()
    gate.set()


def test_what_a_job_raises_is_its_answer() -> None:
    """An error of one cell is told in its place."""
    error = ValueError("no")

    def fail() -> str:
        raise error

    assert run_all([fail, lambda: "well"], 5) == [error, "well"]


@pytest.mark.parametrize("count", [0, 1, 200])
def test_many_jobs_share_few_threads(count: int) -> None:
    """A daemon may serve hundreds of cells."""
    assert run_all([lambda n=n: n for n in range(count)], 10) == list(range(count))  # type: ignore[misc]
