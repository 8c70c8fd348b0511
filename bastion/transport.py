"""SSH algorithms and limits, for both legs, in one place; every default of asyncssh that matters is set here.

Post-quantum key exchange first; AES-GCM before anything else (the bastion decrypts and encrypts each byte several
times); no SHA-1, no DSA, no CBC, no compression. See RFC 9142 and the OpenSSH defaults of 2025.
"""

from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import Any

KEX = ("mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org")
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")
SIGNATURES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
)

LOGIN_SECONDS = 30  # until authentication must be complete
DEVICE_LOGIN_SECONDS = 600  # with a person in a browser in between
KEEPALIVE_SECONDS = 30
KEEPALIVE_MISSES = 4
REKEY_BYTES = 1 << 30
REKEY_SECONDS = 3600
WINDOW = 2 * 1024 * 1024  # what a peer may send ahead of us, a channel
PACKET = 32 * 1024


def peer_address(peername: Sequence[Any] | None) -> str:
    """Return the address of a socket's peer, "" without one; IPv4 in its own spelling, on an IPv6 socket too."""
    host = str(peername[0]) if peername else ""
    mapped = IPv6Address(host).ipv4_mapped if ":" in host else None
    return str(mapped) if mapped is not None else host


def common_options() -> dict[str, Any]:
    """Return the options of asyncssh that both the door and outgoing connections use."""
    return {
        "kex_algs": list(KEX),
        "encryption_algs": list(CIPHERS),
        "mac_algs": list(MACS),
        "compression_algs": ["none"],
        "signature_algs": list(SIGNATURES),
        "rekey_bytes": REKEY_BYTES,
        "rekey_seconds": REKEY_SECONDS,
        "keepalive_interval": KEEPALIVE_SECONDS,
        "keepalive_count_max": KEEPALIVE_MISSES,
        "tcp_keepalive": True,
        "login_timeout": LOGIN_SECONDS,
        "x509_trusted_certs": None,
        "gss_host": None,
    }
