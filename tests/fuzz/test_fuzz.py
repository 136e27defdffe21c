"""No bytes make a reader raise what it does not declare.

``./tests/run tests/fuzz --fuzz-seconds 60`` tries for that long on each reader and says how many inputs that
were; ``--fuzz-seed N`` begins elsewhere. An input that broke a reader is written to ``corpus/READER/`` and is
tried first ever after: commit it together with the repair.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.inputs import giants, inputs
from tests.fuzz.plugin import COUNT
from tests.fuzz.readers import READERS, Reader

CORPUS = Path(__file__).parent / "corpus"
ROUND = 200
"""Inputs between two looks at the time."""
BY_NAME = {reader.name: reader for reader in READERS}
BROKEN = sorted(path.relative_to(CORPUS).as_posix() for path in CORPUS.glob("*/*"))
each_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


def read(reader: Reader, data: bytes) -> None:
    """Give a reader some bytes; whatever it does not declare comes out."""
    try:
        reader.read(data)
    except reader.declared:
        return


def one_round(reader: Reader, number: int) -> int:
    """Try some inputs of this seed and return how many; keeps the smallest that breaks the reader."""
    tried = 0
    last = b""

    @seed(number)
    @settings(
        max_examples=ROUND,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(reader.seeds))
    def attempt(data: bytes) -> None:
        nonlocal tried, last
        tried, last = tried + 1, data
        read(reader, data)

    try:
        attempt()
    except BaseException:
        kept = CORPUS / reader.name / hashlib.sha256(last).hexdigest()[:16]
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(last)
        raise
    return tried


@each_reader
@pytest.mark.timeout(4000)
def test_nothing_undeclared_is_raised(
    reader: Reader, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """Inputs near to good ones and far from them, for as long as the command line says."""
    ends = time.monotonic() + request.config.getoption("--fuzz-seconds")
    number: int = request.config.getoption("--fuzz-seed") * 1_000_000
    tried = one_round(reader, number)
    while time.monotonic() < ends:
        number += 1
        tried += one_round(reader, number)
    record_property(COUNT, tried)


@each_reader
def test_large_and_deep_inputs(reader: Reader) -> None:
    """A hundred thousand of the same byte, key, bracket or line end like any other input."""
    for data in giants():
        read(reader, data)


@pytest.mark.parametrize("name", BROKEN)
def test_what_broke_a_reader_once(name: str) -> None:
    """Each input of the corpus, for ever."""
    read(BY_NAME[name.partition("/")[0]], (CORPUS / name).read_bytes())
