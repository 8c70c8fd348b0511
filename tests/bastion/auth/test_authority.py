"""What the authorities sign, as asyncssh, ssh-keygen and a stock sshd see it."""

import getpass
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from bastion.auth.authority import HOST_LIFETIME, MAX_HOST_CERTIFICATES, HostAuthority, TargetAuthority, UserAuthority
from bastion.auth.certificate import MAX_SERIAL, identify
from bastion.auth.wire import decode
from bastion.config.schema import CertificateConfig
from bastion.errors import LoginError
from bastion.model import Identity, Kind, utcnow
from bastion.store.base import CertificateRow
from tests.bastion.auth.kit import ALICE, NOW, blob, issue, key
from tests.lab.sshd import SSHD

WINDOW = (int(NOW.timestamp()) - 60, int(NOW.timestamp()) + 8 * 3600)


def test_what_a_user_certificate_says() -> None:
    issued = issue(serial=42)
    fields = decode(blob(issued)).fields
    assert (fields.serial, fields.type, fields.principals) == (42, 1, ("alice@example.org",))
    assert fields.key_id == "corp/alice@example.org sub=s-1|%C3%A4"
    assert (fields.valid_after, fields.valid_before) == WINDOW
    assert fields.critical_options == ()
    assert [name for name, _ in fields.extensions] == [
        "identity@ssh-bastion",
        "permit-agent-forwarding",
        "permit-port-forwarding",
        "permit-pty",
    ]
    assert issued.row == CertificateRow(
        serial=42,
        identity="alice@example.org",
        issuer="corp",
        subject="s-1|ä",
        kind=Kind.HUMAN,
        fingerprint=key("alice").get_fingerprint(),
        issued=NOW,
        expires=datetime.fromtimestamp(WINDOW[1], UTC),
    )
    assert issued.line.split()[2:] == ["alice@example.org"]


