"""Where a list of servers comes from, for TORQUE: argument, environment or the file ``server_name``.

The order is TORQUE's (TORQUE.md, "How clients find the server"), with one difference. There, ``PBS_DEFAULT``
with a single name switches failover off, silently; here the servers of ``server_name`` are still tried
after it, unless ``only`` says otherwise. What cannot be read then is a note and no error, for the name in
the environment may serve.

The file is this host's own, not a shared one, so reading it is bounded in size and never in time.
"""

import os
import stat
from collections.abc import Mapping
from typing import Final, NamedTuple

from shadowd.adapters.calling import Question
from shadowd.adapters.questions import TORQUE as DISCONNECT
from shadowd.client.race import Protocol
from shadowd.client.servers import LARGEST, Server, parse_servers
from shadowd.errors import ConfigError

HOMES: Final = ("/var/spool/torque", "/var/lib/torque", "/etc/torque")
"""Where builds and packages of TORQUE have their home, the usual one first."""
TORQUE_PORT: Final = 15001
VARIABLES: Final = ("PBS_DEFAULT", "PBS_SERVER")
"""By which TORQUE's clients are told their server; the first that is set counts."""


def _disconnect(_: str) -> Question:
    return DISCONNECT


TORQUE: Final = Protocol("torque", TORQUE_PORT, _disconnect)


class ServerList(NamedTuple):
    """Servers, in the order in which they are preferred, and how to talk to them."""

    protocol: Protocol
    servers: tuple[Server, ...]
    origin: str
    """Where the list comes from, for people."""
    first: str
    """The host that gives jobs their names."""
    notes: tuple[str, ...] = ()
    """What could not be read, for people."""
    addresses: Mapping[str, str] = {}
    """What to reach a host by, by its name in small letters, where the resolver is not to be asked for it."""


def torque_list(
    environ: Mapping[str, str],
    argument: str | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    only: bool = False,
) -> ServerList:
    """Return the list that a client of TORQUE goes by; raises ``ConfigError``.

    ``argument`` goes before the environment and that before the file, None: the one of this host. ``only``: a
    single name in the environment is meant to be the only one.
    """
    file = server_name(environ) if file is None else file
    if argument is not None:
        return _plain(parse_servers(argument, "--servers"), "--servers")
    variable = next((name for name in VARIABLES if environ.get(name)), None)
    if variable is None:
        return _plain(_from_file(file), str(file))
    named = parse_servers(environ[variable], variable)
    if len(named) > 1 or only:
        return _plain(named, variable)
    try:
        others = _from_file(file)
    except ConfigError as error:
        return _plain(named, variable)._replace(notes=(f"{error.subject}: {error.reason}",))
    same = any(server.host.lower() == named[0].host.lower() for server in others)
    servers = named + tuple(server for server in others if server != named[0])
    # Whoever names the standby still means the jobs of the cell, and they bear the first one's name.
    first = others[0].host if same else named[0].host
    return ServerList(TORQUE, servers, f"{variable}, then {file}", first)


def server_name(environ: Mapping[str, str], homes: tuple[str, ...] = HOMES) -> str:
    """Return the file ``server_name`` of this host: below PBS_HOME, else where there is one.

    Where there is none: where it should be.
    """
    own = environ.get("PBS_HOME")
    files = [f"{home.rstrip('/')}/server_name" for home in ((own, *homes) if own else homes)]
    return next((file for file in files if os.path.exists(file)), files[0])  # noqa: PTH110 - pathlib costs


def _plain(servers: tuple[Server, ...], origin: str) -> ServerList:
    return ServerList(TORQUE, servers, origin, servers[0].host)


def _from_file(file: str | os.PathLike[str]) -> tuple[Server, ...]:
    return parse_servers(_read(file), str(file))


def _read(file: str | os.PathLike[str]) -> bytes:
    """Return a regular file of bounded size; never waits for a writer."""
    remedy = "name the servers by --servers or PBS_DEFAULT, or the file by --server-name"
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise ConfigError(str(file), _words(error), remedy) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError(str(file), "is no regular file", remedy)
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(str(file), _words(error), remedy) from error
    finally:
        os.close(descriptor)


def _words(error: OSError | ValueError) -> str:
    return f"cannot be read: {(getattr(error, 'strerror', None) or str(error)).lower()}"
