"""What ``check`` and ``status`` say of hosts that could not run the master, or that have other data."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from shadowd.console.cells import places
from shadowd.console.gather import gather, local_record
from shadowd.console.health import Health
from shadowd.console.records import HostRecord
from shadowd.console.report import Report, report
from shadowd.console.text import status
from shadowd.core.values import Unknown
from tests.console.handmade import NOW, HandMade, standard

LACKS = {"reason": "cannot_run", "text": "this host could not run the master", "until": None}


def look(made: HandMade) -> Report:
    """Look at the cell."""
    (gathered,) = gather(places(made.config, [], {}), 10, lambda: NOW)
    return report(gathered)


def item(found: Report, name: str) -> tuple[Health, str]:
    """Return the verdict and the text of an item."""
    return next((each.health, each.text) for each in found.items if each.name == name)


def path(name: str = "/db", **changes: Any) -> dict[str, Any]:
    """Return what a record says of a directory that nobody else is known to see."""
    return {
        "path": name,
        "file_system": "ext4 /dev/sda1",
        "local": True,
        "token": "0123456789abcdef",
        "same": [],
        "other": {},
        "problem": "",
        **changes,
    }


def publish(made: HandMade, **paths: list[dict[str, Any]] | None) -> None:
    """Let hosts tell of directories; None: of a release that tells of none."""
    for host, said in paths.items():
        made.record(host, **({} if said is None else {"paths": said, "notes": []}))
        if host == "h2":
            made.local(host, **({} if said is None else {"paths": said, "notes": []}))


def test_how_many_could_take_over_and_why_the_others_could_not(made: HandMade) -> None:
    """One of two, with the reason of the other one: from its record, on whatever host."""
    made.shadows("h1", "h2", "h3")
    made.record("h3", refusals=[{**LACKS, "detail": "no such program /sge/bin/sge_qmaster"}])
    found = look(made)
    said = "1 of 2 can take over: h2; h3: no such program /sge/bin/sge_qmaster"
    assert item(found, "shadows") == (Health.WARNING, said)
    assert item(found, "host h3") == (
        Health.WARNING,
        "would not take over: this host could not run the master: no such program /sge/bin/sge_qmaster",
    )
    assert "1 of 2 hosts can take over" in status([found, found], compact=True)
    assert "no such program /sge/bin/sge_qmaster" in " ".join(status([found]).split())


def test_nobody_could_take_over_and_why(made: HandMade) -> None:
    """The only shadow lacks something: critical, with what it lacks."""
    said = {**LACKS, "detail": "this host knows no user sge"}
    made.record("h2", refusals=[said])
    made.local("h2", refusals=[said])
    health, text = item(look(made), "shadows")
    assert health is Health.CRITICAL
    assert text.endswith("if the master died now: h2: this host knows no user sge")


def test_what_the_daemon_makes_of_the_cell_is_told(made: HandMade) -> None:
    """An architecture that it passed over, for one."""
    made.local("h2", notes=["SGE_ARCH is lx-x, that of lx-y is used"], wall=NOW)
    assert (Health.WARNING, "SGE_ARCH is lx-x, that of lx-y is used") in [
        (each.health, each.text) for each in look(made).items
    ]


SAME = {"h1": [path(same=["h2"])], "h2": [path(same=["h1"])]}
APART = {"h1": [path()], "h2": [path(other={"h1": "0123456789abcdef"})]}


def test_directories_that_are_the_same_on_all_hosts(made: HandMade) -> None:
    """Each is named."""
    publish(made, **SAME)
    assert item(look(made), "paths") == (Health.OK, "the same on all hosts: /db")


@pytest.mark.parametrize("sees", ["h1", "h2"])
def test_a_directory_that_is_not_the_same_is_critical(made: HandMade, sees: str) -> None:
    """Whoever of the two has found it out, with what lies there on each."""
    other = "h2" if sees == "h1" else "h1"
    publish(made, **{sees: [path(other={other: "0123456789abcdef"})], other: [path()]})
    assert item(look(made), "paths") == (
        Health.CRITICAL,
        "/db is not the same directory on all hosts: h1 (ext4 /dev/sda1), h2 (ext4 /dev/sda1)",
    )


def test_a_directory_that_nobody_confirms_is_a_warning(made: HandMade) -> None:
    """Both tell of it, and neither could leave its name."""
    publish(made, h1=[path(token="")], h2=[path(token="")])
    assert item(look(made), "paths") == (
        Health.WARNING,
        "/db: no other host confirms that it sees that of h1, h2",
    )


def test_a_release_that_does_not_say_is_not_known_and_no_alarm(made: HandMade) -> None:
    """An upgrade host by host must not wake anybody."""
    publish(made, h1=None, h2=[path()])
    assert item(look(made), "paths") == (Health.OK, "not known of h1, whose release does not say: /db")


def test_a_host_that_left_the_cell_says_nothing(made: HandMade) -> None:
    """Its record lies there for ever."""
    publish(made, **SAME)
    made.record("h9", paths=[path(other={"h1": "0123456789abcdef"})], notes=[])
    assert item(look(made), "paths")[0] is Health.OK


def test_a_cell_without_such_directories_has_no_item(made: HandMade) -> None:
    """Nothing to look at, nothing to say."""
    publish(made, h1=[], h2=[])
    assert "paths" not in {each.name for each in look(made).items}


@pytest.mark.parametrize(
    "said",
    [7, [7], [{"path": "/db"}], [path(same="h1")], [path(same=[1])], [path(other=[])], [path(local=1)]],
    ids=str,
)
def test_a_record_with_garbage_in_its_directories_is_a_problem(made: HandMade, said: object) -> None:
    """It is named with the field, like any other."""
    made.record("h1", paths=said)
    health, text = item(look(made), "host h1")
    assert health is not Health.OK
    assert "garbage (paths" in text


def test_reasons_keep_their_detail(made: HandMade) -> None:
    """``garbage`` alone helps nobody who looks at a file with a name in it."""
    made.active("localhost")
    (made.common / "shadow_masters").write_bytes(b"h1\x00h2")
    found = look(made)
    assert "(localhost is another machine on every host)" in item(found, "act_qmaster")[1]
    assert "contains b'\\x00'" in item(found, "shadow_masters")[1]


def test_a_user_that_this_host_does_not_know_is_critical(made: HandMade) -> None:
    """No daemon can serve the cell here, and none will say why."""
    bootstrap = made.common / "bootstrap"
    bootstrap.write_text(bootstrap.read_text().replace("admin_user none", "admin_user nemo"))
    health, text = item(look(made), "admin_user")
    assert health is Health.CRITICAL
    assert text.startswith("this host knows no user nemo")


def test_the_state_of_a_daemon_of_another_user_is_found(made: HandMade, tmp_path: Path) -> None:
    """Monitoring has a runtime directory of its own, and there is nothing in it."""
    (place,) = places(made.config, [], {})
    theirs = place._replace(runtime_dir=tmp_path / "mine", readable=(made.runtime,))
    found = local_record(theirs)
    assert isinstance(found, HostRecord)
    assert found.pid == made.pid
    own = tmp_path / "mine"
    own.mkdir()
    stale = {**standard("h2"), "pid": 1 << 22, "wall": NOW}
    (own / "default@h2.state.json").write_text(json.dumps(stale))
    found = local_record(theirs)
    assert isinstance(found, HostRecord)
    assert found.pid == made.pid, "a daemon that lives counts before a newer record of one that does not"


def test_where_no_daemon_ever_ran_the_usual_place_is_named(made: HandMade, tmp_path: Path) -> None:
    """And a place that cannot be read is told before one where nothing is."""
    (place,) = places(made.config, [], {})
    nowhere = place._replace(runtime_dir=tmp_path / "mine", readable=(tmp_path / "theirs",))
    found = local_record(nowhere)
    assert isinstance(found, Unknown)
    assert found.subject == str(tmp_path / "theirs" / "default@h2.state.json")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "default@h2.state.json").write_text("{")
    found = local_record(nowhere)
    assert isinstance(found, Unknown)
    assert found.subject == str(tmp_path / "mine" / "default@h2.state.json")


def test_whose_directories_are_looked_at_where_nobody_chose_one(
    made: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's besides one's own; only the chosen one where there is one."""
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    (chosen,) = places(made.config, [], {})
    assert (chosen.runtime_dir, chosen.readable) == (made.runtime, ())
    made.config.write_text(made.config.read_text().replace(f'runtime_dir = "{made.runtime}"\n', ""))
    (usual,) = places(made.config, [], {})
    assert (usual.runtime_dir, usual.readable) == (Path("/tmp/shadowd-65534"), (Path("/run/shadowd"),))
