"""Claims and notices as bytes: what goes in comes out, and what else lies there is no record."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.adapters.records import (
    MAX_DETAIL,
    MAX_EPOCH,
    MAX_RECORD,
    Notice,
    decode_claim,
    decode_notice,
    encode_claim,
    encode_notice,
    parse_object,
)
from shadowd.core.values import (
    Claim,
    ClaimReason,
    Epoch,
    Host,
    NoticeKind,
    Problem,
    Protection,
    Seconds,
    Unknown,
)

CELL = "prod"
NAMES = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=60)
HOSTS = st.from_regex(r"[a-z0-9_][a-z0-9_-]{0,20}(\.[a-z0-9-]{1,5})?", fullmatch=True).filter(
    lambda name: ".-" not in name
)
TIMES = st.floats(0, 1e6)
EPOCHS = st.integers(1, MAX_EPOCH)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    """Draw any claim that this project may make."""
    epoch = draw(EPOCHS)
    return Claim(
        cell=CELL,
        epoch=Epoch(epoch),
        host=Host(draw(HOSTS)),
        machine_id=draw(NAMES),
        boot_id=draw(NAMES),
        pid=draw(st.integers(1, 2**31 - 1)),
        start_token=draw(NAMES),
        nonce=draw(NAMES),
        reason=draw(st.sampled_from(ClaimReason)),
        supersedes=Epoch(draw(st.integers(0, epoch - 1))),
        lease=Seconds(draw(TIMES)),
        licence=Seconds(draw(TIMES)),
        window=Seconds(draw(TIMES)),
        protection=draw(st.sampled_from(Protection)),
        wall=draw(st.floats(0, 1e10)),
    )


def sample() -> Claim:
    """Return one plain claim."""
    return Claim(
        cell=CELL,
        epoch=Epoch(7),
        host=Host("a"),
        machine_id="m",
        boot_id="b",
        pid=1,
        start_token="1",  # noqa: S106 - a start time, no password
        nonce="n",
        reason=ClaimReason.SILENCE,
        supersedes=Epoch(6),
        lease=Seconds(741.0),
        licence=Seconds(60.0),
        window=Seconds(180.0),
        protection=Protection.GUARDED,
        wall=1.0,
    )


def decode(data: bytes, epoch: int = 7) -> Claim | Unknown:
    """Decode as the claim of this number of our cell."""
    return decode_claim(data, cell=CELL, epoch=epoch, subject="claims/7")


def altered(**changes: Any) -> bytes:
    """Return the sample claim's bytes with some fields replaced."""
    return json.dumps({**json.loads(encode_claim(sample())), **changes}).encode()


@given(claims())
def test_a_claim_comes_back_as_it_was_written(claim: Claim) -> None:
    """Encoding and decoding are each other's inverse."""
    assert decode(encode_claim(claim), claim.epoch) == claim


@given(st.sampled_from(NoticeKind), EPOCHS, st.text(max_size=2000))
def test_a_notice_comes_back_with_a_detail_fit_to_print(kind: NoticeKind, epoch: int, detail: str) -> None:
    """Whatever text a program left behind, the notice can be written, read and printed."""
    notice = Notice(CELL, Epoch(epoch), kind, Host("a"), 4711, 2.5, detail)
    back = decode_notice(encode_notice(notice), cell=CELL, epoch=epoch, subject="n")
    assert isinstance(back, Notice)
    assert (back.kind, back.epoch, back.host, back.pid, back.wall) == (kind, epoch, "a", 4711, 2.5)
    assert back.detail.isprintable()
    assert len(back.detail) <= MAX_DETAIL


@given(st.binary(max_size=400))
def test_any_bytes_are_judged_and_never_raise(data: bytes) -> None:
    """Random bytes are no claim and no notice."""
    assert isinstance(decode(data), Unknown)
    assert isinstance(decode_notice(data, cell=CELL, epoch=7, subject="n"), Unknown)


