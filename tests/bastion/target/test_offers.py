"""What a target is offered in the handshake: its own additions after the bastion's algorithms, no SHA-1 unasked."""

from typing import Any

import asyncssh
import pytest

from bastion.config.schema import Address, Algorithms, Credential, Target
from bastion.errors import TargetUnreachable
from bastion.target.offers import handshake, host_key_algorithms
from bastion.transport import CIPHERS, KEX

RSA = asyncssh.generate_private_key("ssh-rsa", key_size=2048).export_public_key().decode().strip()
ED25519 = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
ED448 = asyncssh.generate_private_key("ssh-ed448").export_public_key().decode().strip()


def target(**more: Any) -> Target:
    return Target("box", "ssh", Address("h", 22), Credential("certificate"), **more)


@pytest.mark.parametrize(
    ("keys", "more", "offered"),
    [
        ([ED25519], (), ["ssh-ed25519"]),
        ([RSA], (), ["rsa-sha2-512", "rsa-sha2-256"]),
        ([RSA], ("ssh-rsa",), ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]),
        ([ED25519], ("ssh-rsa",), ["ssh-ed25519"]),  # no such key is trusted
        ([ED25519, RSA], (), ["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"]),
        ([ED448], ("ssh-ed448",), ["ssh-ed448"]),
    ],
)
def test_a_host_proves_itself_with_what_its_keys_sign(
    keys: list[str], more: tuple[str, ...], offered: list[str]
) -> None:
    assert host_key_algorithms(target(host_keys=tuple(keys), algorithms=Algorithms(host_keys=more))) == offered


def test_a_host_ca_takes_certificates_alone_and_none_by_sha1() -> None:
    offered = host_key_algorithms(target(host_cas=(ED25519,)))
    assert "ssh-ed25519-cert-v01@openssh.com" in offered
    assert "rsa-sha2-512-cert-v01@openssh.com" in offered
    assert "ssh-rsa-cert-v01@openssh.com" not in offered
    assert all(name.endswith("-cert-v01@openssh.com") for name in offered)


def test_a_key_of_a_type_that_is_not_allowed() -> None:
    with pytest.raises(TargetUnreachable, match=r"may allow its type in targets\.box\.algorithms"):
        host_key_algorithms(target(host_keys=(ED448,)))


def test_no_trusted_key_is_no_target() -> None:
    with pytest.raises(TargetUnreachable, match="no host key is configured for box"):
        handshake(target())


def test_additions_come_last_and_to_this_target_alone() -> None:
    more = Algorithms(kex=("diffie-hellman-group14-sha1",), ciphers=("3des-cbc",))
    relaxed = handshake(target(host_keys=(ED25519,), algorithms=more))
    assert relaxed["kex_algs"] == [*KEX, "diffie-hellman-group14-sha1"]
    assert relaxed["encryption_algs"] == [*CIPHERS, "3des-cbc"]
    others = handshake(target(host_keys=(ED25519,)))
    assert others["kex_algs"] == list(KEX)
    assert others["encryption_algs"] == list(CIPHERS)
