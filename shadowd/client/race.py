"""Asks many servers side by side, in the order of a list, until one answers.

The manner is that of Happy Eyeballs (RFC 8305): the next server is asked after a small stagger, or at once
when an earlier one has failed, and nobody is waited for while others can be asked. So one that hangs, drops
packets or has no address costs the stagger and not its time limit. In a highly available set exactly one
server serves, so whoever answers first is it; of several that answer in one moment the earlier in the list.
What counts as an answer: the ``Protocol``, and ``shadowd.adapters.calling``.

One thread and one poll for all (names alone have threads, ``lookup``). A server that failed is asked again
after a pause, as long as the search goes on: it may be starting. Refuses to take a connection for an answer.
"""

import heapq
import select
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from shadowd.adapters.calling import Call, Heard, Question, Sign, begin
from shadowd.client.lookup import Lookups
from shadowd.client.servers import Server

STAGGER: Final = 0.1
"""Seconds before the next server is asked too; shrinks for long lists."""
_MOST_AT_ONCE = 256
"""Servers; with the usual limit of 1024 descriptors there is room for several addresses each."""


class State(Enum):
    """What became of asking one server."""

    ANSWERS = "answers"
    LISTENS = "listens"
    """Somebody accepts there, and what came is no reply of a server of this kind."""
    REFUSES = "refuses"
    SILENT = "silent"
    """It accepts and never answers, or drops everything, until ``probe_timeout``."""
    UNRESOLVABLE = "unresolvable"
    UNABLE = "unable"
    """It could not be asked, for a reason that lies on this host."""
    UNASKED = "unasked"
    """Another one answered first."""


_STATES: Final = (
    (Sign.LISTENS, State.LISTENS),
    (Sign.SILENT, State.SILENT),
    (Sign.REFUSES, State.REFUSES),
)
"""The liveliest of several addresses speaks for the host."""


class Protocol(NamedTuple):
    """How to make a server of one kind answer."""

    kind: str
    port: int
    """Where the list names none."""
    question: Callable[[str], Question]
    """What is sent to the server of this name, and what counts as its answer."""


class Sighting(NamedTuple):
    """What one server was last seen to do."""

    server: Server
    state: State
    reason: str
    """For people."""
    seconds: float
    """How long it took to see that."""


class _Trial:
    """One server being asked once."""

    __slots__ = ("began", "calls", "heard", "index")

    def __init__(self, index: int, began: float) -> None:
        self.index = index
        self.began = began
        self.calls: dict[int, Call] | None = None  # None: its addresses are not known yet
        self.heard: list[Heard] = []