@given(st.sampled_from(sorted(json.loads(encode_claim(sample())))), JUNK)
def test_a_field_replaced_by_junk_gives_a_sound_claim_or_none(key: str, junk: object) -> None:
    """No single field can turn a record into a claim with impossible times."""
    claim = decode(altered(**{key: junk}))
    if isinstance(claim, Claim):
        times = (claim.lease, claim.licence, claim.window, claim.wall)
        assert all(math.isfinite(time) and math.copysign(1, time) > 0 for time in times)
        assert all(isinstance(time, float) for time in times)
        assert type(claim.pid) is int
        assert claim.nonce


@given(st.dictionaries(st.text(max_size=12), JUNK, max_size=8))
def test_any_object_is_judged(fields: dict[str, object]) -> None:
    """JSON of a wrong shape is no claim."""
    assert isinstance(decode(json.dumps(fields).encode()), Unknown)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", Problem.EMPTY),
        (b"\x00" * 100, Problem.GARBAGE),
        (b"null", Problem.GARBAGE),
        (b"[" * 9000, Problem.GARBAGE),
        (b'{"a":' * 2500, Problem.GARBAGE),
        (b"1" * 8000, Problem.GARBAGE),
        (b"{" + b" " * MAX_RECORD + b"}", Problem.GARBAGE),
        (encode_claim(sample())[:-4], Problem.GARBAGE),
        (altered(format=2), Problem.NEWER_FORMAT),
        (altered(format=2, cell="other"), Problem.NEWER_FORMAT),
        (altered(format=0), Problem.GARBAGE),
        (altered(format=True), Problem.GARBAGE),
        (altered(cell="other"), Problem.FOREIGN),
        (altered(cell=""), Problem.GARBAGE),
        (altered(epoch=8), Problem.GARBAGE),
        (altered(epoch=7.0), Problem.GARBAGE),
        (altered(supersedes=7), Problem.GARBAGE),
        (altered(lease=-1), Problem.GARBAGE),
        (altered(lease=float("nan")), Problem.GARBAGE),
        (altered(window=float("inf")), Problem.GARBAGE),
        (altered(lease=10**400), Problem.GARBAGE),
        (altered(lease=True), Problem.GARBAGE),
        (altered(lease="741"), Problem.GARBAGE),
        (encode_claim(sample()).replace(b"741.0", b"1e999"), Problem.GARBAGE),
        (altered(pid=0), Problem.GARBAGE),
        (altered(host="a\nb"), Problem.GARBAGE),
        (altered(host="\ud800"), Problem.GARBAGE),
        (altered(nonce="n" * 256), Problem.GARBAGE),
        (altered(reason="because"), Problem.GARBAGE),
        (altered(reason=["silence"]), Problem.GARBAGE),
        (altered(protection=None), Problem.GARBAGE),
    ],
)
def test_each_flaw_has_its_name(data: bytes, problem: Problem) -> None:
    """A record that is not this cell's claim says why, and which file it is."""
    answer = decode(data)
    assert isinstance(answer, Unknown)
    assert answer.problem is problem
    assert answer.subject == "claims/7"
    assert answer.detail


def test_a_field_of_a_later_release_is_passed_over() -> None:
    """Fields may be added without a new format."""
    assert decode(altered(colour="blue")) == sample()


@pytest.mark.parametrize("wall", [-1.0, math.nan, math.inf])
def test_an_absurd_wall_clock_does_not_spoil_the_record(wall: float) -> None:
    """The wall time is for people, so a host with a broken clock can still write records."""
    notice = Notice(CELL, Epoch(7), NoticeKind.DIED, Host("a"), 1, wall)
    back = decode_notice(encode_notice(notice), cell=CELL, epoch=7, subject="n")
    assert isinstance(back, Notice)
    assert back.wall == 0.0


@given(st.binary(max_size=300) | JUNK.map(lambda junk: json.dumps(junk).encode()))
def test_parse_object_gives_an_object_or_nothing(data: bytes) -> None:
    """Lists, numbers, broken text and constants of JavaScript are no object."""
    value = parse_object(data)
    assert value is None or isinstance(value, dict)
