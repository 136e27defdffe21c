"""Values: frozen, comparable, and complete."""

from dataclasses import FrozenInstanceError

import pytest

from shadowd.core.values import DRIFT, NEVER, OUTCOMES, Lock, LockKind, NoticeKind, Problem, Unknown
from tests.core.rounds import claim, observed


@pytest.mark.parametrize("value", [claim(1), observed(0), Lock(LockKind.ABSENT), Unknown(Problem.EMPTY, "x")])
def test_values_do_not_change(value: object) -> None:
    """What two threads see is still what it was."""
    with pytest.raises((FrozenInstanceError, TypeError)):
        value.epoch = 5  # type: ignore[attr-defined]


def test_equal_content_is_equal() -> None:
    """Values are compared by what they say."""
    assert claim(1) == claim(1)
    assert claim(1) != claim(2)


def test_outcomes_end_the_list_of_notices() -> None:
    """The notices stand in the order of an epoch's life: the outcomes come last."""
    assert set(list(NoticeKind)[-4:]) == OUTCOMES


def test_never_is_later_than_all() -> None:
    """No date is later than NEVER, and drift is two clocks of one percent."""
    assert NEVER > 10**18
    assert DRIFT == 0.02