class Race:
    """One search. ``together``: how many of the first servers are asked in the first moment."""

    def __init__(
        self,
        servers: Sequence[Server],
        protocol: Protocol,
        lookups: Lookups,
        *,
        probe_timeout: float,
        again: float | None,
        together: int = 1,
        addresses: Mapping[str, str] | None = None,
    ) -> None:
        """``again``: the seconds after which one that failed is asked once more; None: never.

        ``addresses``: what to ask the resolver for in place of a host's name, by that name in small letters.
        """
        self.sightings = [Sighting(server, State.UNASKED, "", 0.0) for server in servers]
        """What is known, in the order of the list."""
        self.winner: int | None = None
        self._protocol = protocol
        self._lookups = lookups
        self._limit = probe_timeout
        self._again = again if again is None else again * max(1.0, len(servers) / 50)
        # All have been asked within a second and half of the limit, however many there are.
        self._stagger = min(STAGGER, min(1.0, probe_timeout / 2) / max(1, len(servers)))
        self._together = together
        self._addresses = addresses or {}
        self._fresh = deque(range(len(servers)))
        self._next_start = 0.0
        self._retries: list[tuple[float, int]] = []
        self._flying: dict[int, _Trial] = {}  # by index, oldest first: all have the same limit
        self._resolving: dict[str, list[_Trial]] = {}
        self._owner: dict[int, _Trial] = {}
        self._poller = select.poll()
        self._poller.register(lookups.fileno(), select.POLLIN)

    def run(self, until: float, *, everyone: bool = False) -> Sighting | None:
        """Ask until somebody answers, or everybody was asked; return who answered.

        ``until`` is an instant of ``time.monotonic``.
        """
        try:
            while self.winner is None or everyone:
                now = time.monotonic()
                self._start(now)
                wait = min(until, self._next_instant(now)) - now
                if now >= until or not (self._flying or self._fresh or self._retries):
                    break
                self._listen(max(0.0, wait))
                self._expire(time.monotonic())
        finally:
            self._leave()
        return None if self.winner is None else self.sightings[self.winner]

    def _next_instant(self, now: float) -> float:
        """Return when there is something to do without anybody saying a word; now, if all is over."""
        instants = []
        if self._flying:
            instants.append(next(iter(self._flying.values())).began + self._limit)
        if len(self._flying) < _MOST_AT_ONCE:
            instants += [self._next_start] if self._fresh else []
            instants += [self._retries[0][0]] if self._retries else []
        return min(instants, default=now)

    def _start(self, now: float) -> None:
        while self._retries and self._retries[0][0] <= now and len(self._flying) < _MOST_AT_ONCE:
            self._ask(heapq.heappop(self._retries)[1], now)
        while self._fresh and len(self._flying) < _MOST_AT_ONCE:
            if self._together <= 0 and now < self._next_start:
                return
            self._together -= 1
            self._next_start = now + self._stagger
            self._ask(self._fresh.popleft(), now)

    def _ask(self, index: int, now: float) -> None:
        trial = self._flying[index] = _Trial(index, now)
        host = self._target(index)
        known = self._lookups.ask(host)
        if known is None:
            self._resolving.setdefault(host, []).append(trial)
        else:
            self._call(trial, known)

    def _target(self, index: int) -> str:
        host = self.sightings[index].server.host
        return self._addresses.get(host.lower(), host)

    def _call(self, trial: _Trial, addresses: list[str]) -> None:
        """Ask all addresses of one server at once; it answers if one of them does."""
        server = self.sightings[trial.index].server
        trial.calls = {}
        for address in addresses:
            call = begin(address, server.port or self._protocol.port, self._protocol.question(server.host))
            if isinstance(call, Heard):
                trial.heard.append(call)
                continue
            trial.calls[call.fileno()] = call
            self._owner[call.fileno()] = trial
            self._poller.register(call.fileno(), call.events)
        self._judge(trial)

    def _listen(self, seconds: float) -> None:
        # Rounded up: a poll that ends a moment too early would spin until the instant has come.
        ready = [descriptor for descriptor, _ in self._poller.poll(seconds * 1000 + 1)]
        for descriptor in ready:
            if trial := self._owner.get(descriptor):
                self._hear(trial, descriptor)
        # Last: a new call may get the number of one that has just ended.
        if self._lookups.fileno() in ready:
            self._learn()

    def _learn(self) -> None:
        for host, answer in self._lookups.take():
            for trial in self._resolving.pop(host, ()):
                if isinstance(answer, str):
                    self._end(trial, State.UNRESOLVABLE, answer)
                else:
                    self._call(trial, answer)

    def _hear(self, trial: _Trial, descriptor: int) -> None:
        calls = trial.calls or {}
        heard = calls[descriptor].turn()
        if heard is None:
            self._poller.modify(descriptor, calls[descriptor].events)
            return
        trial.heard.append(heard)
        self._forget(trial, descriptor)
        self._judge(trial)

    def _judge(self, trial: _Trial) -> None:
        """End a trial in which somebody answered, or in which nobody is left to answer."""
        answer = next((heard for heard in trial.heard if heard.sign is Sign.ANSWERS), None)
        if answer is not None:
            self._end(trial, State.ANSWERS, answer.text)
        elif not trial.calls:
            signs = {heard.sign for heard in trial.heard}
            state = next((state for sign, state in _STATES if sign in signs), State.UNABLE)
            self._end(trial, state, "; ".join(heard.text for heard in trial.heard))

    def _expire(self, now: float) -> None:
        while self._flying:
            trial = next(iter(self._flying.values()))
            if now < trial.began + self._limit:
                return
            self._give_up(trial)

    def _give_up(self, trial: _Trial) -> None:
        if trial.calls is None:
            self._resolving[self._target(trial.index)].remove(trial)
            self._end(trial, State.UNRESOLVABLE, "the resolver did not answer in time")
            return
        trial.heard += [call.give_up() for call in trial.calls.values()]
        self._close(trial)
        self._judge(trial)

    def _end(self, trial: _Trial, state: State, reason: str) -> None:
        now = time.monotonic()
        self._close(trial)
        self._flying.pop(trial.index, None)
        server = self.sightings[trial.index].server
        self.sightings[trial.index] = Sighting(server, state, reason, now - trial.began)
        if state is State.ANSWERS:
            self.winner = trial.index if self.winner is None else min(trial.index, self.winner)
            return
        self._next_start = now
        if self._again is not None:
            heapq.heappush(self._retries, (now + self._again, trial.index))

    def _close(self, trial: _Trial) -> None:
        for descriptor, call in list((trial.calls or {}).items()):
            call.give_up()
            self._forget(trial, descriptor)

    def _forget(self, trial: _Trial, descriptor: int) -> None:
        if trial.calls is not None:
            del trial.calls[descriptor]
        del self._owner[descriptor]
        self._poller.unregister(descriptor)

    def _leave(self) -> None:
        """End what is under way; who was never seen before and was not given its time is said to be so."""
        for trial in list(self._flying.values()):
            known = self.sightings[trial.index]
            if self.winner is None and known.state is State.UNASKED:
                self._give_up(trial)
                continue
            self._close(trial)
            if known.state is State.UNASKED:
                self.sightings[trial.index] = known._replace(reason="another one answered first")
        self._flying.clear()
        self._resolving.clear()
