"""The list of event names is complete and the only one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import shadowd
from shadowd.core.actions import Level
from shadowd.log.events import EVENTS, usual_level

PACKAGE = Path(shadowd.__file__).parent
OURS = re.compile(r"(shadow|heartbeat|takeover|master|scheduler|ledger|lock|fence)\.[a-z_]+")
SPEAKERS = {"Say", "announce", "_say", "say"}
NAME = re.compile(r"[a-z]+\.[a-z_]+")


def spoken() -> Iterator[tuple[Path, str]]:
    """Find every constant first (or ``event=``) argument of whatever says an event."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name not in SPEAKERS:
                continue
            values = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "event")]
            for value in values:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield path, value.value


def test_nothing_is_said_that_is_not_in_the_list() -> None:
    """Every name that any module says is documented in the one list."""
    unknown = [(str(path), name) for path, name in spoken() if NAME.fullmatch(name) and name not in EVENTS]
    assert not unknown


def test_the_machines_name_no_event_that_is_not_in_the_list() -> None:
    """The table and the maps of the core hold event names that no call shows."""
    unknown = [
        (str(path), node.value)
        for path in sorted((PACKAGE / "core").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if OURS.fullmatch(node.value) and node.value not in EVENTS
    ]
    assert not unknown


def test_every_name_is_dotted_and_explained() -> None:
    """Names are two words with a dot; each has one sentence for the runbook."""
    for name, event in EVENTS.items():
        assert NAME.fullmatch(name)
        assert event.name == name
        assert event.sentence.endswith(".")
        assert len(event.sentence) < 100


def test_an_unlisted_name_is_a_warning_and_no_crash() -> None:
    """A daemon must not die of a name that somebody forgot to list."""
    assert usual_level("no.such_event") is Level.WARNING
