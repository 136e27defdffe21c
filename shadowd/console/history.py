"""The claims directory as a story: each epoch with who claimed it, why, and what became of it.

The records are written once and say it all; this puts them in order for people. Wall times are those of the
hosts that wrote them, whose clocks differ, so a span between two hosts' times is about right and never below
zero. A record that cannot be read is told as such, in its place: a gap in the story is a part of the story.

This module refuses to judge: what is wrong now is ``check``'s, and what the epochs mean for a takeover the
core's.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from shadowd.console.clock import span
from shadowd.console.records import clean
from shadowd.console.text import wrapped
from shadowd.core.values import OUTCOMES, Claim, ClaimReason, Epoch, NoticeKind, Unknown
from shadowd.errors import CellError

_INDENT: Final = " " * 7
_WHY: Final = {
    ClaimReason.SILENCE: "took over: the master's heartbeat stood still",
    ClaimReason.DEATH_NOTICE: "took over: the master's end was seen",
    ClaimReason.TAKEOVER: "took over: somebody asked for it",
    ClaimReason.MIGRATE: "took over: the master was moved",
    ClaimReason.RESTART: "started its master again",
    ClaimReason.ADOPTED: "adopted a master that ran there already",
    ClaimReason.VACANT: "took over: no server held server.lock",
}
_ENDS: Final = {
    NoticeKind.FAILED: "failed",
    NoticeKind.STOPPED: "shut down in an orderly way",
    NoticeKind.DIED: "died",
    NoticeKind.STEPPED_DOWN: "stepped down for another",
}


class Said(NamedTuple):
    """One notice."""

    kind: NoticeKind
    host: str
    wall: float
    detail: str


class Chapter(NamedTuple):
    """One epoch."""

    epoch: Epoch
    claim: Claim | Unknown
    said: tuple[Said, ...]
    """In the order of an epoch's life."""
    unread: tuple[Unknown, ...]
    """Notices that cannot be read, or are not of this claim; they count for nothing."""

    def notice(self, *kinds: NoticeKind) -> Said | None:
        """Return the first notice of these kinds."""
        return next((said for said in self.said if said.kind in kinds), None)


class Story(NamedTuple):
    """What is left of a cell's history."""

    cell: str
    total: int
    """Epochs on disk; old ones are pruned."""
    chapters: tuple[Chapter, ...]
    """The newest ones, newest last."""


def read_story(state: Path, cell: str, limit: int) -> Story:
    """Read the newest epochs; may hang; raises ``CellError``."""
    from shadowd.adapters.claimnames import look, take_listing  # noqa: PLC0415 - in the thread, not at start

    listing = take_listing(state)
    if isinstance(listing, Unknown):
        why = listing.detail or listing.problem.value
        raise CellError(
            listing.subject, f"cannot be read: {why}", "is the spool mounted, and readable for you?"
        )
    seen = look(listing)
    kinds, _ = seen.kinds(0)
    epochs = sorted(seen.claims.keys() | kinds.keys())
    chapters = (_chapter(state, cell, epoch, kinds.get(epoch, set())) for epoch in epochs[-limit:])
    return Story(cell, len(epochs), tuple(chapters))


def _chapter(state: Path, cell: str, epoch: int, kinds: set[NoticeKind]) -> Chapter:
    from shadowd.adapters.claimnames import claim_name, notice_name  # noqa: PLC0415
    from shadowd.adapters.claimreader import foreign  # noqa: PLC0415
    from shadowd.adapters.reading import read_small  # noqa: PLC0415
    from shadowd.adapters.records import MAX_RECORD, decode_claim, decode_notice  # noqa: PLC0415

    path = state / "claims" / claim_name(epoch)
    data = read_small(path, MAX_RECORD, listed=True)
    claim = (
        data if isinstance(data, Unknown) else decode_claim(data, cell=cell, epoch=epoch, subject=str(path))
    )
    said: list[Said] = []
    unread: list[Unknown] = []
    for kind in NoticeKind:
        if kind in kinds:
            path = state / "notices" / notice_name(epoch, kind)
            data = read_small(path, MAX_RECORD, listed=True)
            if not isinstance(data, Unknown):
                found = decode_notice(data, cell=cell, epoch=epoch, subject=str(path))
                if isinstance(claim, Claim) and claim.bound and not isinstance(found, Unknown):
                    found = foreign(found, kind, claim.nonce, path) or found
                if not isinstance(found, Unknown):
                    said.append(Said(kind, found.host, found.wall, found.detail))
                    continue
                data = found
            unread.append(data)
    return Chapter(Epoch(epoch), claim, tuple(said), tuple(unread))


