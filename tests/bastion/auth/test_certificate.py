"""Presented certificates: who they speak for, and every way in which they must not."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncssh
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bastion.auth.certificate import IDENTITY_EXTENSION, REFUSAL, encode_identity, identify
from bastion.auth.wire import decode, encode, string
from bastion.errors import LoginError
from bastion.model import Identity, Kind
from tests.bastion.auth.kit import ALICE, NOW, blob, forge, issue, key, sign_with

PERMISSIONS = (("permit-pty", b""),)


def refusal(certificate: bytes, now: datetime = NOW, peer: str = "192.0.2.1") -> str:
    """Return the log text of a refusal; the public text says nothing about the certificate."""
    with pytest.raises(LoginError) as caught:
        identify(certificate, key("user_ca"), peer, now)
    assert str(caught.value) == REFUSAL
    assert caught.value.log.isprintable()
    return caught.value.log


def test_the_issued_certificate_brings_back_the_identity() -> None:
    issued = issue()
    expected = Identity(
        name=ALICE.name,
        issuer=ALICE.issuer,
        subject=ALICE.subject,
        groups=ALICE.groups,
        kind=ALICE.kind,
        serial=7,
        expires=issued.row.expires,
    )
    assert identify(blob(issued), key("user_ca"), "192.0.2.1", NOW) == expected
    public = key("user_ca").convert_to_public()
    assert identify(asyncssh.import_certificate(issued.line), public, "192.0.2.1", NOW) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-61, "it is not valid yet"), (-60, ""), (0, ""), (8 * 3600 - 1, ""), (8 * 3600, "it has expired")],
)
def test_time_window(seconds: int, expected: str) -> None:
    now = NOW.replace(microsecond=0)
    certificate = blob(issue(now=now))
    if expected:
        assert expected in refusal(certificate, now + timedelta(seconds=seconds))
    else:
        assert identify(certificate, key("user_ca"), "192.0.2.1", now + timedelta(seconds=seconds)).name == ALICE.name


def carried(**changes: Any) -> tuple[tuple[str, bytes], ...]:
    """Return extensions whose identity says something else than alice's; None leaves a key out."""
    said = {"v": 1, "issuer": "corp", "subject": "s", "name": ALICE.name, "groups": ["eng"], "kind": "human", **changes}
    text = json.dumps({name: value for name, value in said.items() if value is not None})
    return ((IDENTITY_EXTENSION, string(text)),)


def test_the_unchanged_forgery_is_accepted() -> None:
    """Otherwise the table below would prove nothing."""
    assert identify(forge(), key("user_ca"), "192.0.2.1", NOW).name == ALICE.name
    assert identify(forge(extensions=carried()), key("user_ca"), "192.0.2.1", NOW).groups == ("eng",)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ca": "somebody"}, "not signed by this bastion's user_ca"),
        ({"type": 2}, "not a user certificate"),
        ({"type": 0}, "not a user certificate"),
        ({"serial": 0}, "serial number 0"),
        ({"serial": 2**64 - 1}, "serial number"),
        ({"principals": ()}, "principals '' are not"),
        ({"principals": (ALICE.name, "root")}, "are not its identity's name"),
        ({"principals": ("root",)}, "are not its identity's name"),
        ({"principals": ("root,alice@example.org",)}, "are not its identity's name"),
        ({"principals": (ALICE.name + "\n",)}, "are not its identity's name"),
        ({"principals": ("a",) * 257}, "more than 256 principals"),
        ({"valid_before": 2**64 - 1}, "never expires"),
        ({"valid_after": 2**64 - 1}, "not valid yet"),
        ({"critical_options": (("force-command", string("true")),)}, "'force-command' is not supported"),
        ({"critical_options": (("verify-required", b""),)}, "'verify-required' is not supported"),
        ({"critical_options": (("no-such\x1b[2J", b""),)}, r"'no-such\x1b[2J' is not supported"),
        ({"critical_options": (("source-address", string("x")),)}, "does not appear to be"),
        ({"critical_options": (("source-address", string("192.0.2.1/24")),)}, "has host bits set"),
        ({"critical_options": (("source-address", string("") + b"x"),)}, "left over"),
        ({"extensions": PERMISSIONS}, "carries no identity@ssh-bastion"),
        ({"extensions": PERMISSIONS * 2}, "out of order or repeated"),
        ({"extensions": carried() * 2}, "out of order or repeated"),
        ({"extensions": (*PERMISSIONS, *carried())}, "out of order"),
        ({"extensions": ((IDENTITY_EXTENSION, b"{}"),)}, "end too early"),
        ({"extensions": ((IDENTITY_EXTENSION, string("[" * 20000)),)}, "nested too deeply"),
        ({"extensions": ((IDENTITY_EXTENSION, string(b"\xff")),)}, "not UTF-8"),
        ({"extensions": carried(v=2)}, "not of version 1"),
        ({"extensions": carried(groups=None)}, "not of version 1"),
        ({"extensions": carried(groups="eng")}, "not of version 1"),
        ({"extensions": carried(more=1)}, "not of version 1"),
        ({"extensions": carried(groups=["eng", 1])}, "a group that is no text"),
        ({"extensions": carried(groups=["eng,root"])}, "'eng,root' is no group"),
        ({"extensions": carried(name="root")}, "are not its identity's name"),
        ({"extensions": carried(name="")}, "'' is no user name"),
        ({"extensions": carried(issuer="co rp")}, "its issuer is called 'co rp'"),
        ({"extensions": carried(kind="god")}, "'god' is not a valid Kind"),
        ({"public_key": key("small", "ssh-rsa", 1024).public_data}, "an RSA key of 1024 bits"),
    ],
)
def test_refused(changes: dict[str, Any], expected: str) -> None:
    assert expected in refusal(forge(**changes))


