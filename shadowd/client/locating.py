"""Finds the serving one of a list, waits through a takeover for it, and follows its changes.

A server that has just taken over reads its state before it answers (TORQUE.md, "start-up window"), so not
to be found is no failure until ``timeout`` is over; then everything that was tried is said, each with its
reason. A list that itself changes (Grid Engine's act_qmaster) is given as a function and read again and
again. Refuses to take anything but an answer for life, and to return who answered a moment ago.
"""

import time
from collections.abc import Callable, Iterator
from typing import ClassVar, Final, NamedTuple

from shadowd.client.lastgood import LastGood
from shadowd.client.lookup import Lookups, Resolver, system_resolver
from shadowd.client.race import Race, Sighting, State
from shadowd.client.servers import Server
from shadowd.client.sources import ServerList
from shadowd.errors import ShadowdError

PROBE_TIMEOUT: Final = 3.0
TIMEOUT: Final = 30.0
WATCH_INTERVAL: Final = 5.0
"""Seconds between two looks."""
_AGAIN = 0.5
_READ_AGAIN = 1.0
"""Seconds beyond ``probe_timeout`` after which a list that may have changed is read again."""

Source = ServerList | Callable[[], ServerList]


class Located(NamedTuple):
    """A server that answered just now."""

    server: Server
    servers: ServerList
    seconds: float
    sightings: tuple[Sighting, ...]
    """Everybody in the list, in its order."""


class Missing(NamedTuple):
    """Nobody answers; ``watch`` yields it."""

    reason: str
    sightings: tuple[Sighting, ...]


class NotLocatedError(ShadowdError):
    """No server answered in time."""

    exit_code: ClassVar[int] = 69  # EX_UNAVAILABLE

    def __init__(self, origin: str, seconds: float, sightings: tuple[Sighting, ...]) -> None:
        self.sightings = sightings
        within = "at the first attempt" if not seconds else f"within {seconds:g} s"
        tried = "".join(f"\n  {told(sighting)}" for sighting in sightings)
        super().__init__(
            origin, f"no server answered {within}; tried:{tried}", "is a server running on any of these?"
        )


def told(sighting: Sighting) -> str:
    """Return one line about a server, for people."""
    reason = f": {sighting.reason}" if sighting.reason else ""
    return f"{sighting.server} {sighting.state.value}{reason}"


def locate(
    source: Source,
    *,
    probe_timeout: float = PROBE_TIMEOUT,
    timeout: float = TIMEOUT,
    cache: LastGood | None = None,
    resolver: Resolver = system_resolver,
) -> Located:
    """Return who serves; raises ``NotLocatedError`` when nobody answered within ``timeout`` seconds.

    Each server gets ``probe_timeout`` seconds a time, names included. With ``timeout`` 0 each is asked once.
    What the source raises is raised when the time is over.
    """
    began = time.monotonic()
    ends = began + (timeout or 2 * probe_timeout)  # all have been begun when half of the limit is over
    with Lookups(resolver) as lookups:
        while True:
            now = time.monotonic()
            try:
                servers = _read(source)
            except ShadowdError:
                if not callable(source) or not timeout or now + _AGAIN >= ends:
                    raise
                time.sleep(_AGAIN)
                continue
            until = min(ends, now + probe_timeout + _READ_AGAIN) if callable(source) else ends
            order = _order(servers, cache)
            race = Race(
                order,
                servers.protocol,
                lookups,
                probe_timeout=probe_timeout,
                again=_AGAIN if timeout else None,
                together=1 if order[0] == servers.servers[0] else 2,
                addresses=servers.addresses,
            )
            winner = race.run(until)
            seen = _in_order(servers, race.sightings)
            if winner is not None:
                if cache is not None:
                    cache.keep(servers, winner.server)
                return Located(winner.server, servers, time.monotonic() - began, seen)
            if not timeout or time.monotonic() >= ends:
                raise NotLocatedError(servers.origin, timeout, seen)


def survey(
    servers: ServerList, *, probe_timeout: float = PROBE_TIMEOUT, resolver: Resolver = system_resolver
) -> tuple[Sighting, ...]:
    """Ask everybody once, all at once; return what each did, in the order of the list."""
    with Lookups(resolver) as lookups:
        count = len(servers.servers)
        race = Race(
            servers.servers,
            servers.protocol,
            lookups,
            probe_timeout=probe_timeout,
            again=None,
            together=count,
            addresses=servers.addresses,
        )
        # Some may have to wait for their turn; each turn is bounded by the limit.
        race.run(time.monotonic() + probe_timeout * (count + 1), everyone=True)
        return tuple(race.sightings)


def watch(
    source: Source,
    *,
    probe_timeout: float = PROBE_TIMEOUT,
    interval: float = WATCH_INTERVAL,
    cache: LastGood | None = None,
    resolver: Resolver = system_resolver,
) -> Iterator[Located | Missing]:
    """Yield who serves, and again whenever that has changed; never ends by itself."""
    last: Server | str | None = None
    while True:
        seen: Located | Missing
        try:
            seen = locate(source, probe_timeout=probe_timeout, timeout=0, cache=cache, resolver=resolver)
        except NotLocatedError as error:
            seen = Missing("no server answers", error.sightings)
        except ShadowdError as error:
            if last is None:
                raise
            seen = Missing(f"{error.subject}: {error.reason}", ())
        mark = seen.server if isinstance(seen, Located) else seen.reason
        if mark != last:
            last = mark
            yield seen
        time.sleep(interval)


def serving(sightings: tuple[Sighting, ...]) -> Server | None:
    """Return the first server that answers."""
    return next((one.server for one in sightings if one.state is State.ANSWERS), None)


def _read(source: Source) -> ServerList:
    return source() if callable(source) else source


def _order(servers: ServerList, cache: LastGood | None) -> list[Server]:
    """Return the list with the server that answered last in front."""
    last = cache.recall(servers) if cache is not None else None
    return list(servers.servers if last is None else dict.fromkeys((last, *servers.servers)))


def _in_order(servers: ServerList, sightings: list[Sighting]) -> tuple[Sighting, ...]:
    seen = {sighting.server: sighting for sighting in sightings}
    return tuple(seen[server] for server in servers.servers)
