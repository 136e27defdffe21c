"""What is wrong with a configuration, in words that say where, why and what to write instead.

pydantic knows paths and types; people know files, lines and keys. All problems are told at once, because
a daemon that is restarted once per mistake is down once per mistake, and their number is bounded,
because the wrong file has thousands. This module refuses to guess a value; it only suggests names.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from shadowd.config import words
from shadowd.config.models import CellSettings
from shadowd.config.source import Source
from shadowd.config.suggest import example, suggestion
from shadowd.config.syntax import KeyPath, key_lines, line_of
from shadowd.errors import ConfigError

MOST = 20
"""Problems that are told; the rest is counted."""

_TYPES = {
    "bool_type": "true or false",
    "tuple_type": "a list of tables",
    "model_type": "a table",
    "dict_type": "a table",
}


class ManyProblemsError(ConfigError):
    """Several problems of one configuration."""

    def __init__(self, subject: str, problems: Sequence[ConfigError]) -> None:
        super().__init__(subject, f"{len(problems)} problems")
        self.problems = tuple(problems[:MOST])
        self.more = len(problems) - len(self.problems)

    def __str__(self) -> str:
        rest = [f"... and {self.more} more"] if self.more else []
        return "\n".join([f"{self.subject}: {self.reason}", *map(str, self.problems), *rest])


def refusal(source: Source, problems: Iterable[ConfigError]) -> ConfigError:
    """Return one error for one problem or many; the same problem is told once."""
    distinct = list({str(problem): problem for problem in problems}.values())
    return distinct[0] if len(distinct) == 1 else ManyProblemsError(source.at(None), distinct)


def each_of(error: ConfigError) -> tuple[ConfigError, ...]:
    """Return the problems that an error tells of."""
    return error.problems if isinstance(error, ManyProblemsError) else (error,)


class Explainer:
    """Turns paths into subjects: it knows the text, and which values did not come from it."""

    def __init__(self, source: Source, origins: Mapping[KeyPath, str]) -> None:
        self._source = source
        self._origins = origins
        self.lines = key_lines(source.text)

    def subject(self, path: KeyPath) -> str:
        """Return variable, or file, line and key, of a value."""
        variable = self._origins.get(path, "")
        if variable.isupper():
            return variable
        return f"{self._source.at(line_of(path, self.lines))}: {key_text(path)}"

    def explained(self, error: ValidationError) -> list[ConfigError]:
        """Return the problems that pydantic found, but for those that follow from another."""
        found = error.errors(include_url=False)
        # A cell of an unserved kind lacks our keys, and a document without any cell is told of already.
        unserved = {tuple(each["loc"][:2]) for each in found if each["loc"][-1:] == ("kind",)} | {("cell",)}
        told = [
            each for each in found if not (each["type"] == "missing" and tuple(each["loc"][:2]) in unserved)
        ]
        told.sort(key=lambda each: self._line(each["loc"]))
        # Who is only counted is not asked what it may have meant: a wrong file has thousands.
        return [self._problem(each, brief=index >= MOST) for index, each in enumerate(told)]

    def _line(self, path: KeyPath) -> int:
        return line_of(path, self.lines) or 0

    def _problem(self, each: Mapping[str, Any], *, brief: bool) -> ConfigError:
        path: KeyPath = tuple(each["loc"])
        if brief:
            return ConfigError(self.subject(path), str(each["msg"]))
        match each["type"]:
            case "extra_forbidden":
                return ConfigError(self.subject(path), "unknown key", suggestion(path))
            case "missing":
                variable = ", and SGE_ROOT is not set" if path[-1] == "sge_root" else ""
                return ConfigError(self.subject(path), f"is missing{variable}", example(path))
            case "value_error":
                reason = str(each["ctx"]["error"])
            case "literal_error":
                reason = f"{words.shown(each['input'])} is none of {each['ctx']['expected']}"
            case kind if kind in _TYPES:
                reason = f"{words.shown(each['input'])} is not {_TYPES[kind]}"
            case _:
                reason = str(each["msg"])
        return ConfigError(self.subject(path), reason, example(path))

    def broken(self, index: int, cell: CellSettings, variables: Sequence[str]) -> list[ConfigError]:
        """Return the relations between timers of a cell that are refused, each at the key to change."""
        note = f"; {', '.join(variables)} in the environment won over the file" if variables else ""
        return [
            ConfigError(
                self.subject(("cell", index, broken.key)),
                broken.rule,
                f"change {broken.key}, or leave it out if it can be derived{note}",
            )
            for broken in cell.broken()
            if broken.fatal
        ]

    def doubles(self, cells: Sequence[CellSettings]) -> list[ConfigError]:
        """Return cells that have a name or a directory of an earlier one."""
        problems: list[ConfigError] = []
        names: dict[str, int] = {}
        places: dict[str, int] = {}
        for index, cell in enumerate(cells):
            if names.setdefault(cell.name, index) != index:
                subject = self.subject(("cell", index, "name"))
                reason = f"{words.shown(cell.name)} is the name of another cell too"
                problems.append(ConfigError(subject, reason, "give each [[cell]] a name of its own"))
            if places.setdefault(str(cell.place), index) != index:
                key = "sge_root" if cell.directory is None else "directory"
                subject = self.subject(("cell", index, key))
                reason = f"{words.shown(str(cell.place))} is the directory of another cell too"
                problems.append(ConfigError(subject, reason, "serve each cell once: remove this [[cell]]"))
        return problems


def key_text(path: KeyPath) -> str:
    """Return a path as people write it: ``cell[0].probe.port``."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{_printable(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def _printable(key: str) -> str:
    return key if key.isascii() and key.isprintable() and len(key) <= 60 else words.shown(key)
