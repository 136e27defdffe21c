"""``shadowd migrate``: ask this host's daemon to take the living master over from its guard.

Called on the *new* host. The old master's guard lets it end in an orderly way (SIGTERM, and the mark of that
is taken away again), and only then a new one is started here. A pause, a lock, an undecided claim refuse it
as they refuse a takeover; a master without a guard is moved by the startup script instead.
"""

import argparse

from shadowd.cli.takeover import add_verb, run

__all__ = ["register", "run"]

_EXAMPLE = """\
examples:
  # shadowd migrate                    asks first
  # shadowd migrate --yes --cell prod  for scripts

Exit status: 0 this host is master now, 1 refused, failed or not over in time
(the reason is printed), 64 the command line is wrong, 69 no daemon answers,
130 interrupted (the move goes on).
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    what = "Move the living master here: its guard ends it in order, then a new one starts."
    add_verb(subparsers, "migrate", what, _EXAMPLE)
