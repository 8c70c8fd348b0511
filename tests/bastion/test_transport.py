"""Addresses of peers have one spelling each."""

import pytest

from bastion.transport import peer_address


@pytest.mark.parametrize(
    ("peername", "address"),
    [
        (("127.0.0.1", 4000), "127.0.0.1"),
        (("::1", 4000, 0, 0), "::1"),
        (("2001:db8::5", 4000, 0, 0), "2001:db8::5"),
        (("::ffff:192.0.2.7", 4000, 0, 0), "192.0.2.7"),
        (("fe80::1%eth0", 4000, 0, 2), "fe80::1%eth0"),
        (None, ""),
    ],
)
def test_peer_address(peername: tuple[object, ...] | None, address: str) -> None:
    assert peer_address(peername) == address
