"""One object of a JSON record of anybody's making: its fields taken out with type, range and length checked.

Control characters never reach a terminal. Refuses to guess: a field that is missing or of another type is a
``ValueError`` that names it.
"""

from typing import Any, Final

MAX_TEXT: Final = 500


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Return text that cannot move a cursor, end a line or flood a screen."""
    kept = text[:limit].replace("\n", " ").replace("\t", " ")
    return "".join(character if character.isprintable() else "?" for character in kept)


class _NoObjectError(ValueError):
    """Something is a string, a list or a number where an object belongs."""


class Fields:
    """One JSON object whose fields are taken out with their types checked."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise _NoObjectError(f"{path or 'the record'} is no JSON object")
        self._value: dict[str, Any] = value
        self._path = f"{path}." if path else ""

    def text(self, key: str, limit: int = MAX_TEXT) -> str:
        """Return a string, made fit for a terminal."""
        value = self._value.get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        return clean(value, limit)

    def optional_text(self, key: str) -> str:
        """Return a string; empty where there is none."""
        return "" if self._value.get(key) is None else self.text(key)

    def number(self, key: str) -> float:
        """Return a finite number."""
        value = self._value.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number")
        # The bound keeps every later conversion to a date and every sum finite.
        if not abs(value) <= 1e11:
            raise self._wrong(key, "a number of this world")
        return float(value)

    def optional_number(self, key: str) -> float | None:
        """Return a number, or None."""
        return None if self._value.get(key) is None else self.number(key)

    def whole(self, key: str) -> int:
        """Return a whole number."""
        value = self._value.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 1e15:
            raise self._wrong(key, "a whole number")
        return value

    def optional_whole(self, key: str) -> int | None:
        """Return a whole number, or None."""
        return None if self._value.get(key) is None else self.whole(key)

    def truth(self, key: str) -> bool:
        """Return true or false."""
        value = self._value.get(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def texts(self, key: str, most: int) -> tuple[str, ...]:
        """Return a list of strings."""
        value = self._value.get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, "a list of strings")
        return tuple(clean(item) for item in value[:most])

    def names(self, most: int) -> tuple[str, ...]:
        """Return the keys."""
        return tuple(clean(key, 255) for key in list(self._value)[:most])

    def absent(self, key: str) -> bool:
        """Tell whether there is no such field."""
        return self._value.get(key) is None

    def fields(self, key: str) -> "Fields":
        """Return an object in this one."""
        return Fields(self._value.get(key), f"{self._path}{key}")

    def each(self, key: str, most: int) -> "list[Fields]":
        """Return a list of objects."""
        value = self._value.get(key)
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return [Fields(item, f"{self._path}{key}[{index}]") for index, item in enumerate(value[:most])]

    def numbers(self) -> dict[str, float]:
        """Return all fields that are numbers."""
        numeric = [k for k, v in self._value.items() if isinstance(v, int | float) and len(k) < 40]
        return {clean(key): self.number(key) for key in numeric[:60]}

    def _wrong(self, key: str, wanted: str) -> ValueError:
        said = "missing" if key not in self._value else f"not {wanted}"
        return ValueError(f"{self._path}{key} is {said}")
