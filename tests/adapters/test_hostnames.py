"""Host names: the rules of GRIDENGINE.md, "Files", and bytes that are no names."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.adapters.hostnames import HostNames, is_host_name, machine_names, parse_aliases
from shadowd.core.values import Problem, Seconds, Unknown

ALIASES = b"""# comment
head     cluster-head.example.com,10.0.0.2,head.local

node1.example.com\tnode1-ib.ib.example.com; n1
"""
WORDS = st.from_regex(r"[a-zA-Z0-9]{1,3}(\.[a-zA-Z0-9]{1,3}){0,2}", fullmatch=True)


@pytest.mark.parametrize(
    ("ignore_fqdn", "domain", "one", "other", "same"),
    [
        (True, None, "Node1", "node1", True),
        (True, None, "node1.example.com", "NODE1.other.org", True),
        (True, None, "node1", "node2", False),
        (True, None, "node1.", "node1", True),
        (True, "example.com", "node1", "node1.other.org", True),
        (False, None, "Node1.Example.com", "node1.example.COM", True),
        (False, None, "node1", "node1.example.com", False),
        (False, "Example.com", "node1", "NODE1.example.com", True),
        (False, "example.com", "node1", "node1.other.org", False),
        (True, None, "10.0.0.2", "10.0.0.3", False),
        (False, "example.com", "10.0.0.2", "10.0.0.2", True),
    ],
)
def test_host_names_compare_as_the_cell_says(
    *, ignore_fqdn: bool, domain: str | None, one: str, other: str, same: bool
) -> None:
    """Names compare without case; with ignore_fqdn up to the first dot; else short ones get the domain."""
    names = HostNames(ignore_fqdn, domain)
    assert (names.canonical(one) == names.canonical(other)) is same


@pytest.mark.parametrize(
    ("ignore_fqdn", "name", "canonical"),
    [
        (False, "Cluster-Head.Example.com", "head"),
        (False, "cluster-head", "cluster-head"),
        (True, "cluster-head", "head"),
        (False, "10.0.0.2", "head"),
        (True, "10.0.0.2", "head"),
        (False, "head", "head"),
        (False, "n1", "node1.example.com"),
        (True, "n1", "node1"),
        (True, "node1-ib", "node1"),
        (False, "node1-ib.ib.example.com", "node1.example.com"),
        (False, "node2", "node2"),
    ],
)
def test_aliases_resolve_first(*, ignore_fqdn: bool, name: str, canonical: str) -> None:
    """An alias becomes the first name of its line before any other rule applies."""
    assert HostNames(ignore_fqdn, None, parse_aliases(ALIASES)).canonical(name) == canonical


def test_the_name_to_reach_a_host_keeps_its_domain() -> None:
    """What is compared may lose the domain; what is connected to does not."""
    names = HostNames(ignore_fqdn=True, aliases=parse_aliases(ALIASES))
    assert names.full("Node7.Lab") == "node7.lab"
    assert names.full("n1") == "node1.example.com"


@pytest.mark.parametrize(
    ("text", "aliases"),
    [
        (b"", {}),
        (b"#head a\n", {}),
        (b"head\n", {"head": "head"}),
        (b"head a\r\nhead b\n", {"head": "head", "a": "head", "b": "head"}),
        (b"one a\ntwo a\n", {"one": "one", "a": "one", "two": "two"}),
        (b"one two\ntwo b\n", {"one": "one", "two": "two", "b": "two"}),
        (b"-head a\nhead -x @y z\n", {"head": "head", "z": "head"}),
    ],
)
def test_host_aliases_are_read_as_grid_engine_reads_them(text: bytes, aliases: dict[str, str]) -> None:
    """One canonical name and its aliases a line; the first line wins; what is no name is passed over."""
    assert parse_aliases(text) == aliases


def test_two_aliases_that_differ_only_in_the_domain_leave_the_short_name_alone() -> None:
    """With ignore_fqdn a short name that two lines claim is nobody's alias."""
    names = HostNames(ignore_fqdn=True, aliases=parse_aliases(b"one node.a\ntwo node.b\n"))
    assert [names.canonical(name) for name in ("node.a", "node.b", "node")] == ["one", "two", "node"]


@pytest.mark.parametrize(
    "word",
    [
        b"", b"-h", b"a b", b"a\0b", b"@group", b"a..b", b".a", b"a/b", b"\xff\xfe", b"a:1", b"x" * 256,
        "h\N{LATIN SMALL LETTER O WITH DIAERESIS}st".encode(), b"a\n", b"localhost", b"LOCALHOST.localdomain",
        b"127.0.0.1",
    ],
)  # fmt: skip
def test_what_names_no_host_is_unknown(word: bytes) -> None:
    """Binary, options, groups and localhost are no hosts; the answer names the file."""
    answer = HostNames().read(word, "/cell/common/act_qmaster")
    assert isinstance(answer, Unknown)
    assert answer.problem is Problem.GARBAGE
    assert answer.subject == "/cell/common/act_qmaster"
    assert len(answer.detail) < 300


