"""Whole daemons on a generic cell whose hosts do not all have what its master needs."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.daemon.generics import SINGLETON, Generic
from tests.daemon.toys import LONG, launch, patiently
from tests.lab import processes

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give the directory that the master needs besides the cell's."""
    path = tmp_path / "data"
    path.mkdir()
    (path / "content").write_text("of all hosts\n")
    return path


@pytest.fixture
def single(tmp_path: Path, data: Path) -> Iterator[Generic]:
    """Give a cell of alpha and beta with a further directory, where nothing runs yet."""
    made = Generic(tmp_path / "cell")

    def command(host: str) -> Sequence[str]:
        program = made.root / host / "python"
        program.symlink_to(sys.executable)
        return (str(program), str(SINGLETON), str(made.journal), host, f"{made.root / host}/")

    made.command = command
    made.shared.mkdir(parents=True)
    (made.shared / "shadow_masters").write_text("alpha\nbeta\n")
    made.keys = {"restart_limit": 0}
    made.shared_paths = (str(data),)
    yield made
    made.close()


def test_a_directory_that_all_see_prevents_nothing(single: Generic, data: Path) -> None:
    """Each host's name lies in it, and a takeover is what it always was."""
    single.begin()
    beta = single.daemons["beta"]
    same = lambda: [path["same"] for path in beta.record().get("paths", [])] == [["alpha"]]  # noqa: E731
    patiently(same, LONG, "the same directory", single.story)
    assert {path.name.partition(".")[0] for path in (data / ".shadowd").iterdir()} == {"alpha", "beta"}
    assert f"the same on all hosts: {data}" in " ".join(beta.verb("check").stdout.split())
    single.daemons["alpha"].kill()
    processes.kill(single.masters("alpha"))
    single.wait_master("beta")
    single.never_two()


def test_a_directory_that_is_another_one_here(single: Generic, data: Path) -> None:
    """Something else is mounted there on one host: it does not bid, and its neighbour says so too."""
    for host in single.hosts:
        single.configure(host)
    single.serve_again("alpha")
    single.daemons["alpha"].wait_state("standby")
    other = data.with_name("other")
    other.mkdir()
    (other / "content").write_text("of beta alone\n")
    bind = ("unshare", "--mount", "sh", "-c", f'mount --bind {other} {data} && exec "$@"', "sh")
    single.start("alpha")
    single.daemons["beta"] = launch(single.root / "beta", "beta", before=bind)
    single.daemons["beta"].cell = "single"
    said = single.daemons["beta"].wait_refused("not_shared")
    assert said["detail"] == f"{data} is not that of alpha"
    told = lambda: single.daemons["alpha"].verb("check")  # noqa: E731 - a name for a long line
    apart = f"{data} is not the same directory on all hosts"
    patiently(lambda: apart in " ".join(told().stdout.split()), LONG, "it is told", single.story)
    assert told().returncode == 2
    processes.kill(single.masters("alpha"))
    patiently(lambda: ("2", "alpha") in single.reigns(), LONG, "alpha serves again", single.story)
    single.wait_master("alpha")
    assert {host for _, host in single.reigns()} == {"alpha"}


def test_a_program_that_is_gone_and_comes_back(single: Generic) -> None:
    """While no host has it no claim is made, however long that lasts; then the first that has it again."""
    single.begin()
    alpha, beta = single.daemons["alpha"], single.daemons["beta"]
    program = single.root / "beta" / "python"
    program.unlink()
    assert beta.wait_refused("cannot_run")["detail"] == f"no such program {program}"
    (single.root / "alpha" / "python").unlink()
    processes.kill(single.masters("alpha"))
    alpha.wait_refused("cannot_run")
    claims = lambda: sorted(single.shared.glob("shadowd/claims/*.json"))  # noqa: E731 - a name for a long line
    before, since = claims(), beta.record()["observed"]
    later = lambda: beta.record()["observed"] > since + 5  # noqa: E731 - likewise
    patiently(later, LONG, "many a retry_limit is over", single.story)
    assert claims() == before, single.story()
    program.symlink_to(sys.executable)
    single.wait_master("beta")
    single.never_two()
