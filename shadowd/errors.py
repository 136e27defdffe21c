"""What may go wrong in a way that a person has to hear about.

Each error names the thing, the reason and the remedy, in that order, because whoever reads it at
3 a.m. needs all three. Expected contention (a lost race, a beat that cannot be read) is no error but a
value; see ``shadowd.core.values``. This module refuses to know about exit codes of single verbs
beyond the two that sysexits.h fixes for everybody.
"""

from typing import ClassVar


class ShadowdError(Exception):
    """An error with its subject (file, variable, key, program), reason and remedy."""

    exit_code: ClassVar[int] = 70  # EX_SOFTWARE

    def __init__(self, subject: str, reason: str, remedy: str = "") -> None:
        super().__init__(subject, reason, remedy)
        self.subject = subject
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.subject}: {self.reason}"
        return f"{text}\nhint: {self.remedy}" if self.remedy else text


class ConfigError(ShadowdError):
    """The configuration (file, variable or argument) cannot be used."""

    exit_code = 78  # EX_CONFIG


class CellError(ShadowdError):
    """The cell's own files do not describe a cell that can be served."""

    exit_code = 66  # EX_NOINPUT


class AlreadyRunningError(ShadowdError):
    """Another daemon of this host serves the cell."""

    exit_code = 75  # EX_TEMPFAIL


class ControlError(ShadowdError):
    """The daemon could not be asked, or refused what was asked."""

    exit_code = 69  # EX_UNAVAILABLE
