"""What happens to the shared directory as one host sees it: errors, lost or late replies, hangs, old news."""

from collections.abc import Callable
from functools import partial

from shadowd.sim.disk import DONE_BUT_HANGS, FAILS, HANGS, LOST, SHARED, Fault, Op, View, late
from shadowd.sim.host import SimHost
from shadowd.sim.repairs import Repair, Repairs
from shadowd.sim.weather import Strike

_LINKS = (Op.LINK_CLAIM, Op.LINK_NOTICE, Op.LINK_LOCK, Op.CLEAR_LOCK)
_CACHED = (30.0, 31.0)
"""How old a plain read of a renamed file may be on NFS 4.2 (NFS.md)."""


def _same(value: object) -> object:
    return value


class DiskFaults(Repairs):
    """Every way in which a mount answers badly."""

    def _some(self, view: View, ops: tuple[Op, ...], share: float, faults: Callable[[], Fault]) -> Repair:
        def draw(op: Op) -> Fault | None:
            return faults() if op in ops and self._random.random() < share else None

        def end() -> None:
            if view.draw is draw:
                view.draw = None
            view.heal()

        view.draw = draw
        return end

    def _garble(self, host: SimHost, strike: Strike) -> Repair:
        def fault() -> Fault:
            kinds = (FAILS, LOST, late(self._random.uniform(0, 40)), DONE_BUT_HANGS)
            return self._random.choices(kinds, (4, 4, 4, 1))[0]

        ops = (*SHARED, Op.PROBE, Op.INSPECT)
        return self._some(self._seat(host).view, ops, 0.02 if strike.dice < 0.5 else 0.25, fault)

    def _lose_replies(self, host: SimHost, _strike: Strike) -> Repair:
        return self._some(self._seat(host).view, _LINKS, 0.7, lambda: LOST)

    def _late(self, host: SimHost, strike: Strike) -> Repair:
        longest = 10.0 ** (3 * strike.dice)
        return self._some(self._seat(host).view, SHARED, 0.3, lambda: late(self._random.uniform(0, longest)))

    def _full(self, host: SimHost, _strike: Strike) -> Repair:
        view = self._seat(host).view
        view.set(FAILS, _LINKS)
        return view.heal

    def _hang(self, host: SimHost, _strike: Strike) -> Repair:
        view = self._seat(host).view
        view.set(HANGS)
        return view.heal

    def _hang_done(self, host: SimHost, _strike: Strike) -> Repair:
        """Let the server do one more thing and then be gone."""
        view = self._seat(host).view

        def draw(op: Op) -> Fault | None:
            if op not in _LINKS:
                return None
            view.set(HANGS)
            return DONE_BUT_HANGS

        def end() -> None:
            view.draw = None
            view.heal()

        view.draw = draw
        return end

    def _stale_reads(self, host: SimHost, strike: Strike) -> Repair:
        disk = self._world.disk
        reads: dict[Op, Callable[[], object]] = {
            Op.READ_LOCK: lambda: disk.lock,
            Op.READ_PAUSE: disk.read_pause,
            Op.READ_SHADOWS: lambda: disk.read("shadows"),
        }
        return self._stale(host, strike, reads)

    def _stale_listing(self, host: SimHost, strike: Strike) -> Repair:
        return self._stale(host, strike, {Op.LIST: self._world.disk.ledger})

    def _stale(self, host: SimHost, strike: Strike, reads: dict[Op, Callable[[], object]]) -> Repair:
        view = self._seat(host).view
        on = True

        def refresh() -> None:
            if on:
                values = {op: read() for op, read in reads.items()}
                view.stale.update({op: partial(_same, value) for op, value in values.items()})
                self._world.after(self._random.uniform(*_CACHED) * max(strike.dice, 0.1), refresh)

        def end() -> None:
            nonlocal on
            on = False
            view.stale.clear()

        refresh()
        return end
