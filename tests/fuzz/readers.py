"""Every reader of bytes that somebody else may have written, with good inputs and the errors it declares.

Files are read through a real file, datagrams and sockets through real sockets where the parser is not apart.
"""

import atexit
import os
import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from queue import SimpleQueue

from shadowd.adapters import (
    control,
    hints,
    kept,
    lockfile,
    marks,
    pausefile,
    processrecord,
    procfs,
    records,
    serverlock,
)
from shadowd.adapters.addresses import _address as netlink_address
from shadowd.adapters.cellfiles import parse_active, parse_beat, parse_shadows
from shadowd.adapters.claimlog import DirectoryClaimLog
from shadowd.adapters.claimnames import Listing, look
from shadowd.adapters.gridengine import GridEngineCell, discover, host_names
from shadowd.adapters.hostnames import HostNames, parse_aliases
from shadowd.adapters.identity import SystemIdentity, read_boot_id
from shadowd.client.servers import parse_servers
from shadowd.client.sources import torque_list
from shadowd.config.light import light_settings
from shadowd.config.load import examine, from_environment
from shadowd.console import records as host_records
from shadowd.console.history import as_data, as_text, read_story
from shadowd.core.ledger import Ledger
from shadowd.core.values import (
    Claim,
    ClaimReason,
    Epoch,
    Host,
    Instant,
    KeptLease,
    NoticeKind,
    Pause,
    Protection,
    Seconds,
    Unknown,
)
from shadowd.errors import CellError, ConfigError, ControlError

