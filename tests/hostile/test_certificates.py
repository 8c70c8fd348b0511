"""Certificates and keys that are meant to harm, and the choices that keep asyncssh's own mistakes from mattering."""

import ast
from pathlib import Path
from typing import Any

import pytest
from asyncssh.packet import MPInt, String

import bastion
from bastion.auth.certificate import identify
from bastion.auth.wire import string
from bastion.errors import LoginError
from bastion.transport import common_options
from tests.bastion.auth.kit import ALICE, NOW, blob, forge, issue, key
from tests.bastion.auth.test_certificate import carried, refusal
from tests.hostile.raw import in_place_of_login, raw_door, rude

SOURCE = Path(bastion.__file__).parent


def calls() -> list[tuple[str, str, ast.expr]]:
    """Return file, name and value of every keyword argument in the bastion's source."""
    found = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found += [(path.name, word.arg or "", word.value) for word in node.keywords]
    return found


def test_asyncssh_a_certificate_without_principals_is_refused() -> None:
    assert "principals '' are not" in refusal(forge(principals=()))


@pytest.mark.parametrize("name", ["root,alice", "alice\n", "a\0b", "a\x1bb"])
def test_asyncssh_principals_are_never_split_at_commas(name: str) -> None:
    """Nor may a name hold what another program would split it at (CVE-2026-35414)."""
    assert identify(blob(issue()), key("user_ca"), "192.0.2.1", NOW).name == ALICE.name
    assert "no user name" in refusal(forge(principals=(name,), extensions=carried(name=name)))


def test_asyncssh_certificates_name_principals_as_lists_alone() -> None:
    given = [value for _, name, value in calls() if name == "principals"]
    assert not any(isinstance(value, ast.Constant | ast.JoinedStr) for value in given)


def test_asyncssh_key_options_and_their_patterns_are_not_used() -> None:
    """`principals=` in a file of keys would skip the user name; there is no such file."""
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "authorized_client_keys" not in text
        assert "set_authorized_keys" not in text


def test_asyncssh_known_hosts_none_stands_nowhere() -> None:
    given = [value for _, name, value in calls() if name == "known_hosts"]
    assert not any(isinstance(value, ast.Constant) and value.value is None for value in given)


async def test_asyncssh_defaults_are_set_one_by_one() -> None:
    """As its own are: no keepalive, 120 seconds to log in, a line editor, agent and compression on."""
    options = common_options()
    assert options["keepalive_interval"] > 0
    assert options["login_timeout"] < 120
    assert options["compression_algs"] == ["none"]
    for name in ("rekey_bytes", "rekey_seconds", "keepalive_count_max", "kex_algs", "encryption_algs", "mac_algs"):
        assert name in options
    async with raw_door() as door:
        for name, value in (("line_editor", False), ("agent_forwarding", False), ("x11_forwarding", False)):
            assert getattr(door.options, name) is value
        assert door.options.encoding is None


def huge(bits: int) -> bytes:
    """Return an RSA key's blob whose modulus has so many bits; nobody has its private half."""
    return String("ssh-rsa") + MPInt(65537) + MPInt((1 << bits) - 1)


@pytest.mark.parametrize("bits", [8193, 16384, 500_000])
def test_cve_2026_39829_huge_keys_are_refused_before_any_arithmetic(bits: int) -> None:
    assert f"an RSA key of {bits} bits" in refusal(forge(public_key=huge(bits)))


@pytest.mark.parametrize("bits", [16384, 500_000])
async def test_cve_2026_39829_a_huge_ca_is_compared_and_never_used(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    """At the door itself, where a client may show any certificate: nothing is decoded before it is known to be ours."""
    decoded: list[bytes] = []
    monkeypatch.setattr("bastion.door.connection.decode_ssh_certificate", decoded.append)
    certificate = forge(signature_key=huge(bits))
    async with raw_door() as door:
        asked: list[bytes] = []

        def attack(raw: Any) -> None:
            asked.append(certificate)
            packet = raw._get_userauth_request_packet(
                b"publickey", (b"\0", String("ssh-ed25519-cert-v01@openssh.com"), String(certificate))
            )
            raw.send_packet(50, packet[1:])

        await rude(door, in_place_of_login(attack))
        assert asked
        assert decoded == []
        monkeypatch.undo()
    with pytest.raises(LoginError):
        identify(certificate, key("user_ca"), "192.0.2.1", NOW)


def test_cve_2026_39828_what_restricts_a_certificate_is_carried_out_or_refused() -> None:
    assert "force-command" in refusal(forge(critical_options=(("force-command", string("true")),)))
    assert "may not be used" in refusal(forge(critical_options=(("source-address", string("10.0.0.1")),)))


def test_cve_2026_42508_a_ca_that_is_not_ours_any_more_vouches_for_nobody() -> None:
    """There is one CA, and its key is compared; serials are looked up at each login and cut live sessions."""
    assert "not signed by this bastion's user_ca" in refusal(forge("the-old-ca"))