@given(word=st.binary(max_size=300), ignore=st.booleans(), domain=st.none() | WORDS, table=st.binary())
def test_no_bytes_break_the_rules(*, word: bytes, ignore: bool, domain: str | None, table: bytes) -> None:
    """Whatever the word and whatever the alias file, the answer is a host of one word or Unknown."""
    answer = HostNames(ignore, domain, parse_aliases(table)).read(word, "f")
    assert isinstance(answer, Unknown) or is_host_name(answer.encode("ascii"))


@given(name=st.text(), ignore=st.booleans(), domain=st.none() | st.text())
def test_canonical_never_fails(*, name: str, ignore: bool, domain: str | None) -> None:
    """Any text has a canonical form, and that form is its own."""
    names = HostNames(ignore, domain)
    once = names.canonical(name)
    assert ignore or domain or names.canonical(once) == once


@given(lines=st.lists(st.lists(WORDS, min_size=1, max_size=4), max_size=6), ignore=st.booleans())
def test_every_alias_is_the_first_name_of_a_line(*, lines: list[list[str]], ignore: bool) -> None:
    """Aliases never chain: what an alias stands for stands for itself."""
    table = parse_aliases("\n".join(" ".join(line) for line in lines).encode())
    names = HostNames(ignore, None, table)
    for line in lines:
        for name in line:
            assert table[table[name.lower()]] == table[name.lower()]
            assert names.full(name) in {words[0].lower() for words in lines}


def test_this_machine_is_known_by_all_its_names() -> None:
    """The short name, the official name and the aliases of this machine are one host: the official one."""
    names = HostNames(ignore_fqdn=False).knowing(("Node1.example.com", "node1", "loghost"))
    assert {names.canonical(name) for name in ("node1", "NODE1.example.com", "loghost")} == {
        "node1.example.com"
    }
    assert names.canonical("node2") == "node2"


def test_host_aliases_go_before_the_resolver() -> None:
    """Where host_aliases renames this machine, all its names mean the renamed one."""
    names = HostNames(ignore_fqdn=False, aliases=parse_aliases(ALIASES))
    known = names.knowing(("cluster-head.example.com", "cluster-head"))
    assert known.canonical("cluster-head") == "head"
    assert known.canonical("head.local") == "head"


@pytest.mark.parametrize("words", [(), ("",), ("-x", "\udcff", "\0")])
def test_a_machine_without_a_usable_name_changes_nothing(words: tuple[str, ...]) -> None:
    """Names that are none are not learnt."""
    assert HostNames().knowing(words) == HostNames()


def test_the_machines_own_name_comes_without_waiting_for_the_resolver() -> None:
    """With no time at all the kernel's name alone is the answer; with time it is among the answers."""
    kernel = os.uname().nodename
    assert machine_names(Seconds(0.0))[0]
    assert kernel in machine_names(Seconds(5.0))


@pytest.mark.real
def test_the_real_grid_engine_agrees(tmp_path: Path) -> None:
    """Debian's gethostbyname prints the same names as ours, aliases and case included."""
    common = tmp_path / "default" / "common"
    common.mkdir(parents=True)
    (common / "host_aliases").write_bytes(ALIASES)
    (common / "bootstrap").write_text(
        "admin_user none\ndefault_domain none\nignore_fqdn true\nspooling_method classic\n"
        "spooling_lib libspoolc\nspooling_params x;y\nbinary_path /usr/bin\nqmaster_spool_dir /x\n"
        "security_mode none\n"
    )
    (tmp_path / "hosts").write_text(
        "127.0.0.1 localhost\n10.0.0.2 cluster-head.example.com ch\n10.0.0.3 Node1.Example.com\n"
        "10.0.0.4 head\n10.0.0.5 node1-ib.ib.example.com\n10.0.0.6 n1\n10.0.0.7 head.local\n"
    )
    (tmp_path / "nsswitch").write_text("hosts: files\n")
    script = (
        f"mount --bind {tmp_path}/hosts /etc/hosts; mount --bind {tmp_path}/nsswitch /etc/nsswitch.conf;"
        'for name; do /usr/lib/gridengine/gethostbyname -aname "$name"; done'
    )
    asked = ["Cluster-Head.Example.com", "NODE1.example.com", "head", "node1-ib.ib.example.com", "n1"]
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "SGE_ROOT": str(tmp_path), "SGE_CELL": "default"}
    environment |= {"SGE_QMASTER_PORT": "6444", "SGE_EXECD_PORT": "6445"}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *asked],
        env=environment, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    names = HostNames(ignore_fqdn=False, aliases=parse_aliases(ALIASES))
    assert [line.lower() for line in done.stdout.split()] == [names.full(name) for name in asked]