PLACE = Path(tempfile.mkdtemp(prefix="fuzz."))
"""Of this process; removed with it."""
atexit.register(shutil.rmtree, PLACE, ignore_errors=True)
NAMES = HostNames(ignore_fqdn=False, default_domain="example.com", aliases={"head": "hosta"})
CELL = "c1"
CLAIM = Claim(
    cell=CELL,
    epoch=Epoch(7),
    host=Host("hosta"),
    machine_id="0123456789abcdef",
    boot_id="11111111-2222-3333-4444-555555555555",
    pid=4711,
    start_token="99",  # noqa: S106 - a number of clock ticks
    nonce="a" * 32,
    reason=ClaimReason.SILENCE,
    supersedes=Epoch(6),
    lease=Seconds(741),
    licence=Seconds(60),
    window=Seconds(200),
    protection=Protection.GUARDED,
    wall=1.7e9,
)
PAUSE = Pause("root", "new disks", 1.7e9, 1.6e9, 3)
HOST_RECORD = (
    b'{"format":1,"cell":"c1","kind":"gridengine","host":"hosta","version":"1","pid":1,"boot_id":"b",'
    b'"wall":1.5,"state":"standby","reason":"watching","text":"t","since":1.0,"refusals":'
    b'[{"reason":"paused","text":"t","detail":"d","until":2.0}],"timer":{"name":"stale_after","due":3.0},'
    b'"silence":0.0,"beat":5,"active":"hosta","epoch":7,"master":"hosta","protection":"guarded",'
    b'"lock":{"kind":"absent"},"observed":1.0,"attempts":0,"io_stuck":null,'
    b'"hints":{"port":6448,"addresses":["192.0.2.1","::1"]},"timing":{"check_interval":60.0}}'
)
TOML = (
    b'runtime_dir = "/run/shadowd"\n[[cell]]\nname = "c1"\nkind = "generic"\ndirectory = "/srv/c1"\n'
    b'[cell.launch]\ncommand = ["/bin/true"]\n[cell.probe]\nport = 6444\n'
)
BOOTSTRAP = (
    b"admin_user sgeadmin\nqmaster_spool_dir /srv/spool\nbinary_path /opt/sge/bin\n"
    b"ignore_fqdn true\r\ndefault_domain none\n# comment\n"
)
ENVIRONMENT = b"SGE_ROOT=/opt/sge\0SGE_CHECK_INTERVAL=30\0SGE_DELAY_TIME=600\0SGE_QMASTER_PORT=6444"
STAT = (
    b"42 (sge qmaster) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 5 0 12345 1000 200 18446744073709551615 1"
)


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader, called with the bytes that it would find."""

    name: str
    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    declared: tuple[type[Exception], ...] = ()
    """What it may raise; the rest of its answers are values."""


def _file(name: str, data: bytes) -> Path:
    path = PLACE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _claim_log(data: bytes) -> object:
    """List a directory whose claim, notices and unknown files hold these bytes."""
    state = PLACE / "log"
    for name in ("claims/0000000007.json", "notices/0000000007.started.json", "notices/0000000007.died.json"):
        _file(f"log/{name}", data)
    found = DirectoryClaimLog(state, CELL, Host("hosta"), lambda: 0.0).list()
    assert isinstance(found, Ledger | Unknown)
    story = read_story(state, CELL, 10)
    return as_text(story, 1.7e9), as_data([story])


def _names_of_records(data: bytes) -> object:
    names = [os.fsdecode(name) for name in data.split(b"\n") if name]
    seen = look(Listing(dict.fromkeys(names, 1), dict.fromkeys(names, 1)))
    return seen.kinds(0), pausefile.pauses_begun(names)


def _bootstrap(data: bytes) -> object:
    _file("root/default/common/bootstrap", data)
    return discover(PLACE / "root")


def _older_configuration(data: bytes) -> object:
    _file("old/default/common/configuration", data)
    return discover(PLACE / "old")


def _aliases(data: bytes) -> object:
    cell = replace(_good_cell(), common=_file("aliased/host_aliases", data).parent)
    return host_names(cell).canonical("head")


def _good_cell() -> GridEngineCell:
    _file("good/default/common/bootstrap", BOOTSTRAP)
    return discover(PLACE / "good")


def _variables(data: bytes) -> object:
    pairs = (os.fsdecode(entry).partition("=") for entry in data.split(b"\0") if entry)
    return from_environment({"SGE_ROOT": "/opt/sge", **{name: value for name, _, value in pairs}})


def _configuration(data: bytes) -> object:
    file = _file("shadowd.toml", data)
    light_settings(file, {})
    return examine(file, {}).warnings()


def _lease(data: bytes) -> object:
    keeper = kept.Keeper(_file("c1@hosta.lease.json", data), CLAIM.boot_id)
    return kept.read_lease(keeper), kept.read_place(keeper), processrecord.read_processes(keeper)


def _server_lock(data: bytes) -> object:
    """Read a lock and the record of the server that holds it, and whether that server is this process."""
    directory = PLACE / "server_priv"
    _file("server_priv/server.lock", data)
    _file("server_priv/shadowd/server.session", data)
    file = serverlock.ServerLockFile(directory / "server.lock", serverlock.LEASE, directory / "shadowd")
    session = file.session()
    return file.look(), session and session.is_written(str(os.getpid()), file.users)


def _machine(data: bytes) -> object:
    file = _file("machine-id", data)
    SystemIdentity(CELL, Host("hosta"), machine_ids=(file,))
    return read_boot_id(file)


def _process(data: bytes) -> object:
    proc = PLACE / "proc"
    for name in ("stat", "status", "cmdline", "environ"):
        _file(f"proc/42/{name}", data)
    known = procfs.process(42, proc), procfs.arguments(42, proc), procfs.user_ids(42, proc)
    return known, marks.carries(procfs.environment(42, 4096, proc), CLAIM.nonce)


def _servers(data: bytes) -> object:
    _file("server_name", data)
    return torque_list({}, file=PLACE / "server_name")


@cache
def _control() -> Path:
    """Return the socket of a control server that runs as long as this process."""
    PLACE.mkdir(exist_ok=True)
    control.ControlServer(PLACE, lambda request, _who: {"done": str(request.get("do"))[:100]})
    return control.socket_path(PLACE, os.getpid())


def _request(data: bytes) -> object:
    """Send these bytes to the control server, and see that it answers the next one."""
    path = _control()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(30)
        client.connect(str(path))
        with suppress(OSError):  # it may have had enough before it has read all
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                pass
    return control.ask(path, {"do": "nothing"})


@cache
def _impostor() -> tuple[Path, SimpleQueue[bytes]]:
    """Return the socket of a server that gives one reply of the queue to each client."""
    path, replies = PLACE / "impostor.sock", SimpleQueue[bytes]()
    PLACE.mkdir(exist_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        while True:
            client, _ = server.accept()
            with client, suppress(OSError):
                client.recv(4096)
                client.sendall(replies.get())

    threading.Thread(target=serve, daemon=True).start()
    return path, replies


def _reply(data: bytes) -> object:
    """Ask a daemon whose reply these bytes are."""
    path, replies = _impostor()
    replies.put(data)
    return control.ask(path, {"do": "takeover"})


def _hosts(data: bytes) -> object:
    _file("hosts/hostb.json", data)
    return host_records.read_hosts(PLACE / "hosts"), list(hints.places(PLACE / "hosts", "hosta"))


def _kept_seed() -> bytes:
    keeper = kept.Keeper(PLACE / "seed.json", CLAIM.boot_id)
    lease = KeptLease(Epoch(7), "a" * 32, Seconds(741), Instant(1000.0))
    assert kept.write_lease(keeper, lease, kept.BeatPlace(Path("/srv/heartbeat"), None)) is None
    return keeper.path.read_bytes()


def _notice_seed() -> bytes:
    return records.encode_notice(
        records.Notice(CELL, Epoch(7), NoticeKind.DIED, Host("hosta"), 4711, 1.7e9, "exit status 1")
    )


CLAIM_SEED = records.encode_claim(CLAIM)
RECORD_SEEDS = (CLAIM_SEED, _notice_seed())
READERS = (
    Reader("claim", lambda data: records.decode_claim(data, cell=CELL, epoch=7, subject="f"), (CLAIM_SEED,)),
    Reader("notice", lambda data: records.decode_notice(data, cell=CELL, epoch=7, subject="f"), RECORD_SEEDS),
    Reader("claim_log", _claim_log, RECORD_SEEDS),
    Reader("names_of_records", _names_of_records, (b"0000000007.json\n0000000007.died.json\npaused.3",)),
    Reader(
        "lock",
        lambda data: lockfile.parse_lock(data, None),
        (lockfile._encode(lockfile._Mark(CELL, Epoch(7), "a" * 32, "hosta")), b""),
    ),
    Reader("heartbeat", lambda data: parse_beat(data, "f"), (b"17\n", b" 9 ", b"0")),
    Reader("act_qmaster", lambda data: parse_active(data, NAMES, "f"), (b"hosta.example.com\n", b"head")),
    Reader("shadow_masters", lambda data: parse_shadows(data, NAMES, "f"), (b"hosta hostb # x\nhostc,head",)),
    Reader("host_aliases", _aliases, (b"hosta head virtual\nhostb b.example.com\n",), (CellError,)),
    Reader("aliases", parse_aliases, (b"hosta head virtual\n# c\n",)),
    Reader("bootstrap", _bootstrap, (BOOTSTRAP,), (CellError,)),
    Reader("configuration_of_5_3", _older_configuration, (BOOTSTRAP,), (CellError,)),
    Reader("pause", lambda data: pausefile.parse_pause(data, "f"), (pausefile.encode_pause(PAUSE),)),
    Reader("host_record", lambda data: host_records.parse(data, "f"), (HOST_RECORD,)),
    Reader("hosts", _hosts, (HOST_RECORD,)),
    Reader("hint", hints.decode, (hints.encode(CELL),)),
    Reader("netlink", netlink_address, (b"\2\x18\x80\0\1\0\0\0\x08\0\2\0\x7f\0\0\1",), (struct.error,)),
    Reader("kept_lease", _lease, (_kept_seed(),)),
    Reader(
        "server_lock",
        _server_lock,
        (b"4711\n", b'{"epoch":7,"nonce":"a","host":"h","inodes":[1],"contents":["4711"]}'),
    ),
    Reader("machine_id", _machine, (b"0123456789abcdef0123456789abcdef\n", b"uninitialized\n"), (CellError,)),
    Reader("proc", _process, (STAT, b"sge_qmaster\0-x\0", b"SHADOWD_EPOCH=7\0SHADOWD_NONCE=" + b"a" * 32)),
    Reader(
        "server_list",
        lambda data: parse_servers(data, "f"),
        (b"hosta,hostb:15001\n[::1]:1 # x",),
        (ConfigError,),
    ),
    Reader("server_name", _servers, (b"hosta,hostb\n",), (ConfigError,)),
    Reader("toml", _configuration, (TOML,), (ConfigError,)),
    Reader("variables", _variables, (ENVIRONMENT,), (ConfigError,)),
    Reader("control_request", _request, (b'{"do":"takeover","cell":"c1"}\n',)),
    Reader("control_reply", _reply, (b'{"done":"asked"}\n', b'{"error":"no"}\n'), (ControlError,)),
)