def test_no_two_certificates_are_alike() -> None:
    assert decode(blob(issue())).fields.nonce != decode(blob(issue())).fields.nonce


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        (Kind.HUMAN, CertificateConfig(), timedelta(hours=8)),
        (Kind.AGENT, CertificateConfig(), timedelta(minutes=15)),
        (Kind.WORKLOAD, CertificateConfig(), timedelta(minutes=15)),
        (Kind.AGENT, CertificateConfig(timedelta(minutes=5), timedelta(minutes=15)), timedelta(minutes=5)),
        (Kind.HUMAN, CertificateConfig(timedelta(minutes=5), timedelta(minutes=15)), timedelta(minutes=5)),
    ],
)
def test_lifetimes(kind: Kind, config: CertificateConfig, expected: timedelta) -> None:
    authority = UserAuthority(key("user_ca"), config)
    issued = authority.issue(replace(ALICE, kind=kind), key("alice"), NOW, 1)
    assert authority.lifetime(kind) == expected
    assert NOW + expected - timedelta(seconds=1) < issued.row.expires <= NOW + expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"serial": 5}, "a certificate cannot prolong itself"),
        ({"name": "a,root"}, "'a,root' is no user name"),
        ({"name": ""}, "'' is no user name"),
        ({"name": "-rf"}, "'-rf' is no user name"),
        ({"name": "a\nroot"}, r"'a\nroot' is no user name"),
        ({"name": "deploy%web-1"}, "is no user name"),
        ({"name": "a" * 129}, "is no user name"),
        ({"issuer": "co/rp"}, "an issuer cannot be called so"),
        ({"subject": ""}, "'' is no subject"),
        ({"subject": "s\x1b]0;"}, "is no subject"),
        ({"subject": "s" * 256}, "is no subject"),
        ({"groups": ("eng", "a,b")}, "'a,b' is no group"),
        ({"groups": ("\u202eadmins",)}, "is no group"),
        ({"groups": (" eng",)}, "is no group"),
        ({"groups": tuple(map(str, range(201)))}, "there are 201 groups"),
        ({"groups": tuple(f"{n:0>200}" for n in range(100))}, "longer than 16384 bytes"),
    ],
)
def test_identities_without_certificate(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(LoginError) as caught:
        issue(replace(ALICE, **changes))
    assert expected in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("user_key", [key("small", "ssh-rsa", 1024), key("dsa", "ssh-dss"), key("448", "ssh-ed448")])
def test_weak_keys_get_no_certificate(user_key: asyncssh.SSHKey) -> None:
    with pytest.raises(LoginError, match="not taken"):
        issue(user_key=user_key)


@pytest.mark.parametrize("serial", [0, -1, MAX_SERIAL + 1])
def test_serials_a_store_cannot_hold(serial: int) -> None:
    with pytest.raises(ValueError, match="serial"):
        issue(serial=serial)


ALGORITHMS = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_asyncssh_reads_what_we_write(algorithm: str) -> None:
    """Our writer and asyncssh's reader are independent: a change in either shows here."""
    user_key = key(algorithm, algorithm)
    certificate = asyncssh.import_certificate(issue(user_key=user_key).line)
    assert isinstance(certificate, asyncssh.public_key.SSHOpenSSHCertificate)
    assert certificate.principals == ["alice@example.org"]
    assert certificate.key.public_data == user_key.public_data
    assert certificate.signing_key.public_data == key("user_ca").public_data
    assert certificate.options == dict.fromkeys(
        ("permit-agent-forwarding", "permit-port-forwarding", "permit-pty"), True
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_we_read_what_asyncssh_writes(algorithm: str) -> None:
    user_key = key(algorithm, algorithm)
    certificate = key("user_ca").generate_user_certificate(
        user_key, "an id", serial=9, principals=["a", "b"], valid_after=1, valid_before=2, source_address=["10.0.0.0/8"]
    )
    fields = decode(certificate.public_data).fields
    assert (fields.key_id, fields.serial, fields.principals) == ("an id", 9, ("a", "b"))
    assert (fields.valid_after, fields.valid_before) == (1, 2)
    assert fields.public_key == user_key.public_data
    assert [name for name, _ in fields.critical_options] == ["source-address"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_ssh_keygen_reads_a_user_certificate(tmp_path: Path, algorithm: str) -> None:
    groups = tuple(f"Gruppe-{n:0>72}ü" for n in range(200))  # as long as it may get
    issued = issue(replace(ALICE, groups=groups), key(algorithm, algorithm), serial=42)
    assert identify(blob(issued), key("user_ca"), "192.0.2.1", NOW).groups == groups
    (tmp_path / "x-cert.pub").write_text(issued.line + "\n")
    shown = show(tmp_path / "x-cert.pub")
    assert "user certificate" in shown
    assert "Serial: 42" in shown
    assert 'Key ID: "corp/alice@example.org sub=s-1|%C3%A4"' in shown
    assert re.search(r"Principals: \n\s+alice@example.org\n\s+Critical Options: \(none\)", shown)
    assert re.search(r"identity@ssh-bastion UNKNOWN OPTION: [0-9a-f]+ \(len \d+\)", shown)
    assert re.search(r"permit-agent-forwarding\n\s+permit-port-forwarding\n\s+permit-pty\n", shown)


def show(path: Path) -> str:
    return subprocess.run(["ssh-keygen", "-L", "-f", path], capture_output=True, check=True, text=True).stdout


def test_host_certificates(tmp_path: Path) -> None:
    certificate = HostAuthority(key("host_ca")).certify(key("host"), ["Bastion.example.com", "10.0.0.1"], NOW)
    certificate.write_certificate(tmp_path / "x-cert.pub")
    shown = show(tmp_path / "x-cert.pub")
    assert "host certificate" in shown
    assert re.search(r"Principals: \n\s+bastion.example.com\n\s+10.0.0.1\n\s+Critical Options: \(none\)", shown)
    fields = decode(certificate.public_data).fields
    assert fields.valid_after == int(NOW.timestamp()) - 3600
    assert fields.valid_before == int((NOW + HOST_LIFETIME).timestamp())


@pytest.mark.parametrize(
    ("later", "same"),
    [
        (timedelta(0), True),
        (HOST_LIFETIME / 2 - timedelta(seconds=1), True),
        (HOST_LIFETIME / 2, False),
        (timedelta(days=300), False),
        (-timedelta(seconds=1), False),  # the clock was set back
    ],
)
def test_host_certificates_are_kept_and_renewed(later: timedelta, same: bool) -> None:
    authority = HostAuthority(key("host_ca"))
    first = authority.certify(key("host"), ["web-1"], NOW)
    second = authority.certify(key("host"), ["web-1"], NOW + later)
    assert (second is first) == same
    assert decode(second.public_data).fields.valid_before >= (NOW + later + HOST_LIFETIME / 2).timestamp() - 1


def test_each_name_and_key_has_a_host_certificate_of_its_own() -> None:
    authority = HostAuthority(key("host_ca"))
    wanted = [("host", "web-1"), ("host", "web-2"), ("other", "web-1")]
    found = {authority.certify(key(name), [host], NOW).public_data for name, host in wanted}
    assert len(found) == 3


def test_the_number_of_kept_host_certificates_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bastion.auth.authority.MAX_HOST_CERTIFICATES", 2)
    assert MAX_HOST_CERTIFICATES > 2
    authority = HostAuthority(key("host_ca"))
    first = authority.certify(key("host"), ["a"], NOW)
    authority.certify(key("host"), ["b"], NOW)
    assert authority.certify(key("host"), ["a"], NOW) is first
    authority.certify(key("host"), ["c"], NOW)  # b goes, since a was asked for after it
    assert authority.certify(key("host"), ["a"], NOW) is first


@pytest.mark.parametrize("names", [[], [""], ["a,b"], ["a\n"]])
def test_host_names_that_cannot_be_certified(names: list[str]) -> None:
    with pytest.raises(ValueError, match="names"):
        HostAuthority(key("host_ca")).certify(key("host"), names, NOW)


@pytest.mark.parametrize(
    ("login", "key_id"), [("a,root", "x"), ("-a", "x"), ("", "x"), ("a\n", "x"), ("root", "x\ny"), ("root", "x" * 513)]
)
def test_sign_ins_that_are_not_signed(login: str, key_id: str) -> None:
    with pytest.raises(ValueError, match=r"login|key id"):
        TargetAuthority(key("target_ca")).sign_in(login, key_id, NOW)


def test_what_a_sign_in_says() -> None:
    authority = TargetAuthority(key("target_ca"))
    one, two = (authority.sign_in("deploy", "alice session 1", NOW) for _ in range(2))
    assert one.key.public_data != two.key.public_data
    fields = decode(one.certificate.public_data).fields
    assert fields.public_key == one.key.public_data
    assert (fields.principals, fields.key_id) == (("deploy",), "alice session 1")
    assert (fields.valid_after, fields.valid_before) == (WINDOW[0] + 30, int(NOW.timestamp()) + 60)


@pytest.mark.parametrize(
    ("permits", "extensions"),
    [
        ({}, set()),
        ({"forwards": True}, {"permit-port-forwarding"}),
        ({"agent": True}, {"permit-agent-forwarding"}),
        ({"x11": True}, {"permit-X11-forwarding"}),
    ],
)
def test_a_sign_in_permits_the_target_no_more_than_asked(permits: dict[str, bool], extensions: set[str]) -> None:
    signed = TargetAuthority(key("target_ca")).sign_in("deploy", "alice", NOW, **permits)
    permitted = {name for name, _ in decode(signed.certificate.public_data).fields.extensions}
    assert permitted == {"permit-pty", "permit-user-rc", *extensions}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHD]:
    """Run a stock sshd that trusts target_ca and user_ca, and nothing else."""
    folder = tmp_path_factory.mktemp("sshd")
    trusted = folder / "ca.pub"
    trusted.write_bytes(key("target_ca").export_public_key() + key("user_ca").export_public_key())
    server = SSHD(folder, "target", trusted)
    yield server
    server.stop()


async def enter(server: SSHD, user_key: asyncssh.SSHKey, certificate: asyncssh.SSHCertificate) -> str:
    """Log in to the stock sshd and return what a command there says."""
    async with asyncssh.connect(
        "127.0.0.1",
        server.port,
        username=getpass.getuser(),
        client_keys=[(user_key, certificate)],
        known_hosts=asyncssh.import_known_hosts(f"[127.0.0.1]:{server.port} {server.host_key}\n"),
        agent_path=None,
        config=None,
    ) as connection:
        return str((await connection.run("echo hello", check=True)).stdout)


async def test_a_stock_sshd_lets_the_bastion_in(target: SSHD) -> None:
    signed = TargetAuthority(key("target_ca")).sign_in(getpass.getuser(), "alice@example.org session 17", utcnow())
    assert await enter(target, signed.key, signed.certificate) == "hello\n"
    target.server.wait_for("the log entry", lambda: 'ID "alice@example.org session 17"' in target.log())


@pytest.mark.parametrize(
    ("login", "ago", "ca", "logged"),
    [
        (getpass.getuser(), timedelta(seconds=61), "target_ca", "expired"),
        (getpass.getuser(), -timedelta(seconds=600), "target_ca", "not yet valid"),
        ("somebody-else", timedelta(0), "target_ca", "name is not a listed principal"),
        (getpass.getuser(), timedelta(0), "host_ca", "Failed publickey"),
    ],
)
async def test_a_stock_sshd_refuses(target: SSHD, login: str, ago: timedelta, ca: str, logged: str) -> None:
    signed = TargetAuthority(key(ca)).sign_in(login, f"refused {login} {ago} {ca}", utcnow() - ago)
    before = len(target.log())
    with pytest.raises(asyncssh.PermissionDenied):
        await enter(target, signed.key, signed.certificate)
    target.server.wait_for(f"{logged!r} in the log", lambda: logged in target.log()[before:])


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
async def test_a_stock_sshd_ignores_our_extension(target: SSHD, algorithm: str) -> None:
    identity = Identity(getpass.getuser(), "corp", "s", ("eng",), Kind.HUMAN, 0, utcnow())
    issued = issue(identity, key(algorithm, algorithm), utcnow())
    assert await enter(target, key(algorithm, algorithm), asyncssh.import_certificate(issued.line)) == "hello\n"
