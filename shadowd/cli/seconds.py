"""A number of seconds as an option of a verb takes it. Apart, so that quick verbs load nothing with it."""

import argparse
from collections.abc import Callable

MOST = 300.0


def up_to(most: float, *, zero: bool = False) -> Callable[[str], float]:
    """Return a reader of seconds: more than 0 (or from 0), at most ``most``."""

    def read(text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of seconds") from None
        if not (0 < seconds <= most or (zero and seconds == 0)):
            least = "at least 0" if zero else "more than 0"
            raise argparse.ArgumentTypeError(f"{text[:40]!r}: {least}, at most {most:g} seconds")
        return seconds

    return read
