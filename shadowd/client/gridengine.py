"""The hosts of a Grid Engine cell as a list of servers: the one in ``act_qmaster``, then ``shadow_masters``.

A takeover rewrites ``act_qmaster``, so the list is read again while a master is searched for. The files lie
on the shared directory, which may hang: they are read in a thread, one at a time, and while it is stuck the
last list that was read counts, if there is one. A host answers as the probe of a takeover has it
(``shadowd.adapters.questions``): neither a frozen master does, nor a stranger on its port. Apart
from the rest, because only here the readers of the daemon are loaded. Refuses to write.
"""

import queue
import threading
from collections.abc import Mapping
from dataclasses import replace

from shadowd.adapters.gridengine import qmaster_port
from shadowd.adapters.ground import survey
from shadowd.adapters.hostnames import machine_names
from shadowd.adapters.questions import ANYTHING, greeting, site
from shadowd.client.race import Protocol
from shadowd.client.servers import Server
from shadowd.client.sources import TORQUE, ServerList
from shadowd.config.light import LightCell
from shadowd.core.values import Host, Seconds, Unknown
from shadowd.errors import CellError, ShadowdError


def gridengine_list(cell: LightCell, environ: Mapping[str, str], *, only: bool = False) -> ServerList:
    """Return the hosts of a cell of any kind; raises ``CellError``; may hang with the directory.

    ``only``: the host in ``act_qmaster`` alone, which is where Grid Engine's own clients go.
    """
    if cell.kind == "generic" and cell.port is None:
        remedy = "name the port of its master in [cell.probe]"
        raise CellError(f"cell {cell.name}", "nobody can ask its master: it has no port", remedy)
    found = survey(cell.sge_root, cell.sge_cell, cell.directory, server_lock=cell.server_lock)
    own = (cell.host,) if cell.host else machine_names(Seconds(1))
    names = found.names.knowing(own)
    files = replace(found, names=names).files(cell.name, names.canonical(own[0]))
    active = files.read_active()
    shadows: tuple[Host, ...] | Unknown = () if only else files.read_shadows()
    hosts = [] if isinstance(active, Unknown) else [active]
    hosts += [] if isinstance(shadows, Unknown) else [host for host in shadows if host not in hosts]
    problems = [answer for answer in (active, shadows) if isinstance(answer, Unknown)]
    if not hosts:
        raise CellError(
            problems[0].subject,
            f"{problems[0].problem.value} {problems[0].detail}".strip(),
            "`shadowd check` says what is wrong with the cell's files",
        )
    servers = tuple(Server(files.address(host)) for host in hosts)
    if cell.kind == "torque":
        protocol = TORQUE if cell.port is None else TORQUE._replace(port=cell.port)
    else:
        protocol = _protocol(cell, environ, own[0])
    notes = tuple(f"{one.subject}: {one.problem.value} {one.detail}".strip() for one in problems)
    return ServerList(protocol, servers, f"cell {cell.name}", servers[0].host, notes, cell.addresses)


def named_list(servers: tuple[Server, ...], environ: Mapping[str, str]) -> ServerList:
    """Return a list of hosts that somebody named, to be asked as masters; raises ``ConfigError``."""
    port, own = qmaster_port(environ), machine_names(Seconds(1))[0]
    protocol = Protocol("gridengine", port, lambda host: greeting(host, own))
    return ServerList(protocol, servers, "--servers", servers[0].host)


class CellSource:
    """A list that is read anew at each call, within a limit."""

    def __init__(
        self, cell: LightCell, environ: Mapping[str, str], patience: float, *, only: bool = False
    ) -> None:
        """``patience``: the seconds that one read may take."""
        self._cell = cell
        self._environ = dict(environ)
        self._patience = patience
        self._only = only
        self._answers: queue.SimpleQueue[ServerList | ShadowdError] = queue.SimpleQueue()
        self._reading = False
        self._last: ServerList | None = None

    def __call__(self) -> ServerList:
        """Return the list of the moment; raises ``CellError``."""
        if not self._reading:
            self._reading = True
            threading.Thread(target=self._read, name="read-cell", daemon=True).start()
        try:
            answer = self._answers.get(timeout=self._patience)
        except queue.Empty:
            reason = f"no answer within {self._patience:g} s: the file system hangs"
            if self._last is not None:
                return self._last._replace(notes=(f"{self._cell.directory}: {reason}",))
            raise CellError(
                str(self._cell.directory), reason, "see that its file server is up and reachable"
            ) from None
        self._reading = False
        if isinstance(answer, ShadowdError):
            raise answer
        self._last = answer
        return answer

    def _read(self) -> None:
        try:
            self._answers.put(gridengine_list(self._cell, self._environ, only=self._only))
        except ShadowdError as error:
            self._answers.put(error)
        except OSError as error:
            self._answers.put(
                CellError(str(self._cell.directory), f"cannot be read: {error}", "is it mounted?")
            )


def _protocol(cell: LightCell, environ: Mapping[str, str], own: str) -> Protocol:
    port = cell.port or qmaster_port(environ)
    if cell.kind == "gridengine":
        return Protocol("gridengine", port, lambda host: greeting(host, own))
    # Of a generic cell without ``expect`` whoever does anything serves: a client has nothing better.
    question = ANYTHING if cell.expect is None else site(cell.send, cell.expect)
    return Protocol("gridengine", port, lambda _: question)
