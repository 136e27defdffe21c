"""Do all hosts see the same directories? What ``check`` says of those that the master needs.

Each daemon publishes what it found (``adapters.sharedpaths``); here the records are laid side by side.
A directory that differs is critical: a takeover there would start a master without jobs, so that host does
not bid. One that no other host confirms is a warning. Of an earlier release nothing is known, which is told.
This module refuses to look at a directory.
"""

from collections.abc import Iterator

from shadowd.console.gather import Gathered
from shadowd.console.health import Health, Item
from shadowd.console.project import CellView, host_records
from shadowd.console.records import HostRecord, PathRecord
from shadowd.console.remedies import remedy
from shadowd.console.rows import is_fresh
from shadowd.core.reasons import Reason

_NAME = "paths"
_MOST = 10


def sharing_items(gathered: Gathered, view: CellView) -> Iterator[Item]:
    """Judge the directories that the records tell of; nothing where the master needs none."""
    counted = {row.host for row in view.rows if row.rank is not None} | {view.master.host}
    records = {
        host: record
        for host, record in host_records(gathered).items()
        if isinstance(record, HostRecord) and host in counted and is_fresh(record, gathered.now)
    }
    paths = sorted({each.path for record in records.values() for each in record.paths or ()})
    judged = [item for path in paths[:_MOST] for item in _judge(path, records, counted, view.spool)]
    yield from judged
    if judged or not paths:
        return
    silent = sorted(host for host, record in records.items() if record.paths is None)
    text = f"the same on all hosts: {', '.join(paths[:_MOST])}"
    if silent:
        text = f"not known of {', '.join(silent)}, whose release does not say: {', '.join(paths[:_MOST])}"
    yield Item(_NAME, Health.OK, text)


def _judge(path: str, records: dict[str, HostRecord], counted: set[str], spool: str) -> Iterator[Item]:
    seen = {
        host: each for host, record in records.items() for each in record.paths or () if each.path == path
    }
    apart = {host for host, each in seen.items() for other in each.other if other in counted}
    apart |= {other for each in seen.values() for other in each.other if other in counted}
    if apart:
        each = ", ".join(f"{host}{_lies_on(seen.get(host))}" for host in sorted(apart))
        text = f"{path} is not the same directory on all hosts: {each}"
        yield Item(_NAME, Health.CRITICAL, text, remedy(Reason.NOT_SHARED, spool))
        return
    alone = [host for host, each in seen.items() if not each.same]
    others = [host for host, record in records.items() if record.paths is not None]
    if alone and len(others) > 1:
        text = f"{path}: no other host confirms that it sees that of {', '.join(sorted(alone))}"
        advice = (
            "See that the owner of the cell's files may write there (it leaves a name in .shadowd in it)."
        )
        yield Item(_NAME, Health.WARNING, text, f"{advice} An empty directory is left alone: is it mounted?")


def _lies_on(seen: PathRecord | None) -> str:
    return f" ({seen.file_system})" if seen is not None and seen.file_system else ""
