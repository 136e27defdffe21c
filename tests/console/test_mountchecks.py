"""What ``check`` says about the mounts of the shared directories: what each option means for these timers."""

import dataclasses
from typing import Any

import pytest

from shadowd.adapters.mounts import Mount
from shadowd.console.health import Health
from shadowd.console.mountchecks import mount_items
from shadowd.core.values import Problem, Unknown

DEFAULTS = frozenset({"rw", "vers=4.2", "hard", "local_lock=none"})
SLOW = {"stale_after": 240.0, "lease": 741.0, "beat_interval": 30.0}
QUICK = {"stale_after": 65.0, "lease": 90.0, "beat_interval": 30.0}


@dataclasses.dataclass
class Local:
    """The part of a host's record that is looked at."""

    durations: dict[str, float]


def judged(
    *options: str, timers: dict[str, float] = SLOW, kind: str = "gridengine", method: str = "", **more: Any
) -> list[tuple[Health, str, str]]:
    """Return what is said of one mount with these options in the place of the default ones."""
    keys = {option.partition("=")[0] for option in options}
    kept = {option for option in DEFAULTS if option.partition("=")[0] not in keys}
    kept -= {"rw"} if "ro" in options else set()
    kept -= {"hard"} if "soft" in options else set()
    mount = Mount("/sge", "nfs4", frozenset({*kept, *options}), **more)
    local: Any = Local(timers)
    return [(item.health, item.text, item.remedy) for item in mount_items([mount], local, kind, method)]


def test_the_default_options_are_well_with_the_default_timers() -> None:
    """One line, which tells what it is."""
    assert judged() == [(Health.OK, "nfs4 4.2, hard", "")]


def test_where_the_guard_beats_it_says_how_long_the_server_may_be_away() -> None:
    """That is what the lease costs: to be known before the file server is restarted."""
    ((health, text, _),) = judged(kind="generic", timers={"stale_after": 60, "lease": 72, "beat_interval": 5})
    assert health is Health.OK
    assert "longer than the lease (72 s) costs the master" in text


@pytest.mark.parametrize(
    ("options", "more", "health", "words", "remedy"),
    [
        (("ro",), {}, Health.CRITICAL, "read-only", "remount,rw"),
        (("soft",), {}, Health.WARNING, "is soft", "hard"),
        ((), {"free": 0}, Health.CRITICAL, "is full (no room)", "df -h /sge"),
        ((), {"free": 1 << 40, "files": 0}, Health.CRITICAL, "is full (no more files)", "df -i /sge"),
        ((), {"free": 5 << 20}, Health.WARNING, "nearly full (5 MiB left)", "df -h"),
        ((), {"free": 1 << 40, "files": 12}, Health.WARNING, "nearly full (12 files left)", "df -i"),
        ((), {"squashed": True}, Health.WARNING, "belongs to nobody", "no_root_squash"),
    ],
)
def test_what_stands_against_every_cell(
    options: tuple[str, ...], more: dict[str, Any], health: Health, words: str, remedy: str
) -> None:
    """Each by its own words, with an option or a command."""
    ((found, text, advice),) = judged(*options, **more)
    assert found is health
    assert words in text
    assert remedy in advice


@pytest.mark.parametrize(
    ("timers", "version", "words"),
    [
        (QUICK, "vers=4.2", "longer than stale_after and lease allow"),
        ({**SLOW, "stale_after": 100.0}, "vers=4.1", "longer than stale_after allows"),
        ({**SLOW, "lease": 100.0}, "vers=4.0", "longer than lease allows"),
        (QUICK, "vers=3", None),
    ],
)
def test_the_delegation_of_a_lost_host_is_weighed_against_these_timers(
    timers: dict[str, float], version: str, words: str | None
) -> None:
    """v3 has none; since v4.1 no read of shadowd leaves one, and only Grid Engine has other readers."""
    found = judged(version, timers=timers)
    if words is None:
        assert [health for health, *_ in found] == [Health.OK]
    else:
        ((health, text, remedy),) = found
        assert health is Health.WARNING
        assert words in text
        assert "164 s" in remedy
        assert "vers=3" in remedy
        assert ("vers=4.2" in remedy) is ("a lost shadow host can" in text) is (version == "vers=4.0")
    others = [health for health, *_ in judged(version, timers=timers, kind="torque", method="lease")]
    assert others == [Health.WARNING if version == "vers=4.0" else Health.OK]


def test_cached_attributes_are_weighed_against_short_timers() -> None:
    """What is older than ``stale_after`` looks like silence."""
    quick = {"stale_after": 20.0, "lease": 30.0, "beat_interval": 5.0}
    ((_, text, remedy),) = judged("vers=3", timers=quick)
    assert "31 s old, longer than stale_after (20 s)" in text
    assert remedy == "Mount it with actimeo=1."
    assert [health for health, *_ in judged("vers=3", timers=quick, kind="torque")] == [Health.OK]
    for options in (("noac",), ("acregmax=1", "acdirmax=1")):
        assert [health for health, *_ in judged("vers=3", *options, timers=quick)] == [Health.OK]


@pytest.mark.parametrize(
    ("options", "health", "words"),
    [
        (("local_lock=all",), Health.CRITICAL, "two servers"),
        (("nolock",), Health.CRITICAL, "two servers"),
        (("vers=3",), Health.WARNING, "not free before that host is back"),
        ((), Health.OK, "nfs4 4.2"),
    ],
)
def test_locks_count_where_the_kernel_s_lock_is_the_server_s(
    options: tuple[str, ...], health: Health, words: str
) -> None:
    """TORQUE 2.3 with ``fcntl``; with ``lease`` no option of this kind matters."""
    ((found, text, _),) = judged(*options, kind="torque", method="fcntl")
    assert (found, words in text) == (health, True)
    ((found, _, _),) = judged(*options, kind="torque", method="lease")
    assert found is Health.OK


def test_without_a_record_of_this_host_the_timers_are_not_judged() -> None:
    """No daemon has run here: what holds for every cell is said all the same."""
    mount = Mount("/sge", "nfs4", frozenset({"ro", "vers=4.2"}))
    unknown = Unknown(Problem.MISSING, "record", "")
    (item,) = mount_items([mount], unknown, "gridengine")
    assert (item.name, item.health) == ("mount /sge", Health.CRITICAL)
    local = Mount("/", "ext4", frozenset({"rw"}), squashed=True)  # a cell of the user nobody, on a local disk
    (item,) = mount_items([local], unknown, "gridengine")
    assert (item.health, item.text) == (Health.OK, "ext4, read and write")
