"""Switching hosts off (DESIGN.md, "Fencing")."""

from shadowd.core.values import Epoch, FenceOutcome, Host


class NoFencer:
    """The port ``Fencer`` of a cell without fencing: nothing is proved."""

    def fence(self, epoch: Epoch, host: Host) -> tuple[FenceOutcome, str]:
        """Answer that nothing was done."""
        del epoch, host
        return FenceOutcome.FAILED, "no fencing is configured"
