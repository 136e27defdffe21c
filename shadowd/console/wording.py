"""The same facts in the words of a generic cell, which knows no act_qmaster and no startup script.

Texts and remedies are written once, for Grid Engine, whose files a generic cell's are modelled on. What
differs is a handful of names, and a person at 3 a.m. must not be sent to a script that is not there. This
module refuses to change what programs read: names of items, hosts and states stay.
"""

from typing import Any, Final, TypeVar

_T = TypeVar("_T")
_KEPT: Final = frozenset({"name", "host", "kind", "state", "spool"})
_INSTEAD: Final = (
    (
        "/etc/init.d/sgemaster start -shadowd (under systemd: systemctl start shadowd)",
        "systemctl start shadowd",
    ),
    (
        "/etc/init.d/sgemaster restart -shadowd (under systemd: systemctl restart shadowd)",
        "systemctl restart shadowd",
    ),
    (
        "/etc/init.d/sgemaster status -shadowd (under systemd: systemctl status shadowd)",
        "systemctl status shadowd",
    ),
    ("start the master with the startup script, it removes the lock", "CELLSTART"),
    (" and no sge_shadowd is at work", ""),
    (", or of another shadow daemon (sge_shadowd) at work", ", or a stranger's"),
    ("sgemaster restart there", "CELLSTOP, then CELLSTART there"),
    ("sgemaster -migrate on the new one", "shadowd migrate on the new one"),
    ("sgemaster -migrate", "CELLSTOP and CELLSTART"),
    ("sgemaster start", "CELLSTART"),
    ("sgemaster stop on its host", "CELLSTOP"),
    ("act_qmaster in the cell's common directory", "the file master in the cell's directory"),
    ("is sge_qmaster in binary_path", "is its program there"),
    ("act_qmaster", "the file master"),
)


def worded(kind: str, cell: str, value: _T) -> _T:
    """Return the value with every text in it in the words of this kind of cell."""
    return value if kind != "generic" else _worded(value, cell)


def _worded(value: Any, cell: str) -> Any:
    if isinstance(value, str):
        for before, after in _INSTEAD:
            value = value.replace(before, after)
        return value.replace("CELLSTART", f"shadowd start {cell}").replace("CELLSTOP", f"shadowd stop {cell}")
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        fields = zip(value._fields, value, strict=True)
        return type(value)(*(part if name in _KEPT else _worded(part, cell) for name, part in fields))
    return tuple(_worded(part, cell) for part in value) if isinstance(value, tuple) else value
