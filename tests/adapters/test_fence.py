"""Rule 6 in the fencer itself: it looks before it switches, however old the decision is."""

import time
from dataclasses import dataclass, field

import pytest

from shadowd.adapters.fence import ClaimedFencer, NoFencer
from shadowd.adapters.switch import Order
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.values import Epoch, FenceOutcome, Host, NoticeKind, Seconds, Unknown
from tests.core.rounds import ELSEWHERE, HERE, THERE, UNREADABLE, confirmed, ledger, record

DEAD, FAILED, REFUSED = FenceOutcome.DEAD, FenceOutcome.FAILED, FenceOutcome.REFUSED
OURS = record(2, host=HERE)


@dataclass
class Hand:
    """A switch that only writes down what it was told."""

    works: bool = True
    orders: list[Order] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)

    def off(self, order: Order, ends: float) -> tuple[bool, str]:
        """Write it down."""
        self.orders.append(order)
        self.limits.append(ends - time.monotonic())
        return self.works, "by hand"


@dataclass
class Listing:
    """A claim log that lists this."""

    ledger: Ledger | Unknown

    def list(self) -> Ledger | Unknown:
        """List."""
        return self.ledger


def fencer(
    listing: Ledger | Unknown,
    hand: Hand,
    hosts: frozenset[Host] | Unknown = frozenset({HERE, THERE, ELSEWHERE}),
) -> ClaimedFencer:
    """Return the fencer of HERE."""
    claims = Listing(listing)
    return ClaimedFencer("cell", HERE, claims, hand, Seconds(60), hosts=lambda: hosts)  # type: ignore[arg-type]


@pytest.mark.parametrize(("works", "outcome"), [(True, DEAD), (False, FAILED)])
def test_it_switches_off_in_the_name_of_its_claim(*, works: bool, outcome: FenceOutcome) -> None:
    """Cell, host, epoch and limit reach the switch, its word comes back."""
    hand = Hand(works)
    assert fencer(ledger(confirmed(1), OURS), hand).fence(Epoch(2), THERE) == (outcome, "by hand")
    assert hand.orders == [Order("cell", THERE, HERE, Epoch(2))]
    assert hand.limits == [pytest.approx(60, abs=5)]


@pytest.mark.parametrize(
    ("listing", "outcome", "words"),
    [
        (
            ledger(confirmed(1), OURS, record(3, host=THERE)),
            REFUSED,
            "epoch 3 was claimed by beta after ours, 2",
        ),
        (ledger(confirmed(1), OURS, record(3, host=ELSEWHERE)), REFUSED, "epoch 3 was claimed by gamma"),
        (ledger(OURS, record(3, NoticeKind.FAILED, host=THERE)), REFUSED, "epoch 3 was claimed"),
        (ledger(OURS, EpochRecord(Epoch(3), UNREADABLE)), REFUSED, "epoch 3 was claimed after ours, 2"),
        (ledger(confirmed(1)), REFUSED, "epoch 2 is not claimed by this host"),
        (ledger(record(2, host=ELSEWHERE)), REFUSED, "epoch 2 is not claimed by this host"),
        (ledger(EpochRecord(Epoch(2), UNREADABLE)), REFUSED, "epoch 2 is not claimed by this host"),
        (ledger(record(2, NoticeKind.FAILED, host=HERE)), REFUSED, "our epoch 2 is closed"),
        (UNREADABLE, FAILED, "the claims cannot be listed: a file is unreadable"),
    ],
)
def test_it_looks_before_it_switches(listing: Ledger | Unknown, outcome: FenceOutcome, words: str) -> None:
    """A claimant that froze and thawed must not fence the host of a later epoch."""
    hand = Hand()
    found, detail = fencer(listing, hand).fence(Epoch(2), THERE)
    assert (found, hand.orders) == (outcome, [])
    assert words in detail


def test_it_never_switches_this_host_off() -> None:
    """Whatever was claimed."""
    hand = Hand()
    assert fencer(ledger(OURS), hand).fence(Epoch(2), HERE) == (REFUSED, "it is this host")
    assert hand.orders == []


def test_without_a_fence_nothing_is_proved() -> None:
    """A cell that has none is never told that a host is dead."""
    assert NoFencer().fence(Epoch(1), THERE)[0] is FAILED


@pytest.mark.parametrize(
    "host",
    [
        "--help",
        "-oProxyCommand=x",
        "a b",
        "a;reboot",
        "$(reboot)",
        "a\nb",
        "",
        "../x",
        "\x1b[2J",
        "h\u00f6st",
        "\ud800",
    ],
    ids=ascii,
)
def test_what_is_no_host_name_reaches_no_command(host: str) -> None:
    """Not even where the list of hosts has it: the command runs as root, and the name is of a claim."""
    hand = Hand()
    hosts = frozenset({Host(host)})
    found, detail = fencer(ledger(confirmed(1), OURS), hand, hosts).fence(Epoch(2), Host(host))
    assert (found, hand.orders) == (REFUSED, [])
    assert "is no host name" in detail
    assert detail.isprintable()


def test_a_host_of_another_cell_is_not_switched_off() -> None:
    """A claim may name any host of the site: only those of this cell lose their power for it."""
    hand = Hand()
    found, detail = fencer(ledger(confirmed(1), OURS), hand).fence(Epoch(2), Host("mailserver"))
    assert (found, hand.orders) == (REFUSED, [])
    assert detail == "mailserver is no host of this cell: list it in shadow_masters"


def test_hosts_that_cannot_be_read_are_doubt() -> None:
    """Nobody is switched off on a guess."""
    hand = Hand()
    found, detail = fencer(ledger(confirmed(1), OURS), hand, UNREADABLE).fence(Epoch(2), THERE)
    assert (found, hand.orders) == (FAILED, [])
    assert "the hosts of the cell are not known" in detail
