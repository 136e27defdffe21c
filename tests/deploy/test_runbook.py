"""The runbook names everything that the program can complain about."""

import re
from pathlib import Path

import pytest

from shadowd.cli import VERBS
from shadowd.core.actions import Level
from shadowd.core.reasons import Reason
from shadowd.core.table import TABLE
from shadowd.log.events import EVENTS

DEPLOY = Path(__file__).parents[2] / "deploy"
RUNBOOK = (DEPLOY / "RUNBOOK.md").read_text()
LOUD = sorted(
    {event.name for event in EVENTS.values() if event.level is not Level.INFO}
    | {row.event for row in TABLE if row.level is not Level.INFO}
)


def rows(first_cell: str) -> list[list[str]]:
    """Return the cells of every table row whose first cell is this word in code marks."""
    found = [line.strip("|").split("|") for line in RUNBOOK.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in found if row[0].strip() == f"`{first_cell}`"]


@pytest.mark.parametrize("name", LOUD)
def test_every_alarm_has_a_row(name: str) -> None:
    """Each event that is a warning or an alarm is found by the name that it prints."""
    (row,) = rows(name)
    assert len(row) == 4
    assert all(row)


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.value)
def test_every_reason_has_a_row(reason: Reason) -> None:
    """Each reason has its row: what it means, what to look at, what to do."""
    (row,) = rows(reason.value)
    assert len(row) == 4
    assert all(row)


def test_no_row_outlives_its_subject() -> None:
    """A row about an event or a reason that the program no longer has would send people the wrong way."""
    table = RUNBOOK[RUNBOOK.index("## Alarms") : RUNBOOK.index("## Planned stop")]
    named = re.findall(r"^\| `([a-z_.]+)` \|", table, re.MULTILINE)
    assert set(named) <= {reason.value for reason in Reason} | EVENTS.keys()


def test_every_command_exists() -> None:
    """The runbook calls no verb that the program does not have, and no word that the script refuses."""
    verbs = set(re.findall(r"`shadowd ([a-z]+)", RUNBOOK)) | set(
        re.findall(r"^    shadowd ([a-z]+)", RUNBOOK, re.MULTILINE)
    )
    assert verbs <= VERBS.keys()
    words = set(re.findall(r"sgemaster(?: (-?[a-z]+))(?: ([a-z]+))?", RUNBOOK))
    known = {"start", "stop", "restart", "status", "softstop", "-qmaster", "-shadowd", "-migrate"}
    assert {word for pair in words for word in pair if word.startswith("-")} <= known
