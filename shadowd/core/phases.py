"""How far a bid has come, and the launch that it ends with: the order is that of "Becoming master".

In each phase and step an answer is awaited, in some two; ``core.bid`` and ``core.launching`` say which.
"""

from enum import Enum


class Phase(Enum):
    """How far a bid has come; each phase awaits one answer."""

    CLAIM = "claim"
    CLOSE = "close"
    """The epoch whose master this bid starts again gets its outcome."""
    ACCOUNT = "account"
    LOCK = "lock"
    BIND = "bind"
    """The bound of the launch is written on this host, so that it is enforced whatever becomes of us."""
    ANNOUNCE = "announce"
    LOOK = "look"
    LAUNCH = "launch"
    CLEAR = "clear"
    DONE = "done"


class Step(Enum):
    """How far a launch has come; CONFIRM awaits two answers, each other step one."""

    EXECUTE = "execute"
    CONFIRM = "confirm"
    BIND = "bind"
    """The lease is written on this host, so that it binds before anybody can list ``started``."""
    COMPLETE = "complete"
    RECORD = "record"
    STOP = "stop"
    DONE = "done"
