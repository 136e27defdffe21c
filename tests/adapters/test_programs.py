"""The programs of an installation: the architecture folder, the master, the scheduler of old releases."""

import os
from pathlib import Path

import pytest

from shadowd.adapters import programs as programs_module
from shadowd.adapters.gridengine import GridEngineCell
from shadowd.adapters.programs import arch, choose, programs
from shadowd.errors import CellError

USUAL = {"x86_64": "lx-amd64", "aarch64": "lx-arm64"}.get(os.uname().machine, f"lx-{os.uname().machine}")


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    """Make an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def cell(root: Path, binary_path: Path | None = None) -> GridEngineCell:
    """Return a cell of this installation."""
    return GridEngineCell(
        root=root,
        name="default",
        common=root / "default" / "common",
        spool=root / "spool",
        admin_user=None,
        binary_path=binary_path or root / "bin",
        ignore_fqdn=True,
        default_domain=None,
    )


def test_the_usual_folder_is_believed_without_running_anything(tmp_path: Path) -> None:
    """Where bin/lx-amd64 (or its like) holds the master, util/arch is not asked."""
    program(tmp_path / "bin" / USUAL / "sge_qmaster")
    program(tmp_path / "util" / "arch", "#!/bin/sh\necho wrong\n")
    assert arch(tmp_path) == USUAL


def test_else_the_installation_is_asked(tmp_path: Path) -> None:
    """Without the usual folder the installation's own word counts."""
    program(tmp_path / "util" / "arch", "#!/bin/sh\necho glinux\n")
    assert arch(tmp_path) == "glinux"


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        "echo ERROR: no uname",
        "echo UNSUPPORTED-lx-amd64",
        "printf '\\377\\376'",
        "echo ../..",
        "exec cat /dev/zero",
        "exec sleep 600",
    ],
)
def test_a_script_that_says_nothing_usable_leaves_the_only_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """A script that fails, lies, floods or hangs costs a bounded time; the one folder counts."""
    monkeypatch.setattr(programs_module, "_ARCH_LIMIT", 0.3)
    program(tmp_path / "util" / "arch", f"#!/bin/sh\n{script}\n")
    program(tmp_path / "bin" / "glinux" / "sge_qmaster")
    (tmp_path / "bin" / "solaris").mkdir()
    assert arch(tmp_path) == "glinux"


def test_two_folders_and_no_word_are_an_error_with_a_remedy(tmp_path: Path) -> None:
    """Nobody guesses between two masters."""
    program(tmp_path / "bin" / "a" / "sge_qmaster")
    program(tmp_path / "bin" / "b" / "sge_qmaster")
    with pytest.raises(CellError, match="SGE_ARCH"):
        arch(tmp_path)


def test_the_master_comes_first_and_the_scheduler_where_there_is_one(tmp_path: Path) -> None:
    """Before release 6.2 sge_schedd completes the pair; since then the master is alone."""
    master = program(tmp_path / "bin" / "glinux" / "sge_qmaster")
    assert programs(cell(tmp_path), "glinux") == (master,)
    scheduler = program(tmp_path / "bin" / "glinux" / "sge_schedd")
    assert programs(cell(tmp_path), "glinux") == (master, scheduler)
    scheduler.chmod(0o644)
    assert programs(cell(tmp_path), "glinux") == (master,)


def test_binary_path_may_hold_the_programs_itself(tmp_path: Path) -> None:
    """Debian's packages have no architecture folder below binary_path."""
    master = program(tmp_path / "sbin" / "sge_qmaster")
    assert programs(cell(tmp_path, tmp_path / "sbin"), USUAL) == (master,)


def test_a_missing_master_is_an_error_that_names_where_it_was_looked_for(tmp_path: Path) -> None:
    """The first place counts for people; a directory or a plain file of the name is no program."""
    (tmp_path / "bin" / USUAL / "sge_qmaster").mkdir(parents=True)
    (tmp_path / "bin" / "sge_qmaster").touch(mode=0o644)
    with pytest.raises(CellError) as caught:
        programs(cell(tmp_path), USUAL)
    assert caught.value.subject == str(tmp_path / "bin" / USUAL / "sge_qmaster")
    assert caught.value.remedy


@pytest.mark.real
def test_debians_own_script_says_what_the_folder_is_called() -> None:
    """The installed util/arch and the folder that is believed without it agree."""
    assert programs_module._ask(Path("/usr/share/gridengine/util/arch")) == USUAL


def test_an_architecture_without_a_master_gives_way_to_one_with_it(tmp_path: Path) -> None:
    """The folder that holds one is used, and that is said."""
    there = tmp_path / "bin" / USUAL
    master = program(there / "sge_qmaster")
    wrong = tmp_path / "bin" / "lx-wrong"
    found, note = choose(cell(tmp_path), "lx-wrong")
    assert (found, note) == (
        (master,),
        f"SGE_ARCH is lx-wrong, and {wrong} holds no sge_qmaster: that of {there} is used",
    )
    assert choose(cell(tmp_path), USUAL) == choose(cell(tmp_path), None) == ((master,), "")
    program(tmp_path / "bin" / "glinux" / "sge_qmaster")
    assert choose(cell(tmp_path), "lx-wrong")[0] == (master,), "the usual one of two"


def test_binary_path_counts_where_the_installation_has_no_programs(tmp_path: Path) -> None:
    """They lie elsewhere, in a folder of which nobody told the name."""
    elsewhere = tmp_path / "elsewhere"
    master = program(elsewhere / "glinux" / "sge_qmaster")
    found, note = choose(cell(tmp_path, elsewhere), None)
    assert found == (master,)
    assert note.startswith(f"the architecture is {USUAL}, and {elsewhere / USUAL} holds no sge_qmaster")


def test_a_master_that_is_nowhere_has_the_path_that_it_should_have(tmp_path: Path) -> None:
    """It may be installed later; of two folders with one, neither is the usual one: no guess."""
    wanted = tmp_path / "bin" / "lx-wrong" / "sge_qmaster"
    assert choose(cell(tmp_path), "lx-wrong") == ((wanted,), "")
    for name in ("one", "two"):
        program(tmp_path / "bin" / name / "sge_qmaster")
    assert choose(cell(tmp_path), "lx-wrong") == ((wanted,), "")
