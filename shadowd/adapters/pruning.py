"""Which records of a cell may go, so that a directory in which starts fail for months stays small.

Epochs before the last one confirmed by a launch account for nothing (PROTOCOL rule 7). Nor does one that was
closed ``failed``, wherever it stands: nothing of it runs, it supersedes nobody, and a number that was claimed
once is never claimed with success again as long as a higher one is there (rule 6). So both may go, the oldest
first; never the highest, or its number would be claimed twice, and nothing that is open.

A claim goes before its notices: a claim without its ``failed`` would supersede a running master. Of one that
was closed ``failed`` after the last confirmed epoch the notice of the outcome stays until the next pruning,
for a listing that is under way may have seen ``launching`` and not yet the outcome.

This module refuses to remove anything: it only chooses.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from shadowd.adapters.claimnames import OUTCOME_PREFIX, Look, epoch_of, notice_name
from shadowd.adapters.claimreader import ClaimReader, floor_of
from shadowd.core.values import OUTCOMES, NoticeKind

AT_ONCE: Final = 250
"""Epochs that go in one pruning: whoever waits for the answer of a notice waits for it too."""
_TRACES: Final = 1000
"""Notices that earlier prunings left."""


@dataclass(frozen=True, slots=True)
class Doomed:
    """What goes, in this order: the claims, then the notices by name."""

    claims: tuple[int, ...]
    notices: tuple[str, ...]


def choose(seen: Look, reader: ClaimReader, keep: int) -> Doomed:
    """Return what goes so that ``keep`` claims are left, a bounded number at once."""
    floor = min(floor_of(seen, reader), max(seen.claims, default=0))
    kinds, _ = seen.kinds(0)
    surplus = max(0, len(seen.claims) - max(1, keep))
    claims = tuple(islice(_spent(seen, reader, kinds, floor), min(surplus, AT_ONCE)))
    gone, last = frozenset(claims), claims[-1] if claims else 0
    notices = []
    traces = []
    for name in seen.notices:
        epoch = epoch_of(name.removeprefix(OUTCOME_PREFIX))
        outcome = any(name == notice_name(epoch, kind) for kind in OUTCOMES)
        if epoch in gone and not (outcome and epoch > floor):
            notices.append((outcome, name))
        elif epoch and epoch not in seen.claims and (epoch < min(floor, last) or _is_trace(epoch, kinds)):
            traces.append(name)
    return Doomed(claims, (*(name for _, name in sorted(notices)), *sorted(traces)[:_TRACES]))


def _spent(seen: Look, reader: ClaimReader, kinds: dict[int, set[NoticeKind]], floor: int) -> Iterator[int]:
    """Yield the epochs that account for nothing, the oldest first, without the highest."""
    for epoch in sorted(seen.claims)[:-1]:
        told = kinds.get(epoch, set())
        failed = NoticeKind.FAILED in told and NoticeKind.STARTED not in told
        if epoch < floor or (epoch > floor and failed and reader.flaw(epoch, NoticeKind.FAILED) is None):
            yield epoch


def _is_trace(epoch: int, kinds: dict[int, set[NoticeKind]]) -> bool:
    """Tell whether only the outcome of a failed epoch is left, which an earlier pruning left there."""
    return kinds.get(epoch) == {NoticeKind.FAILED}
