"""Public keys as users paste them."""

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.auth.userkeys import MAX_LINE, check_key_blob, parse_public_key
from bastion.auth.wire import CERTIFICATE_ALGORITHMS, string
from bastion.errors import LoginError
from tests.bastion.auth.kit import issue, key

RSA = key("rsa", "ssh-rsa")


def line(of: asyncssh.SSHKey) -> str:
    return of.export_public_key().decode()


def rsa_line(bits: int, exponent: bytes = b"\x01\x00\x01") -> str:
    """Return a public key line with a made-up modulus of that many bits."""
    modulus = b"\0" + (1 << (bits - 1) | 1).to_bytes(bits // 8, "big")
    blob = string("ssh-rsa") + string(exponent) + string(modulus)
    return "ssh-rsa " + _base64(blob)


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


def refusal(text: str) -> str:
    with pytest.raises(LoginError) as caught:
        parse_public_key(text)
    message = str(caught.value)
    assert message.isprintable()
    return message


@pytest.mark.parametrize(
    "algorithm",
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"],
)
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "  a comment with words\n\n"])
def test_taken(algorithm: str, ending: str) -> None:
    wanted = key(algorithm, algorithm)
    found = parse_public_key(" " + line(wanted).strip() + ending)
    assert found.public_data == wanted.public_data


@pytest.mark.parametrize(
    ("algorithm", "parts"),
    [
        ("sk-ssh-ed25519@openssh.com", (key("a").public_data[-32:], b"ssh:")),
        (
            "sk-ecdsa-sha2-nistp256@openssh.com",
            (b"nistp256", key("b", "ecdsa-sha2-nistp256").public_data[-65:], b"ssh:"),
        ),
    ],
)
def test_keys_on_security_tokens_are_taken(algorithm: str, parts: tuple[bytes, ...]) -> None:
    blob = string(algorithm) + b"".join(string(part) for part in parts)
    assert parse_public_key(f"{algorithm} {_base64(blob)}").public_data == blob


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no public key was given"),
        (" \n ", "no public key was given"),
        (key("alice").export_private_key().decode(), "that is a private key; keep it secret"),
        (line(key("alice")) + key("alice").export_private_key().decode(), "that is a private key"),
        (key("alice").export_public_key("rfc4716").decode(), "not in OpenSSH format; convert it"),
        (RSA.export_public_key("pkcs8-pem").decode(), "not in OpenSSH format; convert it"),
        (line(key("alice")) + line(key("bob")), "more than one line was given"),
        (issue().line, "that is a certificate; give the public key"),
        ("ssh-ed25519", "'ssh-ed25519' is no public key that is taken"),
        ("ssh-dss AAAAB3NzaC1kc3M=", "is no public key that is taken; give an OpenSSH key of type ed25519"),
        ("ssh-ed448 AAAACXNzaC1lZDQ0OA==", "is no public key that is taken"),
        ('command="x" ' + line(key("alice")), "is no public key that is taken"),
        ("Permission denied\x1b[2J", r"'Permission denied\x1b[2J' is no public key"),
        ("ssh-ed25519 AAAA!", "it is not base64"),
        ("ssh-ed25519 ÄÄÄÄ", "it is not base64"),
        ("ssh-ed25519 AAAA", "the public key is damaged"),
        (line(key("alice")).strip()[:-8], "the public key is damaged"),
        (line(key("alice")).replace("ssh-ed25519", "ssh-rsa"), "its type and its content differ"),
        (rsa_line(1024), "an RSA key of 1024 bits is not taken, only 2048 to 8192 bits are; make one with"),
        (rsa_line(2040), "an RSA key of 2040 bits"),
        (rsa_line(8200), "an RSA key of 8200 bits"),
        (rsa_line(2048, b"\x01"), "such an exponent"),
        (rsa_line(2048, b"\x04"), "such an exponent"),
        (rsa_line(2048, b"\x01" + b"\0" * 20 + b"\x01"), "such an exponent"),
        ("ssh-ed25519 " + "A" * MAX_LINE, f"longer than {MAX_LINE} characters"),
    ],
    ids=lambda value: value if value.isprintable() and "AAAA" not in value else "key",  # keys differ from run to run
)
def test_refused(text: str, expected: str) -> None:
    message = refusal(text)
    assert expected in message
    assert "OPENSSH" not in message


def test_a_private_key_is_never_repeated() -> None:
    secret = key("alice").export_private_key().decode()
    assert not any(part in refusal(secret) for part in secret.splitlines())


@given(st.text(max_size=300))
def test_any_text_is_a_key_or_a_refusal(text: str) -> None:
    refusal(text)


@given(st.sampled_from(sorted(CERTIFICATE_ALGORITHMS)), st.binary(max_size=200))
def test_any_content_is_a_key_or_a_refusal(algorithm: str, rest: bytes) -> None:
    try:
        found = parse_public_key(f"{algorithm} {_base64(string(algorithm) + rest)}")
    except LoginError:
        return
    assert check_key_blob(found.public_data) == algorithm
