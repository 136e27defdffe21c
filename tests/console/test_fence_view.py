"""What ``status`` and ``check`` say of the fence: its program, its failures, the level that it gives."""

import json
from pathlib import Path
from typing import Any

import pytest

from shadowd.console.records import FenceRecord, HostRecord, parse
from shadowd.console.report import as_json
from shadowd.console.text import checks, status
from shadowd.core.values import Problem, Unknown
from tests.console.handmade import NOW, HandMade, standard
from tests.console.test_view import look, text_of, verdicts


def fenced(outcome: str, policy: str = "required", **changes: Any) -> dict[str, Any]:
    """Return the field of a record that tells of one attempt."""
    attempt = {
        "epoch": 8, "host": "h1", "outcome": outcome, "detail": "no route\x1b[2J", "when": NOW - 60, **changes
    }  # fmt: skip
    return {"policy": policy, "attempts": [attempt]}


def policy(made: HandMade, word: str) -> None:
    """Let every daemon have this policy."""
    for host in ("h1", "h2"):
        made.record(host, fence={"policy": word, "attempts": []})
    made.local("h2", fence={"policy": word, "attempts": []})


def silent(made: HandMade) -> None:
    """Let the master have been silent for long, and its daemon too."""
    made.beat(42, NOW - 900)
    made.record("h1", wall=NOW - 900, observed=NOW - 900)


def configure(made: HandMade, text: str) -> None:
    """Give the cell of this host a fence."""
    made.config.write_text(made.config.read_text() + f"[cell.fence]\n{text}\n")


def test_a_required_fence_that_fails_is_critical(made: HandMade) -> None:
    """At the first failure, with the agent's words, and said in status too."""
    silent(made)
    changes = {
        "fence": fenced("failed"),
        "attempts": 1,
        "state": "stale",
        "silence": 897.0,
        "reason": "silent",
    }
    made.record("h2", **changes)
    made.local("h2", **changes)
    found = look(made)
    assert verdicts(found)["fence h1"] == "CRITICAL"
    text = text_of(found, "fence h1")
    assert text.startswith(
        "h1 is not proved to be off: no route?[2J (tried by h2 at 11:04:52 (1 min ago)); no master"
    )
    assert "shadowd check --fence" in text
    assert "shadowd check --fence" in text_of(found, "host h2")
    shown = status([found])
    assert "  fence       h1 is not proved to be off" in shown
    assert "\x1b" not in shown + checks([found])
    (told,) = json.loads(as_json([found]))["cells"][0]["fences"]
    assert (told["by"], told["host"], told["outcome"], told["required"]) == ("h2", "h1", "failed", True)


@pytest.mark.parametrize("outcome", ["failed", "refused"])
def test_an_optional_fence_that_fails_is_a_warning(made: HandMade, outcome: str) -> None:
    """The takeover goes on."""
    made.local("h2", fence=fenced(outcome, "optional"))
    made.record("h2", fence=fenced(outcome, "optional"))
    found = look(made)
    assert verdicts(found) == {"fence h1": "WARNING"}
    assert "so the takeover goes on" in text_of(found, "fence h1")


def test_a_fence_that_worked_is_told_and_no_problem(made: HandMade) -> None:
    """Whom, when, by whom, in the name of which epoch."""
    worked = fenced("dead", detail="off, says fence_ipmilan", when=None)
    made.record("h2", fence=worked)
    made.local("h2", fence=worked)
    found = look(made)
    assert verdicts(found) == {}
    assert "fence       h1 was switched off by h2, epoch 8: off, says fence_ipmilan" in status([found])


def test_old_successes_are_no_news(made: HandMade) -> None:
    """The claims' notices keep them; a failure stays as long as it matters."""
    for outcome, found in (("dead", ()), ("failed", ("h1",))):
        made.record("h1", fence=fenced(outcome, when=NOW - 90_000))
        assert tuple(fence.host for fence in look(made).view.fences) == found


def test_a_daemon_that_is_gone_says_nothing_of_now(made: HandMade) -> None:
    """Its last failure may be over."""
    made.record("h1", fence=fenced("failed"), wall=NOW - 900)
    assert look(made).view.fences == ()


def test_the_latest_attempt_comes_first(made: HandMade) -> None:
    """Each host has its own."""
    made.record("h1", fence=fenced("dead", host="h3", when=NOW - 30))
    made.local("h2", fence=fenced("dead"))
    made.record("h2", fence=fenced("dead"))
    assert [fence.host for fence in look(made).view.fences] == ["h3", "h1"]


def test_the_level_is_fenced_where_all_that_may_start_a_master_need_the_proof(made: HandMade) -> None:
    """One shadow without it is enough for a second master; the master's own host starts none beside it."""
    policy(made, "required")
    assert look(made).view.protection.level == "fenced"
    made.record("h1", fence={"policy": "none", "attempts": []})
    assert look(made).view.protection.level == "fenced"
    made.shadows("h1", "h2", "h3")
    made.record("h3")
    assert look(made).view.protection.level == "guarded"


@pytest.mark.parametrize("word", ["optional", "none"])
def test_an_optional_fence_is_no_level(made: HandMade, word: str) -> None:
    """What may fail promises nothing."""
    policy(made, word)
    assert look(made).view.protection.level == "guarded"


@pytest.mark.parametrize(("required", "health"), [("true", "CRITICAL"), ("false", "WARNING")])
def test_a_program_that_is_missing_here(made: HandMade, tmp_path: Path, required: str, health: str) -> None:
    """Found before it is needed, without running it."""
    configure(made, f'agent = "{tmp_path}/fence_x"\nrequired = {required}')
    found = look(made)
    assert verdicts(found) == {"fence": health}
    assert f"there is no program {tmp_path}/fence_x" in text_of(found, "fence")
    (tmp_path / "fence_x").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "fence_x").chmod(0o755)
    assert verdicts(look(made)) == {}
    assert not (tmp_path / "ran").exists()


def test_a_cell_without_a_fence_has_no_item(made: HandMade) -> None:
    """It is a choice, not a fault."""
    assert all(not item.name.startswith("fence") for item in look(made).items)


def test_records_tell_of_attempts() -> None:
    """Whole or a problem; a release that knows no fence has none."""
    found = parse(json.dumps({**standard("h2"), "fence": fenced("dead", detail="x")}).encode(), "f")
    assert isinstance(found, HostRecord)
    assert found.fence == "required"
    assert found.fenced == (FenceRecord(8, "h1", "dead", "x", NOW - 60),)
    old = parse(json.dumps(standard("h2")).encode(), "f")
    assert isinstance(old, HostRecord)
    assert (old.fence, old.fenced) == ("none", ())


@pytest.mark.parametrize(
    ("fence", "detail"),
    [
        (7, "fence is no JSON object"),
        ({"policy": 1, "attempts": []}, "fence.policy is not a string"),
        ({"policy": "none"}, "fence.attempts is missing"),
        ({"policy": "none", "attempts": [{}]}, "fence.attempts[0].epoch is missing"),
        (fenced("dead", when="soon"), "fence.attempts[0].when is not a number"),
    ],
)
def test_a_bad_field_about_the_fence_is_named(fence: object, detail: str) -> None:
    """As everywhere in a record."""
    found = parse(json.dumps({**standard("h2"), "fence": fence}).encode(), "f")
    assert found == Unknown(Problem.GARBAGE, "f", detail)
