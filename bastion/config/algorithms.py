"""Reads `algorithms` of a target: what an old device needs, that no other target is offered.

Whatever asyncssh knows may be named, apart from DSA and Kerberos. Each use is a warning, so that `bastion check` lists
where the bastion speaks with less than its own algorithms.
"""

import re

from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_public_key_algs

from bastion.config.schema import Algorithms
from bastion.config.table import Reader, Table
from bastion.config.values import BadValueError, quoted, suggestion, text

_WEAK = re.compile(r"sha1\b|md5|-cbc|arcfour|ssh-rsa|-96\b|group1-|umac-64|rsa1024")


def read_algorithms(target: Table, protocol: str) -> Algorithms:
    """Return `algorithms` of a target; findings go to its table."""
    if protocol not in ("ssh", ""):
        target.forbid("algorithms", f"is for ssh targets, not for {protocol}")
        return Algorithms()
    table = target.table("algorithms")
    signatures = _known(get_public_key_algs(), "signature")
    found = Algorithms(
        kex=table.several("kex", _known(get_kex_algs(), "key exchange")),
        ciphers=table.several("ciphers", _known(get_encryption_algs(), "cipher")),
        macs=table.several("macs", _known(get_mac_algs(), "mac")),
        host_keys=table.several("host_keys", signatures),
        signatures=table.several("signatures", signatures),
    )
    table.finish()
    names = [*found.kex, *found.ciphers, *found.macs, *found.host_keys, *found.signatures]
    if names:
        weak = [name for name in names if _WEAK.search(name)]
        judgement = f"; weak or broken: {', '.join(dict.fromkeys(weak))}" if weak else ""
        target.warn("algorithms", f"offers {', '.join(dict.fromkeys(names))} to this target alone{judgement}")
    return found


def _known(names: list[bytes], kind: str) -> Reader[str]:
    known = [name.decode() for name in names if not name.startswith(b"gss-") and name != b"ssh-dss"]

    def read(value: object) -> str:
        name = text(value)
        if name == "ssh-dss":
            raise BadValueError("ssh-dss is too weak to be used; have the device make an rsa or ed25519 key")
        if name not in known:
            raise BadValueError(f"{quoted(name)} is no {kind} algorithm known here{suggestion(name, known)}")
        return name

    return read
