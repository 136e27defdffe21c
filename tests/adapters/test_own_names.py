"""Whose a host name is: ours if every address of it is, and loopback is everybody's."""

import pytest

from shadowd.adapters.resolving import OwnNames, resolving
from shadowd.core.values import Host

OURS = ("192.0.2.7", "2001:db8::7")


def says(*addresses: str, own: tuple[str, ...] = OURS) -> bool | None:
    """Return what is said of a name with these addresses."""
    asked: list[str] = []

    def resolver(name: str) -> list[str]:
        asked.append(name)
        return list(addresses)

    names = OwnNames(resolving(resolver), 10, own=lambda: own, spelled=lambda host: f"{host}.lab")
    answer = names.is_here(Host("old"))
    assert asked == ["old.lab"]
    return answer


@pytest.mark.parametrize(
    ("addresses", "answer"),
    [
        (("192.0.2.7",), True),
        (OURS, True),
        (("127.0.1.1", "192.0.2.7"), True),
        (("192.0.2.7", "192.0.2.8"), False),
        (("192.0.2.8",), False),
        (("127.0.1.1",), None),
        (("::1",), None),
        ((), None),
    ],
)
def test_a_name_is_ours_by_all_of_its_addresses(addresses: tuple[str, ...], answer: bool | None) -> None:  # noqa: FBT001
    """Of others it is another host's; without any that tells, nobody knows."""
    assert says(*addresses) is answer


def test_a_host_without_addresses_knows_nothing() -> None:
    """The kernel does not answer, or nothing but loopback is up."""
    assert says("192.0.2.7", own=()) is None
