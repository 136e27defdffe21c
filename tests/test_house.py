"""The house rules as tests: lint, format, types, floors, and what people tend to slip in by accident.

They run in the same command as all other tests, so that one green line means all of it. They read files
that git knows or would add, never what is ignored.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

TOP = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
TOP_LEVEL = {
    *("pyproject.toml", "shadowd", "config", "tests", "deploy", "README.md"),
    *("LICENSE", "CHANGELOG.md", "requirements.lock"),
}
BANNED_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "watchdog", "logging"}
# Put together here, so that this file does not name what it looks for.
REGISTRY = re.compile("py" + r"pi\.org|python" + "hosted|--(?:extra-)?" + "index-url|file:" + "///")
HOMES = re.compile(r"(?<![\w/.-])/(?:home|Users|" + "root" + r")/\w")
LOCKS = ("requirements.lock", "deploy/build.lock", "tests/requirements.lock")
RUNNABLE = ("tests/run", ".ci/run", "deploy/quickstart")


@cache
def files() -> tuple[Path, ...]:
    """Return the files of the project: what git has or would add."""
    argv = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=TOP, check=True, capture_output=True, text=True).stdout
    paths = (TOP / name for name in listed.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file() and not path.is_symlink()))


@cache
def texts() -> dict[Path, str]:
    """Return the text files with their text, this one left out."""
    found = {}
    for path in files():
        raw = path.read_bytes()
        if b"\0" not in raw and path != Path(__file__).resolve():
            found[path.relative_to(TOP)] = raw.decode(errors="replace")
    return found


def python() -> dict[Path, str]:
    """Return the Python modules with their text."""
    return {path: text for path, text in texts().items() if path.suffix == ".py"}


def passes(*argv: str | Path) -> None:
    """Run a checker at the top and show what it complains about."""
    done = subprocess.run(argv, cwd=TOP, check=False, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, f"{' '.join(map(str, argv))}\n{done.stdout}{done.stderr}"


def matches(pattern: re.Pattern[str]) -> Iterator[str]:
    """Yield where a pattern occurs, as file:line: text."""
    for path, text in texts().items():
        for number, line in enumerate(text.splitlines(), start=1):
            if pattern.search(line):
                yield f"{path}:{number}: {line.strip()[:120]}"


def test_ruff_check() -> None:
    """The linter has nothing to say."""
    passes(sys.executable, "-m", "ruff", "check", "--quiet", ".", "tests/run")


def test_ruff_format() -> None:
    """Every Python file is formatted."""
    passes(sys.executable, "-m", "ruff", "format", "--check", "--quiet", ".", "tests/run")


@pytest.mark.timeout(120)
def test_mypy() -> None:
    """The package type-checks in strict mode."""
    passes(sys.executable, "-m", "mypy")


def test_floors() -> None:
    """Every module imports only what lies on lower floors."""
    passes(BIN / "lint-imports")


def test_top_level() -> None:
    """The top level holds what the layout names, and dot-files."""
    entries = {path.relative_to(TOP).parts[0] for path in files()}
    assert {entry for entry in entries if not entry.startswith(".")} <= TOP_LEVEL


def test_module_length() -> None:
    """No module is longer than 500 lines, enough for one reason to change; a list of stories may have 600."""
    limits = {path: 600 if path.parts[0] == "tests" else 500 for path in python()}
    lengths = {path: text.count("\n") for path, text in python().items()}
    assert {str(path): lengths[path] for path in limits if lengths[path] > limits[path]} == {}


def test_module_names() -> None:
    """No module or package is named after nothing, or like a package that it would hide."""
    assert [str(path) for path in python() if {*path.parent.parts, path.stem} & BANNED_NAMES] == []


def test_module_docstrings_say_more_than_a_name() -> None:
    """Every module of the package opens with a docstring of a sentence at least."""
    package = {path: text for path, text in python().items() if path.parts[0] == "shadowd"}
    said = {str(path): ast.get_docstring(ast.parse(text)) or "" for path, text in package.items()}
    assert said
    assert [path for path, words in said.items() if len(words) < 40] == []


def test_no_address_of_a_package_registry() -> None:
    """No file says where packages come from: that is for whoever installs them to choose."""
    assert list(matches(REGISTRY)) == []


def test_no_path_of_this_machine() -> None:
    """No file names a home directory or the place where this clone happens to lie."""
    assert list(matches(HOMES)) == []
    # A clone in /x or /srv would match by accident.
    places = [str(place) for place in (TOP, Path(sys.prefix)) if len(place.parts) > 2]
    assert list(matches(re.compile("|".join(rf"{re.escape(place)}(?![\w-])" for place in places)))) == []


def test_scripts_can_be_run() -> None:
    """The commands that the README names have their run bit."""
    assert [name for name in RUNNABLE if not os.access(TOP / name, os.X_OK)] == []


def test_shell_scripts() -> None:
    """Shellcheck has nothing to say about any shell script."""
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("shellcheck is not installed: apt-get install shellcheck")
    shells = re.compile(r"#! ?(?:/usr)?/bin/(?:env )?(?:ba|da)?sh\b")
    scripts = [str(path) for path, text in texts().items() if shells.match(text)]
    passes(program, "--severity=style", *scripts)


def test_locks_pin_every_dependency() -> None:
    """Each dependency of pyproject.toml is pinned, within its bounds and with hashes, in its lock file."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["test"]
    for name, requirements in (
        ("requirements.lock", project["dependencies"]),
        ("tests/requirements.lock", [*project["dependencies"], *extra]),
    ):
        pinned = pins(name)
        for requirement in map(Requirement, requirements):
            assert pinned.get(requirement.name, "none") in requirement.specifier, f"{requirement} in {name}"


