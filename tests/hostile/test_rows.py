"""The mistakes others made with channels, logins and transports: each has a test of ours that is named after it.

A row says what we do, and how the names of its tests begin (after `test_`); one row may have several tests, and one
test's name may hold several rows. Vendors' advisories that say nothing about channels or transport are not here.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent

ROWS = {
    # asyncssh
    "CVE-2018-7749: no channel before authentication": "cve_2018_7749",
    "CVE-2023-46445, -46446: strict order of messages in a key exchange": "cve_2023_46445_46446",
    "CVE-2023-48795: strict key exchange": "cve_2023_48795",
    "CVE-2026-45309, -54590: a name is never a pattern or a path": "cve_2026_45309",
    "CVE-2026-54591: names of files in scp": "cve_2026_54591",
    "CVE-2026-62949: max packet size 0": "cve_2026_62949",
    "asyncssh takes certificates without principals": "asyncssh_a_certificate_without_principals",
    "asyncssh splits principals at commas": "asyncssh_principals_are_never_split",
    "asyncssh's principals= option of keys": "asyncssh_key_options",
    "asyncssh's known_hosts=None": "asyncssh_known_hosts",
    "asyncssh's defaults": "asyncssh_defaults",
    # OpenSSH, and the protocol as such
    "CVE-2026-35414: rekeying on both legs": "cve_2026_35414",
    "CVE-2025-61984, -61985, CVE-2023-51385: names of targets and users": "cve_2025_61984",
    "CVE-2024-6387: limits before authentication": "cve_2024_6387",
    "CVE-2025-26466: pings": "cve_2025_26466",
    "CVE-2018-10933: what only servers say": "cve_2018_10933",
    "CVE-2025-32433: channels before authentication": "cve_2025_32433",
    "CVE-2023-6004, CVE-2026-55200: a hostile target": "cve_2023_6004",
    "CVE-2026-0968: a hostile target's replies": "cve_2026_0968",
    "CVE-2026-9547, sshpiper#554: a host key of another type": "cve_2026_9547",
    "CVE-2018-7750, CVE-2018-1000805: the state of a login": "cve_2018_7750",
    "CVE-2022-24302: private keys are private from the first byte": "cve_2022_24302",
    # Go's x/crypto/ssh
    "CVE-2024-45337: the key that signed": "cve_2024_45337",
    "CVE-2026-39828: restrictions and partial success": "cve_2026_39828",
    "CVE-2026-46595: source-address": "cve_2026_46595",
    "CVE-2026-42508: revocation of key and CA": "cve_2026_42508",
    "CVE-2026-39829: huge keys": "cve_2026_39829",
    "CVE-2025-22869: memory in a slow key exchange": "cve_2025_22869",
    "CVE-2026-39827: memory of refused channels": "cve_2026_39827",
    "CVE-2026-39830: answers nobody asked for": "cve_2026_39830",
    "CVE-2025-58181: malformed blobs of logins": "cve_2025_58181",
    "CVE-2025-47914, CVE-2026-46597, -46598: malformed messages": "cve_2025_47914",
    "CVE-2026-39831 to -39835: malformed certificates": "cve_2026_39831",
    # Teleport
    "CVE-2025-49825: a certificate in the place of a CA": "cve_2025_49825",
    "Teleport 10.3.15: a forward needs the same account as a shell": "teleport_10_3_15",
    "GHSA-c9v7, GHSA-hw4x: the bastion connects nowhere": "ghsa_c9v7",
    "GHSA-vfxf, 12.4.28: variables": "ghsa_vfxf",
    "Teleport 17.7.25 (#67443): another's remote forward": "teleport_67443",
    "15.4.28, GHSA-76cc: no user-chosen path reaches the host": "ghsa_76cc",
    # Warpgate, russh, sshpiper, Boundary and the rest
    "CVE-2023-43660: a probe is no login": "cve_2023_43660",
    "CVE-2023-48712, CVE-2026-46705: another name in mid-login": "cve_2023_48712",
    "warpgate#2328: bytes a server sends first": "warpgate_2328",
    "warpgate#2065: bytes sent before the target is up": "warpgate_2065",
    "warpgate#1124: a burst of connections": "warpgate_1124",
    "warpgate#1459: parallel agent channels": "warpgate_1459",
    "warpgate#2463: new credentials are used at once": "warpgate_2463",
    "warpgate#2457: terminals of no size": "warpgate_2457",
    "CVE-2024-43410: lengths of packets": "cve_2024_43410",
    "CVE-2025-54804: overflow of a window": "cve_2025_54804",
    "russh CVE-2026-46702, -46673: compression": "russh_compression",
    "russh CVE-2026-48107: exec on a channel that was never opened": "russh_exec",
    "russh CVE-2026-68930: degenerate values": "russh_degenerate",
    "russh GHSA-5xvq, GHSA-g9hv: lengths in logins and channels": "russh_more_bytes",
    "CVE-2023-42818: partial success opens nothing": "cve_2023_42818",
    "CVE-2023-46123, CVE-2024-35175: where a client comes from": "cve_2023_46123",
    "CVE-2026-54336: paths of sftp": "cve_2026_54336",
    "CVE-2023-45140: all kinds of channel meet the same rule": "cve_2023_45140",
    "CVE-2024-1052, CVE-2022-36130, CVE-2026-7776: limits of a session": "boundary_cve_2024_1052",
    "sshpiper: user names that are paths": "sshpiper_traversal",
}


@cache
def names() -> frozenset[str]:
    """Return the names of all test functions, without `test_`."""
    found = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found.add(node.name.removeprefix("test_"))
    return frozenset(found)


@pytest.mark.parametrize("row", ROWS)
def test_each_row_has_a_test(row: str) -> None:
    assert any(ROWS[row] in name for name in names()), f"no test is called test_{ROWS[row]}…"
