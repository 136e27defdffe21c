"""A takeover in progress, as an administrator sees it: who acts, at what time, or why nobody does."""

from typing import Any

import pytest

from shadowd.console.report import Report
from shadowd.console.text import status
from tests.console.handmade import NOW, HandMade
from tests.console.test_view import LOCKED, look, text_of

LATER = NOW + 900
LEASE = {
    "reason": "lease_runs", "text": "the old master's lease has not ended yet", "detail": "epoch 7 on h1",
    "until": LATER + 41,
}  # fmt: skip
NOT_LISTED = {"reason": "not_a_shadow", "text": "this host is not listed", "detail": "", "until": None}


def seen(made: HandMade, **changes: Any) -> Report:
    """Return the report while h2 is in a state."""
    record = {"wall": LATER - 1, "observed": LATER - 1, "silence": 900.0, "since": LATER - 3} | changes
    for write in (made.record, made.local):
        write("h2", **record)
    return look(made, LATER)


def shown(report: Report) -> str:
    """Return the text of status without its line breaks."""
    return " ".join(status([report]).split())


@pytest.mark.parametrize(
    ("state", "timer", "words"),
    [
        ("verifying", "takeover", "step 1 of 4: looks at everything once more before it bids for epoch 8"),
        ("claiming", "licence", "step 2 of 4: bids for epoch 8; gives up if the launch has not begun by"),
        ("accounting", "licence", "step 3 of 4: has won epoch 8 and makes sure that no other master runs"),
        ("launching", "licence", "step 4 of 4: starts the master of epoch 8; gives up if the launch has not"),
        (
            "launching",
            "launch_timeout",
            "step 4 of 4: starts the master of epoch 8; stops it and lets others try if it does not beat by "
            "11:21:32 (in 40 s)",
        ),
    ],
)
def test_each_step_is_told_with_its_epoch_and_deadline(
    made: HandMade, state: str, timer: str, words: str
) -> None:
    """Between the last look and the new master people look most often."""
    found = seen(made, state=state, timer={"name": timer, "due": LATER + 40})
    assert f"under way, wait for it: h2 takes over, {words.partition(';')[0]}" in found.view.takeover
    assert words in shown(found)
    assert "under way, wait for it" in text_of(found, "heartbeat")


def test_the_epoch_of_a_bid_is_the_claim_s_own(made: HandMade) -> None:
    """The record's epoch is the highest that was listed, which may be another host's."""
    made.claim(8, "h2", wall=LATER - 5)
    made.claim(9, "h3", "failed", wall=LATER - 4)
    assert "has won epoch 8" in seen(made, state="accounting", epoch=9).view.takeover


def test_the_others_wait_for_the_one_that_bids(made: HandMade) -> None:
    """Their records are from before the claim and still name a time of their own."""
    made.shadows("h1", "h2", "h3")
    made.record(
        "h3", wall=LATER - 30, state="stale", reason="silent", timer={"name": "takeover", "due": LATER - 1}
    )
    assert "waits: h2 is taking over" in shown(seen(made, state="launching"))


def test_a_silence_names_host_and_time(made: HandMade) -> None:
    """While the delay runs, the first line after the heartbeat says who does what when."""
    found = seen(
        made, state="stale", reason="silent", refusals=[LEASE], timer={"name": "takeover", "due": LATER + 41}
    )
    assert found.view.takeover == (
        "h2 takes over at 11:21:33 (in 41 s) by itself, unless the heartbeat moves"
    )
    assert "- the old master's lease has not ended yet: epoch 7 on h1 (until 11:21:33)" in shown(found)


def test_a_silence_that_nobody_ends_says_why(made: HandMade) -> None:
    """The first obstacle that does not pass by itself is named, not the lease before it."""
    found = seen(
        made, state="stale", reason="silent", refusals=[LEASE, NOT_LISTED],
        timer={"name": "takeover", "due": LATER + 41},
    )  # fmt: skip
    assert found.view.takeover == "nobody takes over, as things stand; h2: this host is not listed"
    assert "would take over at 11:21:33 (in 41 s), but" in shown(found)
    made.lock(LATER - 100)
    found = seen(made, state="stale", reason="silent", refusals=[LOCKED])
    assert found.view.takeover.startswith("nobody takes over: a lock lies in the spool")


def test_nobody_to_take_over_is_said(made: HandMade) -> None:
    """Silence and no daemon that reports: the worst case is no empty line."""
    found = look(made, LATER)
    assert found.view.takeover == (
        "nobody takes over, as things stand; no host that could take over has reported"
    )


@pytest.mark.parametrize(
    ("refusals", "words"),
    [
        ([], "h2 takes over at once by itself"),
        ([LEASE], "h2 takes over at 11:21:33 (in 41 s) by itself"),
    ],
)
def test_a_known_death_does_not_wait_for_the_silence(
    made: HandMade, refusals: list[dict[str, Any]], words: str
) -> None:
    """After a death notice the silence decides nothing, only what is still refused by time."""
    made.claim(7, "h1", "launching", "started", "died")
    found = seen(
        made, state="stale", reason="death_notice", master=None, silence=5.0, refusals=refusals,
        timer={"name": "takeover", "due": LATER + 835},
    )  # fmt: skip
    assert found.view.takeover == words
    found = seen(made, state="stale", reason="death_notice", master=None, refusals=[*refusals, NOT_LISTED])
    assert "the master is dead, but" in shown(found)


def test_a_healthy_cell_has_no_outlook(made: HandMade) -> None:
    """No news is no line."""
    assert look(made).view.takeover == ""
    assert "\n  takeover" not in status([look(made)])


def test_failed_attempts_are_counted_in_words(made: HandMade) -> None:
    """Once is once."""
    assert "failed to start a master once" in shown(seen(made, attempts=1))
    assert "failed to start a master 2 times in a row" in shown(seen(made, attempts=2))
