"""Which addresses a name that a user chose may lead to."""

import socket
from ipaddress import ip_address, ip_network

import pytest

from bastion.target.lookup import is_ours, look_up, may_dial


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.0.0.5", True),
        ("192.168.1.1", True),
        ("8.8.8.8", True),
        ("2606:4700::1", True),
        ("fd12::1", True),
        ("127.0.0.1", False),
        ("127.8.9.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("169.254.169.254", False),
        ("fe80::1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("224.0.0.1", False),
        ("ff02::1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
    ],
)
def test_without_networks(address: str, allowed: bool) -> None:
    assert may_dial(ip_address(address), ()) is allowed


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("fd00::9", True), ("11.0.0.1", False), ("127.0.0.1", False)],
)
def test_with_networks_there_alone(address: str, allowed: bool) -> None:
    assert may_dial(ip_address(address), (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))) is allowed


def test_addresses_of_this_machine() -> None:
    assert is_ours(ip_address("127.0.0.1"))
    assert not is_ours(ip_address("192.0.2.1"))
    assert not is_ours(ip_address("2001:db8::1"))


async def test_an_unknown_name() -> None:
    with pytest.raises(socket.gaierror):
        await look_up("name.invalid", 22)
