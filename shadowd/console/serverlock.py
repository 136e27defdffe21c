"""TORQUE's ``server.lock`` explained: whose it is, and what that means for a takeover.

The file holds a session id and no host, so of a server that shadowd did not start nobody can say where it
runs. That one lives is told by the kernel (``fcntl``) or by the heartbeat that the lock's moving date makes
(``lease``). This module refuses to look for processes.
"""

from typing import NamedTuple

from shadowd.console.gather import Shared
from shadowd.console.health import Health, Item
from shadowd.console.records import clean, in_words
from shadowd.console.remedies import remedy
from shadowd.core.reasons import Reason
from shadowd.core.values import ServerLock, Unknown


class ServerLockView(NamedTuple):
    """Who holds it."""

    state: str
    text: str
    foreign: bool = False
    """A server that shadowd did not start holds it, and lives."""


def server_lock_view(shared: Shared, *, beating: bool, watched: bool = False) -> ServerLockView | None:
    """Explain the lock; None in a cell that has none.

    ``beating``: somebody gave a sign of life not long ago; ``watched``: and a daemon saw that.
    """
    seen = shared.server_lock
    if seen is None:
        return None
    if isinstance(seen, Unknown):
        return ServerLockView("unknown", in_words(seen))
    if seen.unlocked and beating and watched:
        text = "a server runs and does not lock it: it is of a release after 2.3, and lock is fcntl"
        return ServerLockView(ServerLock.UNLOCKED.value, text)
    session = f"session {clean(seen.content, 20)}" if seen.content else "nobody"
    if not seen.lock.foreign:
        whose = f"{session}, epoch {seen.owner}" if seen.owner else f"free; it names {session}"
        return ServerLockView(seen.lock.value, whose)
    alive = beating or seen.lock is ServerLock.HELD
    theirs = f"{session}, a server that shadowd did not start"
    text = theirs if alive else f"{theirs} and that gives no sign of life"
    return ServerLockView(seen.lock.value, text, alive)


def server_lock_item(view: ServerLockView, spool: str) -> Item:
    """Judge it: a stranger is respected, and somebody should know."""
    if view.state == "unknown":
        text = f"{view.text}: nobody bids"
        return Item("server.lock", Health.CRITICAL, text, remedy(Reason.SERVER_LOCK_UNKNOWN, spool))
    if view.state == ServerLock.UNLOCKED.value:
        return Item("server.lock", Health.CRITICAL, view.text, remedy(Reason.SERVER_UNLOCKED, spool))
    if not view.foreign:
        return Item("server.lock", Health.OK, view.text)
    return Item("server.lock", Health.WARNING, view.text, remedy(Reason.FOREIGN_SERVER, spool))
