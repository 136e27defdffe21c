"""From file and environment to ``Settings``, or to one error that lists everything wrong.

The order is fixed: read, complete, validate, override, relate. The file's own values are validated even
where a variable overrides them, so that unsetting a variable never uncovers a mistake. Nothing here
reads a cell's files or waits for anything but the one local file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shadowd.config.environment import Override, intervals
from shadowd.config.explain import Explainer, refusal
from shadowd.config.filling import DEFAULT, DERIVED, fill
from shadowd.config.models import DERIVED_DURATIONS, Settings
from shadowd.config.source import NO_FILE, Source, find, read
from shadowd.config.syntax import KeyPath, line_of
from shadowd.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that may be used, and where it comes from."""

    settings: Settings
    source: Source
    origins: Mapping[KeyPath, str]
    """Origins of values that the file did not give."""
    lines: Mapping[KeyPath, int]

    def origin(self, path: KeyPath) -> str:
        """Return where a value comes from: ``FILE:LINE``, a variable, ``default`` or ``derived``."""
        if path in self.origins:
            return self.origins[path]
        if path in self.lines:
            return self.source.at(self.lines[path])
        if _written(path, self.source.document):
            return self.source.at(line_of(path, self.lines))
        return DERIVED if path[-1] in DERIVED_DURATIONS else DEFAULT

    def trusted(self, uid: int) -> "Loaded":
        """Return this configuration; raises ConfigError where a daemon of root must not obey it.

        It names commands that are run with the daemon's rights; so whoever may change it has these.
        """
        if uid == 0 and self.source.others_write:
            reason, _, remedy = self.source.others_write.partition("; ")
            subject, _, reason = reason.rpartition(": ")
            more = "it names commands that root would run"
            raise ConfigError(subject, f"{reason}, and {more}", f"{remedy} {subject}")
        return self

    def warnings(self) -> tuple[str, ...]:
        """Return what is allowed and yet worth a word, each with its subject."""
        own = (self.source.others_write,)
        told = (
            f"{self.source.path}: everybody may read this file and its [cell.fence.options] {secret}; "
            "chmod o-r, or let password_script print it"
            for cell in self.settings.cells
            for secret in cell.fence.secrets
            if self.source.read_by_all
        )
        return (
            (own if self.source.others_write else ())
            + tuple(told)
            + tuple(
                f"cell {cell.name}: {warning}" for cell in self.settings.cells for warning in cell.warnings()
            )
        )


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings of this host; raises ConfigError with every problem found.

    The file is ``path``, else SHADOWD_CONFIG, else /etc/shadowd/shadowd.toml where present, else none.
    """
    return examine(path, environ).settings


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Return the settings that the environment alone gives, whatever file there is: for ``sge_shadowd``."""
    return _complete(NO_FILE, environ).settings


def examine(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Return the settings with their origins; raises as ``load`` does."""
    return _complete(read(find(path, environ)), environ)


def _complete(source: Source, environ: Mapping[str, str]) -> Loaded:
    filled = fill(source, environ)
    overrides, problems = intervals(environ)
    problems = filled.problems + problems
    settings = None
    explainer = Explainer(source, filled.origins)
    try:
        settings = Settings.model_validate(filled.document)
    except ValidationError as error:
        problems += explainer.explained(error)
    if settings is None or problems:
        raise refusal(source, problems)
    settings = _overridden(settings, overrides)
    origins = filled.origins | {
        ("cell", index, key): override.variable
        for index, cell in enumerate(settings.cells)
        if cell.kind == "gridengine"
        for key, override in overrides.items()
    }
    broken = _broken(settings, Explainer(source, origins), [each.variable for each in overrides.values()])
    if broken:
        raise refusal(source, broken)
    return Loaded(settings, source, origins, explainer.lines)


def _overridden(settings: Settings, overrides: Mapping[str, Override]) -> Settings:
    """Return the settings with the variables laid over every Grid Engine cell; their values were checked."""
    if not overrides:
        return settings
    update = {key: override.seconds for key, override in overrides.items()}
    cells = tuple(
        cell.model_copy(update=update) if cell.kind == "gridengine" else cell for cell in settings.cells
    )
    return settings.model_copy(update={"cells": cells})


def _broken(settings: Settings, explainer: Explainer, variables: list[str]) -> list[ConfigError]:
    """Return what is wrong only in company: timers of one cell, names of several."""
    problems = explainer.doubles(settings.cells)
    for index, cell in enumerate(settings.cells):
        problems += explainer.broken(index, cell, variables)
    return problems


def _written(path: KeyPath, document: Any) -> bool:
    """Return whether the file gives a value that the line scan did not place (inline tables)."""
    for part in path:
        if isinstance(part, str) and part not in document:
            return False
        document = document[part]
    return True
