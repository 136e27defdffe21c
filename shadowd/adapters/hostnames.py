"""Host names as one cell compares them, and the name of this machine among them.

Why: "is that host me?" decides who may start a master, and the same machine is spelled ``Node1``,
``node1.example.com`` or ``head`` in different files. Rules (GRIDENGINE.md, "Files"; bootstrap(5) and
host_aliases(5)): aliases resolve first, names compare without regard to case, with ``ignore_fqdn`` only
up to the first dot, else a name without a dot gets ``default_domain``.

The one difference to Grid Engine: it asks DNS about every name, this asks nobody. A look-up may hang,
and a name that changes with the weather must not decide a takeover. Only this machine's own names are
looked up, once, within a limit (``machine_names``). Consequence, to be said in ``check``: with
``ignore_fqdn false`` and no default domain, another host's short name and its full name are two hosts.

Refuses to take for a host name what is none: binary, options, host groups, and ``localhost``, which
names somebody else on every host.
"""

import os
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from shadowd.core.values import Host, Problem, Seconds, Unknown

_NAME = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_][A-Za-z0-9_-]*)*\.?")
_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_LONGEST = 255  # RFC 1035, and Grid Engine's own buffer
_SEPARATORS = re.compile(rb"[ \t,;\r]+")  # what Grid Engine's own reader of host_aliases splits at
_MOST_ALIASES = 100_000
_SHOWN = 40


def is_host_name(word: bytes) -> bool:
    """Tell whether this may name a host; bounded, whatever the bytes."""
    return len(word) <= _LONGEST and _NAME.fullmatch(word) is not None


def parse_aliases(data: bytes) -> dict[str, str]:
    """Read host_aliases: ``canonical alias alias…`` a line, '#' lines are comments.

    Lines and words that name no host are passed over, as Grid Engine does. The first line that mentions
    an alias wins; a name that is canonical itself is never an alias.
    """
    aliases: dict[str, str] = {}
    for line in data.split(b"\n"):
        words = [word for word in _SEPARATORS.split(line) if word]
        if not words or line.startswith(b"#") or not is_host_name(words[0]):
            continue
        main = _plain(words[0].decode("ascii"))
        aliases[main] = main
        for word in words[1:]:
            if is_host_name(word) and len(aliases) < _MOST_ALIASES:
                aliases.setdefault(_plain(word.decode("ascii")), main)
    return aliases


@dataclass(frozen=True, slots=True)
class HostNames:
    """The rules of one cell."""

    ignore_fqdn: bool = True
    default_domain: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Lower-case alias to lower-case canonical name, as ``parse_aliases`` returns it."""
    _folded: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        folded: dict[str, str] = {}
        torn: set[str] = set()
        for alias, main in self.aliases.items():
            short = self._fold(alias)
            if folded.setdefault(short, main) != main:
                torn.add(short)
        # Two lines whose aliases differ only after the first dot: neither may claim the short name.
        object.__setattr__(self, "_folded", {key: folded[key] for key in folded.keys() - torn})

    def canonical(self, name: str) -> Host:
        """Return the name by which the cell's hosts are compared; never fails."""
        return Host(self._fold(self.full(name)))

    def full(self, name: str) -> str:
        """Return the name to reach the host by: aliases resolved, the domain kept."""
        plain = _plain(name)
        known = self.aliases.get(plain)
        return known if known is not None else self._folded.get(self._fold(plain), plain)

    def read(self, word: bytes, subject: str) -> Host | Unknown:
        """Return the host that a word of a file names; ``subject`` is the file, for people."""
        if not is_host_name(word):
            return Unknown(Problem.GARBAGE, subject, f"no host name: {word[:_SHOWN]!r}")
        name = word.decode("ascii")
        if _is_loopback(name):
            return Unknown(Problem.GARBAGE, subject, f"{name} is another machine on every host")
        return self.canonical(name)

    def knowing(self, names: Iterable[str]) -> "HostNames":
        """Return the same rules for a machine of which all ``names`` are one host, the first its own.

        What host_aliases says goes before what the machine's resolver says.
        """
        words = [word for word in map(_plain, names) if is_host_name(word.encode("utf-8", "replace"))]
        if not words:
            return self
        own = self.full(words[0])
        return replace(self, aliases={**dict.fromkeys([own, *words], own), **self.aliases})

    def _fold(self, plain: str) -> str:
        if _ADDRESS.fullmatch(plain):
            return plain
        head, dot, _ = plain.partition(".")
        if self.ignore_fqdn:
            return head or plain
        return plain if dot or not self.default_domain else f"{plain}.{_plain(self.default_domain)}"


def machine_names(within: Seconds) -> tuple[str, ...]:
    """Return the names of this machine, its official one first, after at most ``within`` seconds.

    Official is what the resolver calls the kernel's host name, as for Grid Engine. Where it does not
    answer in time, does not know us, or calls us localhost, the kernel's name alone counts. The thread
    that waits for a hung resolver is left behind: a daemon thread with nothing to clean up.
    """
    kernel = os.uname().nodename
    answers: list[tuple[str, ...]] = []

    def ask() -> None:
        try:
            # The same function as socket's, whose import takes a twelfth of the time of a `status`.
            from _socket import gethostbyname_ex  # noqa: PLC0415 - not where the name is configured

            official, others, _ = gethostbyname_ex(kernel)
        except (OSError, UnicodeError):
            return
        answers.append((official, kernel, *others))

    asking = threading.Thread(target=ask, name="own-name", daemon=True)
    asking.start()
    asking.join(within)
    names = answers[0] if answers and not _is_loopback(answers[0][0]) else (kernel,)
    return tuple(dict.fromkeys(name for name in names if _is_ours(name))) or (kernel,)


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _is_ours(name: str) -> bool:
    return is_host_name(name.encode("utf-8", "replace")) and not _is_loopback(name)


def _is_loopback(name: str) -> bool:
    plain = _plain(name)
    if _ADDRESS.fullmatch(plain):
        return plain.startswith("127.")
    return plain.partition(".")[0] == "localhost"
