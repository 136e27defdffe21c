"""The same facts in the words of a generic or TORQUE cell, which knows no act_qmaster and no startup script.

Texts and remedies are written once, for Grid Engine, whose files a generic cell's are modelled on. What
differs is a handful of names, and a person at 3 a.m. must not be sent to a script that is not there. In a
TORQUE cell the master is a server and a shadow a standby, and the files lie in a directory of ours. A host
may be called master, so only the word behind an article or its like is changed. This module refuses to
change what programs read: names of items, hosts and states stay.
"""

import re
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
_SCRIPT: Final = (
    ("/etc/init.d/sgemaster start -shadowd", "/etc/init.d/pbs_server start"),
    ("/etc/init.d/sgemaster status -shadowd", "/etc/init.d/pbs_server status"),
)
"""Where there is a startup script of our own; its ``restart`` would hand the server over as well."""
_TORQUE: Final = (
    (re.compile(r"(?<!/shadowd)/(?=(?:lock|heartbeat)\b)"), "/shadowd/"),
    (re.compile(r"\bheartbeat in the spool"), "shadowd/heartbeat in the spool"),
    (re.compile(r"SPOOL/messages|/[^ ]*/messages\b"), "TORQUE's server_logs"),
    (
        re.compile(
            r"\b((?:[Tt]he|[Aa]|[Nn]o|[Ii]ts|[Tt]hat|[Tt]his|[Oo]ne|[Oo]ther|[Aa]nother|new|old|last|dead|running|"
            r"second|confirmed|healthy|the host's|act_qmaster's) )master\b(?! in| of the cell's)"
        ),
        r"\1server",
    ),
    (re.compile(r"\bshadow (hosts?)\b"), r"standby \1"),
    (re.compile(r"shadow_masters in the cell's common directory"), "shadowd/shadow_masters in server_priv"),
    (re.compile(r"file master in the cell's directory"), "file shadowd/master in server_priv"),
    (re.compile(r"\b([Aa]|[Tt]he|another|no) shadow(s?)\b(?! daemon)"), r"\1 standby\2"),
)


def worded(kind: str, cell: str, value: _T) -> _T:
    """Return the value with every text in it in the words of this kind of cell."""
    return _worded(value, kind, cell) if kind in {"generic", "torque"} else value


def _worded(value: Any, kind: str, cell: str) -> Any:
    if isinstance(value, str):
        for before, after in (*_SCRIPT, *_INSTEAD) if kind == "torque" else _INSTEAD:
            value = value.replace(before, after)
        for pattern, words in _TORQUE if kind == "torque" else ():
            value = pattern.sub(words, value)
        return value.replace("CELLSTART", f"shadowd start {cell}").replace("CELLSTOP", f"shadowd stop {cell}")
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        fields = zip(value._fields, value, strict=True)
        return type(value)(*(part if name in _KEPT else _worded(part, kind, cell) for name, part in fields))
    return tuple(_worded(part, kind, cell) for part in value) if isinstance(value, tuple) else value
