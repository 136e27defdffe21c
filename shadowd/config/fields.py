"""The meanings of ``words`` as types that pydantic checks and JSON Schema describes.

Each type is replaced whole (PlainValidator), because pydantic's own lax and strict modes both surprise:
one turns strings into numbers, the other refuses a path or a tuple that TOML cannot write. This module
refuses to hold a rule of its own; those are in ``words``.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from shadowd.config import words

LARGEST_TABLE = 1000
LARGEST_LIST = 10_000


def _table(value: object, key: Any, item: Any) -> dict[str, Any]:
    """Return a table of which every key and value was taken by its function."""
    if not isinstance(value, dict):
        raise words.UnfitError(f"{words.shown(value)} is no table")
    if len(value) > LARGEST_TABLE:
        raise words.UnfitError(f"has more than {LARGEST_TABLE} entries")
    return {key(name): item(entry) for name, entry in value.items()}


def _environment(value: object) -> dict[str, str]:
    return _table(value, words.variable_name, words.text)


def _addresses(value: object) -> dict[str, str]:
    return _table(value, words.host_name, _address)


def _options(value: object) -> dict[str, str | dict[str, str]]:
    return _table(value, words.option_name, _option)


def _option(value: object) -> str | dict[str, str]:
    """Return one value for all hosts, or a table with one for each."""
    if isinstance(value, dict):
        return _table(value, words.host_name, words.option_value)
    return words.option_value(value)


def _address(value: object) -> str:
    """Return a numeric address; a name would bring back the resolver that this table replaces."""
    try:
        return str(ip_address(words.text(value)))
    except ValueError as error:
        raise words.UnfitError(f"{words.shown(value)} is no IP address") from error


def _optional_file(value: object) -> Path | None:
    return None if value is None or value == "" else words.path(value)


def _qping(value: object) -> str:
    if value in {"auto", "off"} if isinstance(value, str) else False:
        return str(value)
    try:
        return str(words.path(value))
    except ValueError as error:
        raise words.UnfitError(
            f'{words.shown(value)} is neither "auto", "off" nor an absolute path'
        ) from error


def _directories(value: object) -> tuple[str, ...]:
    """Return a list of absolute paths, each once."""
    if not isinstance(value, list | tuple):
        raise words.UnfitError(f'{words.shown(value)} is no list: write ["/shared/data"]')
    if len(value) > words.MOST_DIRECTORIES:
        raise words.UnfitError(f"has more than {words.MOST_DIRECTORIES} directories")
    return tuple(dict.fromkeys(str(words.path(one)) for one in value))


def _list(value: object) -> object:
    """Return a TOML list as the tuple that a frozen model holds."""
    if isinstance(value, list):
        if len(value) > LARGEST_LIST:
            raise words.UnfitError(f"has more than {LARGEST_LIST} entries")
        return tuple(value)
    return value


def filled_in(*keys: str) -> Any:
    """Return a schema edit that tells editors that these keys may be left out of the file."""

    def edit(schema: dict[str, Any]) -> None:
        schema["required"] = [key for key in schema.get("required", []) if key not in keys]

    return edit


_STRING = {"type": "string", "minLength": 1}
_PATH = {"type": "string", "pattern": "^/"}
_STRINGS = {"type": "array", "items": {"type": "string"}}
_TABLE = {"type": "object", "additionalProperties": {"type": "string"}}
_PLAIN = {"type": ["string", "integer", "boolean"]}
_SECONDS = {"type": "number", "maximum": words.LONGEST}
_WITH_UNIT = {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?[smh]$"}

Interval = Annotated[
    float,
    PlainValidator(words.interval),
    WithJsonSchema({"anyOf": [{**_SECONDS, "minimum": words.SHORTEST}, _WITH_UNIT]}),
]
Wait = Annotated[
    float, PlainValidator(words.wait), WithJsonSchema({"anyOf": [{**_SECONDS, "minimum": 0}, _WITH_UNIT]})
]
FilePath = Annotated[Path, PlainValidator(words.path), WithJsonSchema(_PATH)]
Directories = Annotated[
    tuple[str, ...],
    PlainValidator(_directories),
    WithJsonSchema({"type": "array", "items": _PATH, "maxItems": words.MOST_DIRECTORIES}),
]
OptionalFile = Annotated[
    Path | None, PlainValidator(_optional_file), WithJsonSchema({"type": "string", "pattern": "^(/.*)?$"})
]
CellName = Annotated[
    str,
    PlainValidator(words.cell_name),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$"}),
]
SgeCell = Annotated[str, PlainValidator(words.sge_cell), WithJsonSchema(_STRING)]
HostName = Annotated[str, PlainValidator(words.host_name), WithJsonSchema(_STRING)]
UserName = Annotated[str, PlainValidator(words.user_name), WithJsonSchema(_STRING)]
Kind = Annotated[
    Literal["gridengine", "generic", "torque"],
    PlainValidator(words.kind),
    WithJsonSchema({"enum": [*words.KINDS]}),
]
Port = Annotated[
    int, PlainValidator(words.port), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 65535})
]
Restarts = Annotated[
    int,
    PlainValidator(words.restarts),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": words.MOST_RESTARTS}),
]
Threshold = Annotated[
    int,
    PlainValidator(words.threshold),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": words.MOST_RESTARTS}),
]
HintPort = Annotated[
    int,
    PlainValidator(words.port_or_any),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 65535}),
]
Program = Annotated[
    tuple[str, ...], PlainValidator(words.program), WithJsonSchema({**_STRINGS, "minItems": 1})
]
Arguments = Annotated[tuple[str, ...], PlainValidator(words.arguments), WithJsonSchema(_STRINGS)]
Environment = Annotated[Mapping[str, str], PlainValidator(_environment), WithJsonSchema(_TABLE)]
Addresses = Annotated[Mapping[str, str], PlainValidator(_addresses), WithJsonSchema(_TABLE)]
Agent = Annotated[str, PlainValidator(words.agent), WithJsonSchema(_STRING)]
Options = Annotated[
    Mapping[str, str | Mapping[str, str]],
    PlainValidator(_options),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"anyOf": [_PLAIN, {"type": "object", "additionalProperties": _PLAIN}]},
        }
    ),
]
Text = Annotated[str, PlainValidator(words.line), WithJsonSchema({**_STRING, "maxLength": 1000})]
Qping = Annotated[
    str, PlainValidator(_qping), WithJsonSchema({"type": "string", "pattern": "^(auto|off|/.*)$"})
]
AsTuple = BeforeValidator(_list)
