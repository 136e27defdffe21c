"""What happens to hosts, processes and the network."""

from collections.abc import Callable
from functools import partial
from random import Random

from shadowd.core.values import ProbeOutcome, Seconds
from shadowd.sim.disk import HANGS, Op
from shadowd.sim.host import SimHost
from shadowd.sim.master import Program
from shadowd.sim.repairs import Repair, Repairs
from shadowd.sim.weather import Strike

_SLOWEST = 1.3
"""Of ``launch_timeout``: the slowest starts come to nothing."""


class HostFaults(Repairs):
    """Crashes, freezes, cuts, broken and slow programs, what they leave, unshared data, and lying probes."""

    def _crash(self, host: SimHost, _strike: Strike) -> Repair | None:
        if not host.up:
            return None
        host.crash()
        return lambda: None if host.up else host.boot()

    def _kill_master(self, host: SimHost, _strike: Strike) -> None:
        for master in host.masters(self._world.disk.cell):
            master.kill()

    def _freeze_master(self, host: SimHost, _strike: Strike) -> Repair | None:
        masters = host.masters(self._world.disk.cell)
        for master in masters:
            master.frozen = True

        def thaw() -> None:
            for master in masters:
                master.thaw()

        return thaw if masters else None

    def _kill_daemon(self, host: SimHost, _strike: Strike) -> Repair | None:
        return self._end_daemon(host, host.kill_daemon)

    def _stop_daemon(self, host: SimHost, _strike: Strike) -> Repair | None:
        return self._end_daemon(host, host.stop_daemon)

    @staticmethod
    def _end_daemon(host: SimHost, end: Callable[[], None]) -> Repair | None:
        if not host.up or host.daemon is None:
            return None
        end()
        return lambda: host.start_daemon() if host.up and host.daemon is None else None

    def _freeze_daemon(self, host: SimHost, _strike: Strike) -> Repair | None:
        if host.daemon is None or host.frozen:
            return None
        host.freeze_daemon()
        return host.thaw_daemon

    def _freeze_host(self, host: SimHost, strike: Strike) -> Repair | None:
        if not host.up or host.stopped is not None:
            return None
        host.freeze()
        return lambda: host.thaw(masters_first=strike.dice < 0.5)

    def _stand_clock(self, host: SimHost, strike: Strike) -> Repair | None:
        if not host.up or host.stopped is not None:
            return None
        host.freeze()
        return lambda: host.thaw(clock_stood=True, masters_first=strike.dice < 0.5)

    def _unmount(self, host: SimHost, strike: Strike) -> Repair | None:
        """Boot a host without its mount, and mount late; the old copy lacks something that it has seen.

        The master of then was another host's, which a probe finds dead.
        """
        disk, seat = self._world.disk, self._seat(host)
        if not host.up or not disk.identity or seat.disk is not disk:
            return None
        host.crash()
        seen = min(max(disk.claims, default=0), seat.remembered_epoch)
        older = int(strike.dice * max(0, seen - 1))
        seat.disk = disk.old_copy(older, identified=strike.dice < 0.5)
        seat.disk.active = Random(strike.dice).choice(sorted(self._world.hosts))  # noqa: S311 - as above
        host.boot()

        def mount() -> None:
            seat.disk = disk
            host.stir()

        return mount

    def _ambush(self, _host: SimHost, strike: Strike) -> Repair:
        """Take the master away, and strike the first bidder after some of his operations."""
        masters = self._world.masters()
        first = self._world.hosts[masters[0].where] if masters else None
        if first is not None:
            self._note(strike.kind, first.machine, strike.lasts)
            (first.crash, masters[0].kill, first.unplug, first.freeze)[int(strike.dice * 4)]()
        random = Random(strike.dice)  # noqa: S311 - its own, so that every protocol meets the same
        blow = random.choice((SimHost.crash, SimHost.kill_daemon, SimHost.freeze, SimHost.unplug))
        left = 1 + int(strike.target * 40)
        bidder: list[SimHost] = []

        def disarm() -> None:
            for each in self._world.hosts.values():
                each.on_operation = None

        def operated(each: SimHost, op: Op) -> None:
            nonlocal left
            if not bidder and op is Op.LINK_CLAIM:
                bidder.append(each)
            if bidder == [each]:
                left -= 1
                if left == 0:
                    disarm()
                    lasts = random.uniform(0.01, 900.0)
                    self._note(strike.kind, each.machine, lasts)
                    self._later(lasts, partial(self._bring_back, each))
                    blow(each)

        def repair() -> None:
            disarm()
            if first is not None:
                self._bring_back(first)

        for each in self._world.hosts.values():
            each.on_operation = lambda _cell, op, each=each: operated(each, op)
        return repair

    def _bring_back(self, host: SimHost) -> None:
        """Bring a host back from whatever it suffered."""
        host.thaw()
        host.plug()
        if not host.up:
            host.boot()
        elif host.daemon is None:
            host.start_daemon()

    def _cut(self, host: SimHost, _strike: Strike) -> Repair:
        host.cut = True
        return lambda: setattr(host, "cut", False)

    def _unplug(self, host: SimHost, _strike: Strike) -> Repair:
        host.unplug()
        return host.plug

    def _hang_local(self, host: SimHost, strike: Strike) -> Repair:
        view = self._seat(host).view
        view.set(HANGS, (Op.LAUNCH, Op.SCHEDULE) if strike.dice < 0.5 else (Op.INSPECT,))
        return view.heal

    def _break_program(self, host: SimHost, strike: Strike) -> Repair:
        seat = self._seat(host)
        seat.program = (Program.EXITS, Program.DEAF, Program.MISSING)[int(strike.dice * 3)]
        return lambda: setattr(seat, "program", Program.GOOD)

    def _slow_start(self, host: SimHost, strike: Strike) -> Repair:
        seat = self._seat(host)
        seat.slow = Seconds(strike.dice * _SLOWEST * host.timing.launch_timeout)
        return lambda: setattr(seat, "slow", Seconds(0))

    def _failed_starts(self, host: SimHost, strike: Strike) -> None:
        self._world.disk.add_failed(host.name, 1000 + int(1000 * strike.dice), host.timing)

    def _restarter(self, host: SimHost, strike: Strike) -> Repair:
        seat = self._seat(host)
        seat.restarts_after = Seconds(strike.dice)
        seat.stir()
        return lambda: setattr(seat, "restarts_after", None)

    def _unshare(self, host: SimHost, _strike: Strike) -> Repair:
        seat = self._seat(host)
        seat.unshared = True
        return lambda: setattr(seat, "unshared", False)

    def _lie(self, host: SimHost, strike: Strike) -> Repair:
        seat = self._seat(host)
        outcomes = (
            ProbeOutcome.REFUSES,
            ProbeOutcome.LISTENS,
            ProbeOutcome.SILENT,
            ProbeOutcome.UNRESOLVABLE,
            ProbeOutcome.ANSWERS,
            ProbeOutcome.HERE,
        )
        seat.lie = outcomes[int(strike.dice * len(outcomes))]
        return lambda: setattr(seat, "lie", None)

    def _squat(self, host: SimHost, strike: Strike) -> Repair:
        host.stranger = (ProbeOutcome.LISTENS, ProbeOutcome.SILENT)[int(strike.dice * 2)]
        return lambda: setattr(host, "stranger", None)

    def _mislead(self, host: SimHost, _strike: Strike) -> Repair:
        host.misled = True
        return lambda: setattr(host, "misled", False)

    def _step_wall(self, host: SimHost, strike: Strike) -> None:
        host.wall_offset = (strike.dice - 0.5) * 1e6