@pytest.mark.parametrize(
    ("networks", "peer", "accepted"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.0/24", "192.0.2.1", True),
        ("10.0.0.0/8,192.0.2.0/24", "::ffff:192.0.2.1", True),
        ("2001:db8::/32", "2001:db8::1", True),
        ("fe80::/10", "fe80::1%eth0", True),
        ("192.0.2.0/24", "192.0.3.1", False),
        ("192.0.2.0/24", "2001:db8::1", False),
        ("0.0.0.0/0", "", False),
        ("0.0.0.0/0", "localhost", False),
    ],
)
def test_cve_2026_46595_source_address(networks: str, peer: str, accepted: bool) -> None:
    certificate = forge(critical_options=(("source-address", string(networks)),))
    if accepted:
        assert identify(certificate, key("user_ca"), peer, NOW).name == ALICE.name
    else:
        refusal(certificate, peer=peer)


def test_cve_2025_49825_a_certificate_never_passes_as_a_ca() -> None:
    """Teleport CVE-2025-49825: a certificate in the place of the CA's key."""
    own_certificate = blob(issue())
    nested = encode(replace(decode(forge()).fields, signature_key=own_certificate), sign_with("alice"))
    assert "not signed by this bastion's user_ca" in refusal(nested)
    with pytest.raises(asyncssh.KeyImportError):  # the library refuses it as well
        asyncssh.import_certificate(b"ssh-ed25519-cert-v01@openssh.com " + base64.b64encode(nested))


def test_a_user_key_never_passes_as_a_ca() -> None:
    assert "not signed by this bastion's user_ca" in refusal(forge(ca="alice"))


def test_another_signature_over_the_right_ca_key() -> None:
    fields = decode(blob(issue())).fields
    assert "its signature is wrong" in refusal(encode(fields, sign_with("mallory")))
    assert "its signature is wrong" in refusal(encode(fields, lambda _: b""))


def test_host_certificates_of_the_same_key_are_no_user_certificates() -> None:
    host = key("user_ca").generate_host_certificate(key("alice"), "x", principals=[ALICE.name], serial=1)
    assert "not a user certificate" in refusal(host.public_data)


def test_a_certificate_signed_by_other_tools_carries_no_identity() -> None:
    plain = key("user_ca").generate_user_certificate(
        key("alice"), "x", principals=[ALICE.name], serial=1, valid_before=int(NOW.timestamp()) + 60
    )
    assert "carries no identity@ssh-bastion" in refusal(plain.public_data)


@given(st.binary(max_size=400))
@example(b"")
@example(b"\xff" * 70_000)
def test_junk(junk: bytes) -> None:
    refusal(junk)


@given(st.data())
def test_cve_2026_39831_a_changed_byte_is_never_accepted(data: st.DataObject) -> None:
    good = bytearray(forge())
    position = data.draw(st.integers(0, len(good) - 1))
    good[position] ^= data.draw(st.integers(1, 255))
    refusal(bytes(good))


@given(st.integers(0, 10_000))
def test_a_cut_certificate_is_never_accepted(length: int) -> None:
    good = forge()
    refusal(good[: length % len(good)])
    refusal(good + good[: 1 + length % len(good)])


TEXTS = st.text(max_size=30)
OPTIONS = st.lists(st.tuples(TEXTS, st.binary(max_size=60)), max_size=4).map(tuple)


@given(
    serial=st.integers(0, 2**64 - 1),
    type=st.integers(0, 3),
    key_id=TEXTS,
    principals=st.lists(TEXTS, max_size=4).map(tuple),
    valid_after=st.integers(0, 2**64 - 1),
    valid_before=st.integers(0, 2**64 - 1),
    critical_options=OPTIONS,
    extensions=OPTIONS,
    carried=st.recursive(
        st.none() | st.integers() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
    ),
)
def test_whatever_the_ca_signs_the_answer_is_an_identity_or_a_refusal(carried: Any, **changes: Any) -> None:
    changes["extensions"] = (*changes["extensions"], (IDENTITY_EXTENSION, string(json.dumps(carried))))
    refusal(forge(**changes))


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}", fullmatch=True)
PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters=","), min_size=1, max_size=60)


@given(NAMES, PRINTABLE, st.lists(PRINTABLE, unique=True, max_size=20).map(tuple), st.sampled_from(Kind))
def test_every_identity_survives_the_round_trip(name: str, subject: str, groups: tuple[str, ...], kind: Kind) -> None:
    before = Identity(name, "corp", subject, groups, kind, 0, NOW)
    issued = issue(before)
    after = identify(blob(issued), key("user_ca"), "192.0.2.1", NOW)
    assert (after.name, after.subject, after.groups, after.kind) == (name, subject, groups, kind)
    assert after.expires == issued.row.expires.astimezone(UTC)


def test_the_extension_is_plain_ascii() -> None:
    assert encode_identity(ALICE)[4:].isascii()  # after its length