# --- for people -------------------------------------------------------------------------------------


def as_text(story: Story, now: float) -> str:
    """Return the story for 80 columns, newest last."""
    if not story.chapters:
        return f"cell {story.cell}: nothing was ever claimed"
    shown = len(story.chapters)
    every = "1 epoch" if shown == 1 else f"{shown} epochs"
    which = f"the last {shown} of {story.total} epochs" if shown < story.total else every
    lines = [f"cell {story.cell}: {which}, newest last; times are those of the hosts named"]
    for chapter in story.chapters:
        lines += ["", *_told(chapter, now, newest=chapter is story.chapters[-1])]
    return "\n".join(lines)


def _told(chapter: Chapter, now: float, *, newest: bool) -> Iterator[str]:
    head = f"{chapter.epoch:>5}  "
    if isinstance(chapter.claim, Unknown):
        detail = chapter.claim.detail or chapter.claim.problem.value
        yield from wrapped(f"the claim cannot be read: {chapter.claim.subject}: {detail}", _INDENT, head)
    else:
        claim = chapter.claim
        yield from wrapped(f"{_date(claim.wall)}  {claim.host} {_WHY[claim.reason]}", _INDENT, head)
    yield from wrapped("; ".join(_fate(chapter, now, newest=newest)), _INDENT)
    for said in chapter.said:
        if said.detail:
            yield from wrapped(f"{said.kind.value}, in the words of {said.host}: {said.detail}", _INDENT)
    for problem in chapter.unread:
        detail = problem.detail or problem.problem.value
        yield from wrapped(f"cannot be read: {problem.subject}: {detail}", _INDENT)


def _fate(chapter: Chapter, now: float, *, newest: bool) -> Iterator[str]:
    """Yield what became of the epoch, in order."""
    begun = None if isinstance(chapter.claim, Unknown) else chapter.claim.wall
    launching, started = chapter.notice(NoticeKind.LAUNCHING), chapter.notice(NoticeKind.STARTED)
    end = chapter.notice(*OUTCOMES)
    if launching is None and started is None and not chapter.unread:
        yield "nothing was launched"
    if launching is not None and started is None:
        yield f"launched{_after(begun, launching.wall)}, never confirmed"
    if started is not None:
        yield f"confirmed{_after(begun, started.wall)}"
    if end is not None:
        served = f" after {span(end.wall - started.wall)} as master" if started else ""
        by = (
            ""
            if not isinstance(chapter.claim, Unknown) and end.host == chapter.claim.host
            else f", says {end.host}"
        )
        yield f"{_ENDS[end.kind]} at {_date(end.wall)}{served}{by}"
    elif started is not None and newest:
        yield f"master since then, for {span(now - started.wall)}"
    elif not chapter.unread:
        yield "still open" if newest else "nobody wrote how it ended"


def _after(begun: float | None, then: float) -> str:
    return "" if begun is None else f" after {span(then - begun)}"


def _date(wall: float) -> str:
    import time  # noqa: PLC0415 - local time only; this module reads no clock

    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))
    except (OverflowError, ValueError, OSError):
        return "an impossible time"


# --- for programs -----------------------------------------------------------------------------------


def as_data(stories: Sequence[Story]) -> dict[str, Any]:
    """Return everything as plain data: Unix seconds, stable words, newest last."""
    cells = [
        {"cell": story.cell, "total": story.total, "epochs": [_plain(one) for one in story.chapters]}
        for story in stories
    ]
    return {"format": 1, "cells": cells}


def _plain(chapter: Chapter) -> dict[str, Any]:
    claim, end = chapter.claim, chapter.notice(*OUTCOMES)
    problems = [claim] if isinstance(claim, Unknown) else []
    return {
        "epoch": chapter.epoch,
        "host": None if isinstance(claim, Unknown) else claim.host,
        "reason": None if isinstance(claim, Unknown) else claim.reason.value,
        "supersedes": None if isinstance(claim, Unknown) else claim.supersedes,
        "protection": None if isinstance(claim, Unknown) else claim.protection.value,
        "lease": None if isinstance(claim, Unknown) else claim.lease,
        "claimed": None if isinstance(claim, Unknown) else claim.wall,
        "confirmed": chapter.notice(NoticeKind.STARTED) is not None,
        "outcome": None if end is None else end.kind.value,
        "notices": [
            {"kind": said.kind.value, "host": said.host, "wall": said.wall, "detail": clean(said.detail)}
            for said in chapter.said
        ],
        "problems": [
            f"{one.subject}: {one.detail or one.problem.value}" for one in (*problems, *chapter.unread)
        ],
    }
