"""The options of the fuzzing tests, and the sum of what they tried."""

import pytest

COUNT = "inputs"
QUICK = 0.2
"""Seconds for each reader, unless the command line says otherwise."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add how long each reader is fuzzed, and from which seed."""
    group = parser.getgroup("fuzz", "tests/fuzz")
    group.addoption(
        "--fuzz-seconds", type=float, default=QUICK, metavar="S", help=f"for each reader (default {QUICK:g})"
    )
    group.addoption("--fuzz-seed", type=int, default=0, metavar="N", help="where the inputs begin")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many inputs were tried."""
    counts = [
        int(str(value))
        for report in terminalreporter.stats.get("passed", [])
        for name, value in getattr(report, "user_properties", ())
        if name == COUNT
    ]
    if counts:
        terminalreporter.write_line(f"fuzz: {sum(counts):,} inputs to {len(counts)} readers")