def test_locks_agree() -> None:
    """The tests run with the very versions that users get, built by the same tools."""
    used, build, tests = map(pins, LOCKS)
    assert used.items() <= tests.items()
    assert {name for name, pin in build.items() if tests.get(name, pin) != pin} == set()


def test_locks_are_installed_as_they_are() -> None:
    """Nothing is resolved beside the locks: pip 23 looked past the pin of ``coverage[toml]`` and refused."""
    for script in ("tests/run", "deploy/quickstart"):
        installs = [line for line in (TOP / script).read_text().splitlines() if "--require-hashes" in line]
        assert installs
        assert [line for line in installs if "--no-deps" not in line] == [], script
    passes(sys.executable, "-m", "pip", "check")


def pins(lock: str) -> dict[str, str]:
    """Return name and version of each package of a lock file; each must carry a hash."""
    text = (TOP / lock).read_text()
    found = dict(re.findall(r"^([\w.-]+)==([^ ;]+)", text, re.MULTILINE))
    hashed = re.findall(r"^([\w.-]+)==.*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert sorted(found) == sorted(hashed), f"packages without a hash in {lock}"
    return found


def python313() -> str | None:
    """Return a Python 3.13 that really starts (a pyenv shim may not), or None."""
    candidates = [shutil.which("python3.13")]
    root = os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv"
    candidates += [str(path) for path in sorted(Path(root).glob("versions/3.13.*/bin/python3.13"))]
    ask = "import ensurepip, sys; sys.exit(sys.version_info[:2] != (3, 13))"
    for candidate in filter(None, candidates):
        if (
            subprocess.run([candidate, "-c", ask], check=False, capture_output=True, timeout=30).returncode
            == 0
        ):
            return candidate
    return None


@pytest.mark.real
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.version_info[:2] == (3, 13), reason="this run is on Python 3.13 already")
def test_suite_on_python_3_13() -> None:
    """The tests that need no daemons pass on Python 3.13 too, in an environment of its own.

    By its time limit it begins first; it takes what time the tests with daemons leave, which mostly wait.
    """
    interpreter = python313()
    if interpreter is None:
        pytest.skip("no Python 3.13: install python3.13 and python3.13-venv, or `pyenv install 3.13`")
    env = os.environ | {"SHADOWD_VENV": f"{sys.prefix}-3.13"}
    for variable in [name for name in env if name.startswith(("COV_", "PYTEST_"))]:
        del env[variable]
    argv = ["nice", interpreter, str(TOP / "tests/run"), "--plain", "-q"]
    done = subprocess.run(argv, env=env, cwd=TOP, check=False, capture_output=True, text=True, timeout=1790)
    assert done.returncode == 0, f"{done.stdout[-8000:]}{done.stderr[-4000:]}"
