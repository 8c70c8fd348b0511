"""What the bastion offers a target in the handshake: algorithms, and which host keys are trusted. No I/O.

A target is offered the bastion's own algorithms first, and after them what its configuration adds for it alone.
"""

from typing import Any

import asyncssh
from asyncssh.public_key import get_certificate_algs

from bastion.config.schema import Target
from bastion.errors import TargetUnreachable
from bastion.transport import CIPHERS, KEX, MACS, SIGNATURES, common_options

_CERTIFICATE = "-cert-v01@openssh.com"


def handshake(target: Target) -> dict[str, Any]:
    """Return asyncssh's options for the handshake with a target. Raises TargetUnreachable where no key is trusted."""
    more = target.algorithms
    return {
        **common_options(),
        "kex_algs": [*KEX, *more.kex],
        "encryption_algs": [*CIPHERS, *more.ciphers],
        "mac_algs": [*MACS, *more.macs],
        "signature_algs": [*SIGNATURES, *more.signatures],
        "server_host_key_algs": host_key_algorithms(target),
        "known_hosts": trusted_hosts(target),
    }


def trusted_hosts(target: Target) -> tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]]:
    """Return asyncssh's form of the target's trusted host keys and host CAs: never empty, never "any"."""
    keys = [asyncssh.import_public_key(line) for line in target.host_keys]
    authorities = [asyncssh.import_public_key(line) for line in target.host_cas]
    if not keys and not authorities:
        raise TargetUnreachable(f"no host key is configured for {target.name}; an administrator has to set one")
    return keys, authorities, []


def host_key_algorithms(target: Target) -> list[str]:
    """Return how the host may prove itself: with what its keys can sign, and certificates where a CA is trusted.

    asyncssh by itself would take SHA-1 signatures (`ssh-rsa`) of every RSA key.
    """
    allowed = [*SIGNATURES, *target.algorithms.host_keys]
    keys, authorities, _ = trusted_hosts(target)
    able = {name.decode() for key in keys for name in key.sig_algorithms}
    found = [name for name in allowed if name in able]
    if authorities:
        known = {name.decode() for name in get_certificate_algs()}
        found += [name + _CERTIFICATE for name in allowed if name + _CERTIFICATE in known]
    if not found:
        raise TargetUnreachable(
            f"the host key of {target.name} can't be used; an administrator may allow its type in "
            f"targets.{target.name}.algorithms",
            log=f"{target.name}: its keys sign with {', '.join(sorted(able))} alone",
        )
    return found
