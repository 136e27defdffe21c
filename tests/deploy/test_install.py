"""The installer: what it puts where, and what it leaves alone."""

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
PROGRAM = shutil.which("true") or "/bin/true"


def install(destdir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call the installer on a directory of the test's own."""
    return subprocess.run(
        [DEPLOY / "install", "--destdir", destdir, *words], check=False, capture_output=True, text=True
    )


def everything(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Return all files below a directory with content and time of change."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_everything_gets_its_place(tmp_path: Path) -> None:
    """Script under both names, units, directories and rotation are installed, the script executable."""
    done = install(tmp_path, "--program", PROGRAM)
    assert (done.returncode, done.stderr) == (0, "")
    script = (DEPLOY / "sgemaster").read_bytes()
    for name in ("sgemaster", "sge5"):
        assert (tmp_path / "etc/init.d" / name).read_bytes() == script
        assert (tmp_path / "etc/init.d" / name).stat().st_mode & 0o777 == 0o755
    for name in ("systemd/system/shadowd.service", "systemd/system/sgemaster.service", "default/shadowd"):
        assert (tmp_path / "etc" / name).is_file()
    assert f"ExecStart={PROGRAM} run" in (tmp_path / "etc/systemd/system/shadowd.service").read_text()


def test_a_host_of_torque_gets_its_own(tmp_path: Path) -> None:
    """Its script, its unit and its cron line, which is off; TORQUE's own are kept as the way back."""
    (tmp_path / "etc/init.d").mkdir(parents=True)
    (tmp_path / "etc/init.d/pbs_server").write_text("#!/bin/sh\nqterm\n")
    done = install(tmp_path, "--torque", "--program", PROGRAM)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "etc/init.d/pbs_server").read_bytes() == (DEPLOY / "pbs_server").read_bytes()
    assert (tmp_path / "etc/init.d/pbs_server").stat().st_mode & 0o777 == 0o755
    assert "qterm" in (tmp_path / "etc/init.d/pbs_server.before-shadowd").read_text()
    assert (tmp_path / "etc/systemd/system/pbs_server.service").is_file()
    line = (tmp_path / "etc/cron.d/pbs_server").read_text().splitlines()
    assert [words for words in line if not words.startswith("#")] == []
    assert line[-1].endswith(" root /etc/init.d/pbs_server keep")
    assert not list(tmp_path.rglob("sge*"))
    before = everything(tmp_path)
    assert install(tmp_path, "--torque", "--program", PROGRAM).returncode == 0
    assert everything(tmp_path) == before


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    """Installing again says that all is in place and rewrites no file."""
    install(tmp_path, "--program", PROGRAM)
    before = everything(tmp_path)
    done = install(tmp_path, "--program", PROGRAM)
    assert everything(tmp_path) == before
    assert "installed" not in done.stdout
    assert done.stdout.count("unchanged") == 6


def test_an_older_file_is_updated(tmp_path: Path) -> None:
    """A file of an earlier release is replaced, and said to be."""
    install(tmp_path, "--program", PROGRAM)
    unit = tmp_path / "etc/tmpfiles.d/shadowd.conf"
    unit.write_text("older\n")
    assert "updated    /etc/tmpfiles.d/shadowd.conf" in install(tmp_path, "--program", PROGRAM).stdout
    assert unit.read_text() != "older\n"


def test_what_the_administrator_wrote_is_kept(tmp_path: Path) -> None:
    """The defaults file survives, and another maker's startup script is kept as the way back."""
    (tmp_path / "etc/default").mkdir(parents=True)
    (tmp_path / "etc/init.d").mkdir()
    (tmp_path / "etc/default/shadowd").write_text("SGE_ROOT=/mine\n")
    (tmp_path / "etc/init.d/sgemaster").write_text("#!/bin/sh\n# stock\n")
    done = install(tmp_path, "--program", PROGRAM)
    assert done.returncode == 0
    assert (tmp_path / "etc/default/shadowd").read_text() == "SGE_ROOT=/mine\n"
    assert (tmp_path / "etc/init.d/sgemaster.before-shadowd").read_text() == "#!/bin/sh\n# stock\n"
    assert install(tmp_path, "--program", PROGRAM).returncode == 0


def test_a_script_that_came_back_is_a_question(tmp_path: Path) -> None:
    """A second foreign script beside the kept one is not thrown away."""
    (tmp_path / "etc/init.d").mkdir(parents=True)
    for name in ("sgemaster", "sgemaster.before-shadowd"):
        (tmp_path / "etc/init.d" / name).write_text(f"#!/bin/sh\n# {name}\n")
    before = everything(tmp_path)
    done = install(tmp_path, "--program", PROGRAM)
    assert done.returncode == 1
    assert "came back" in done.stderr
    assert everything(tmp_path) == before


@pytest.mark.parametrize("words", [("--program",), ("--program", "shadowd"), ("--program", "/a b"), ("-x",)])
def test_wrong_words_install_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A missing value, a relative or strange path and an unknown option are refused with a hint."""
    done = install(tmp_path / "root", *words)
    assert done.returncode == 64
    assert "hint:" in done.stderr
    assert not (tmp_path / "root").exists()
