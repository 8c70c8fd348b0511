"""Who opens the door: only a certificate of this bastion's CA, valid now, not revoked, with its own key."""

import time
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from tests.lab import certificates
from tests.lab.bastion import World
from tests.lab.client import Client, Done
from tests.lab.sshd import keygen

HOUR = 3600


def attempts(client: Client, world: World, marker: Path) -> list[Done]:
    """Try each way in: a command on a target in both forms, and the control plane."""
    return [
        client.jump(f"{world.login}@web-1", f"touch {marker}"),
        client.ssh(f"{world.login}%web-1@bastion", f"touch {marker}"),
        client.ssh("bastion", "whoami"),
    ]


def refused(client: Client, world: World, marker: Path) -> bool:
    """Return whether all ways in are shut: ssh's own status 255, nothing on stdout, nothing done on the target."""
    done = attempts(client, world, marker)
    return not marker.exists() and all(one.status == 255 and one.out == b"" for one in done)


def accepted(client: Client, world: World, marker: Path) -> bool:
    """Return whether all ways in are open, with an effect on the target."""
    done = attempts(client, world, marker)
    return marker.exists() and [one.status for one in done] == [0, 0, 0]


def test_a_forged_copy_is_accepted_when_nothing_is_changed(
    alice: Client, stranger: Client, world: World, marker: Path
) -> None:
    """The control of the tests below: what they forge would pass, were it not for the one thing they change."""
    stranger.key.write_bytes(alice.key.read_bytes())
    ca = world.bastion.folder / "hostkeys" / "user_ca"
    stranger.certificate.write_text(certificates.read(alice.certificate).signed(ca), encoding="utf-8")
    assert accepted(stranger, world, marker)


def test_no_certificate(stranger: Client, world: World, marker: Path) -> None:
    assert refused(stranger, world, marker)


def test_signed_by_another_ca(alice: Client, stranger: Client, world: World, marker: Path) -> None:
    stranger.key.write_bytes(alice.key.read_bytes())
    ca = stranger.folder / "ca"
    keygen(ca, "ca")
    stranger.certificate.write_text(certificates.read(alice.certificate).signed(ca), encoding="utf-8")
    assert refused(stranger, world, marker)


@pytest.mark.parametrize("ca", ["host_ca", "target_ca", "ssh_host_ed25519_key"])
def test_signed_by_our_other_keys(alice: Client, stranger: Client, world: World, marker: Path, ca: str) -> None:
    stranger.key.write_bytes(alice.key.read_bytes())
    key = world.bastion.folder / "hostkeys" / ca
    stranger.certificate.write_text(certificates.read(alice.certificate).signed(key), encoding="utf-8")
    assert refused(stranger, world, marker)


@pytest.mark.parametrize(
    "change",
    [
        {"after": int(time.time()) - 2 * HOUR, "before": int(time.time()) - HOUR},
        {"after": int(time.time()) + HOUR, "before": int(time.time()) + 2 * HOUR},
        {"principals": ()},
        {"type": 2},
        {"extensions": b""},
        {"serial": 0},
        {"serial": 4711},
    ],
    ids=["expired", "not yet", "no principals", "host type", "no extensions", "serial 0", "unknown serial"],
)
def test_one_thing_wrong(
    alice: Client, stranger: Client, world: World, marker: Path, change: dict[str, object]
) -> None:
    """All else is right, even the CA's signature."""
    stranger.key.write_bytes(alice.key.read_bytes())
    forged = replace(certificates.read(alice.certificate), **change)  # type: ignore[arg-type]  # fields of a table
    stranger.certificate.write_text(forged.signed(world.bastion.folder / "hostkeys" / "user_ca"), encoding="utf-8")
    assert refused(stranger, world, marker)


def test_certificate_of_another_with_own_key(alice: Client, stranger: Client, world: World, marker: Path) -> None:
    """Stock ssh sends only what it can sign; see below for a client that doesn't care."""
    stranger.certificate.write_bytes(alice.certificate.read_bytes())
    assert refused(stranger, world, marker)


async def test_certificate_of_another_signed_by_own_key(alice: Client, stranger: Client, world: World) -> None:
    own = asyncssh.read_private_key(stranger.key)
    stolen = asyncssh.read_certificate(alice.certificate)

    class Thief(asyncssh.SSHKeyPair):
        """Offers a certificate and signs with a key that isn't the certificate's."""

        def sign(self, data: bytes) -> bytes:
            return own.sign(data, b"ssh-ed25519")

    kinds = (b"ssh-ed25519",)
    pair = Thief(b"ssh-ed25519", b"ssh-ed25519", kinds, kinds, stolen.key.public_data, b"", stolen)
    trusted = asyncssh.import_known_hosts(stranger.known_hosts.read_text(encoding="utf-8"))
    with pytest.raises(asyncssh.PermissionDenied):
        async with asyncssh.connect(
            "127.0.0.1", world.bastion.port, known_hosts=trusted, client_keys=[pair], config=None, agent_path=None
        ):
            pass


def test_plain_key_with_a_certificate_elsewhere(alice: Client, stranger: Client, world: World, marker: Path) -> None:
    """The key behind a valid certificate opens nothing by itself."""
    stranger.key.write_bytes(alice.key.read_bytes())
    assert not stranger.certificate.exists()
    assert refused(stranger, world, marker)


def test_user_name_on_the_bastion_means_nothing(alice: Client) -> None:
    """The certificate says who is there, whatever name the client types."""
    for name in ("root", "bob", "nobody", "alice"):
        done = alice.ssh("-l", name, "bastion", "whoami", "--json")
        assert done.status == 0
        assert '"alice"' in done.text


def test_certificate_ends_soon_for_agents(agent: Client, alice: Client) -> None:
    now = time.time()
    assert certificates.read(agent.certificate).before - now <= 15 * 60
    assert 7 * HOUR < certificates.read(alice.certificate).before - now <= 8 * HOUR
