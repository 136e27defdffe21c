"""Where bids come from: the picture of the cell that each acts on, taken from the last full round."""

from shadowd.core.bid import Bid
from shadowd.core.fencing import Fencing
from shadowd.core.memory import Memory
from shadowd.core.policy import Policy
from shadowd.core.timing import Timing
from shadowd.core.values import BeatReading, ClaimKey, Epoch, Instant, Problem, Unknown
from shadowd.core.verified import Verified


class Bids:
    """Makes the bids of one cell on this host."""

    def __init__(self, policy: Policy, timing: Timing, memory: Memory) -> None:
        self._policy = policy
        self._timing = timing
        self._memory = memory

    def make(
        self, epoch: Epoch, now: Instant, *, predecessor: ClaimKey | None = None, moves: bool = False
    ) -> Bid:
        """Return a bid for this epoch that begins now.

        ``predecessor``: our own claim whose master died and is started again; ``moves``: the old master
        lives, and its guard is asked to step down.
        """
        last = self._memory.ledger.last_confirmed
        guarded = last.epoch if last is not None and last.open and last.epoch != epoch else None
        seen = self._memory.round
        nothing = Unknown(Problem.MISSING, "nothing was read")
        beat = BeatReading(nothing, now, now) if seen is None else seen.beat
        return Bid(
            epoch=epoch,
            policy=self._policy,
            timing=self._timing,
            memory=self._memory,
            verified=Verified(
                beat.value,
                nothing if seen is None else seen.active,
                guarded,
            ),
            fencing=Fencing(self._policy, epoch, self._memory),
            beat=beat,
            now=now,
            predecessor=predecessor,
            moves=moves,
        )
