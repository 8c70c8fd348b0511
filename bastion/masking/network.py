"""Finds IP and MAC addresses.

Not masked, because they point at nobody: loopback, the unspecified address, netmasks and broadcast, MAC addresses of
zeros or ones alone. What reads like a version (`v1.2.3.4`, `version 1.2.3.4`) is no address; other four-part versions
can't be told apart. A prefix length or port behind an address stays.
"""

import re
import string

from bastion.masking.engine import Trigger
from bastion.masking.rows import Probe, Row, RunOpening, Span, is_text

_HEX = string.hexdigits.encode()
_NO_DIGITS = bytes(byte for byte in range(256) if byte not in string.digits.encode())
_BODY = _HEX + b":."
_OCTETS = re.compile(rb"(?<![0-9])[0-9]{1,3}(?:\.[0-9]{1,3}){3}\Z")
_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(
    rb"(?<![0-9A-Za-z_])(?<![0-9]\.)(?<![vV]ersion )(?!0\.0\.0\.0|127\.|255\.)"
    rb"(?:" + _OCTET + rb"\.){3}" + _OCTET + rb"(?![0-9A-Za-z_])(?!\.[0-9])"
)
_FLOW = re.compile(rb"(?:IP|>) (?!0\.0\.0\.0|127\.)((?:" + _OCTET + rb"\.){3}" + _OCTET + rb")\.[0-9]{1,5}[ :]\Z")
_MAC = re.compile(
    rb"(?<![0-9A-Za-z])(?<![0-9A-Fa-f][:\-])(?!00[:\-]00[:\-]00[:\-]00[:\-]00[:\-]00|(?i:ff[:\-]ff[:\-]ff[:\-]ff[:\-]ff))"
    rb"[0-9A-Fa-f]{2}([:\-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Za-z])(?![:\-][0-9A-Fa-f])"
)
_HEADER = re.compile(rb"MAC=(?:[0-9A-Fa-f]{2}:){13}[0-9A-Fa-f]{2}")
_CISCO = re.compile(
    rb"(?<![0-9A-Za-z])(?<![0-9A-Fa-f]\.)[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z])(?!\.[0-9A-Fa-f])"
)
_SHORT = re.compile(rb"(?=.*[0-9])[0-9A-Fa-f]{3,4}:|::ffff:|64:ff9b:", re.IGNORECASE)  # others are code: a::b, ::add
_GROUP = rb"[0-9A-Fa-f]{1,4}"
_WHOLE = re.compile(rb"(?:%b:){7}%b" % (_GROUP, _GROUP))
_SHORTENED = re.compile(rb"(?:%b(?::%b)*)?::(?:%b(?::%b)*)?" % ((_GROUP,) * 4))
_DOTTED = re.compile(rb":(?:" + _OCTET + rb"\.){3}" + _OCTET + rb"\Z")  # stands for two groups
_IPV6_LONGEST = 45
_IPV6_RUN = re.compile(rb"[0-9A-Fa-f:.]{0,%d}" % (_IPV6_LONGEST + 1))


def _locate_ipv4(text: bytes, hit: int) -> Span | None:
    """Look before a hit, which is at the end or up to two bytes behind it."""
    tail = text[max(0, hit - 2) : hit]
    last = hit - len(tail) + len(tail.rstrip(_NO_DIGITS))
    octets = _OCTETS.search(text, max(0, last - 15), last)
    found = _IPV4.match(text, octets.start()) if octets is not None else None
    return found.span() if found is not None else None


def _locate_flow(text: bytes, hit: int) -> Span | None:
    """Return the address before a port, as tcpdump writes them."""
    found = _FLOW.search(text, max(0, hit - 26), hit)
    return found.span(1) if found is not None else None


def _locate_mac(text: bytes, hit: int) -> Span | None:
    """Look before a hit, as for IPv4."""
    found = _at(_MAC, text, hit - 18) or _at(_MAC, text, hit - 17) or _at(_MAC, text, hit - 19)
    return found.span() if found is not None else None


def _locate_header(text: bytes, hit: int) -> Span | None:
    """Return all of an Ethernet header as the kernel logs it: both addresses and the type."""
    return (hit - 41, hit) if hit >= 45 and _HEADER.fullmatch(text, hit - 45, hit) is not None else None


def _locate_cisco(text: bytes, hit: int) -> Span | None:
    """Look before a hit, as for IPv4."""
    found = _at(_CISCO, text, hit - 15) or _at(_CISCO, text, hit - 14) or _at(_CISCO, text, hit - 16)
    if found is None or not any(letter in b"abcdefABCDEF" for letter in found[0]):
        return None
    return found.span()


def _at(pattern: re.Pattern[bytes], text: bytes, start: int) -> re.Match[bytes] | None:
    return pattern.match(text, start) if start >= 0 else None


def _locate_ipv6(text: bytes, hit: int) -> Span | None:
    """Look at the whole run of hexadecimal digits, colons and dots around a hit, or right before one."""
    if text[hit - 1 : hit] not in _BODY:
        hit -= 1
    window = text[hit - _IPV6_LONGEST - 1 if hit > _IPV6_LONGEST else 0 : hit]
    start = hit - len(window) + len(window.rstrip(_BODY))
    if hit - start > _IPV6_LONGEST:
        return None
    run = _IPV6_RUN.match(text, start)
    assert run is not None
    address = run[0].rstrip(b".")
    if address[-1:] == b":" and address[-2:] != b"::":
        address = address[:-1]
    end = start + len(address)
    if len(address) > _IPV6_LONGEST or text[start - 1 : start].isalnum() or text[end : end + 1].isalnum():
        return None
    groups = address.count(b":")
    if groups < 2 or address.count(b"::") > 1 or (groups < 4 and _SHORT.match(address) is None):
        return None
    if groups < 5 and not is_text(text, start):
        return None
    return (start, end) if _is_somebodys(address) else None


def _is_somebodys(address: bytes) -> bool:
    """Return whether this is an address of IPv6, other than the host's own and none."""
    plain = _DOTTED.sub(b":1:1", address) if b"." in address else address
    colons = plain.count(b":")
    if b"::" not in plain:
        pattern = _WHOLE
    elif colons < 8 or (colons == 8 and (plain.startswith(b"::") or plain.endswith(b"::"))):
        pattern = _SHORTENED
    else:
        return False
    if pattern.fullmatch(plain) is None:
        return False
    digits = address.strip(b":.0")
    return bool(digits) and not (digits == b"1" and address.endswith(digits))


_OPENING = RunOpening(body=_HEX + b":.-", firsts=_HEX + b":", limit=64)

ROWS = (
    Row(
        name="ipv4",
        kind="ip",
        probes=(
            Probe(
                Trigger(rb"(?:\.[0-9]{1,3}){3}(?:[^0-9A-Za-z_.]|\.[^0-9]|\.?$)"),
                _locate_ipv4,
            ),
            Probe(Trigger(rb"(?:IP|>) (?:[0-9]{1,3}\.){4}[0-9]{1,5}[ :]"), _locate_flow),
        ),
        opening=_OPENING,
        samples=(
            "from <203.0.113.9> port 22",
            "<10.1.2.3>:8080",
            "(<192.168.0.1>/24)",
            "ip=<8.8.8.8>.",
            "<198.51.100.77>\tGET",
            "12:00:01.1 IP <10.0.0.5>.22 ",
        ),
        near_misses=(
            "127.0.0.1",
            "0.0.0.0/0",
            "255.255.255.0",
            "v1.2.3.4",
            "version 1.2.3.4",
            "1.2.3",
            "1.2.3.4.5",
            "10.0.19041.1",
            "256.1.1.1",
        ),
    ),
    Row(
        name="ipv6",
        kind="ip",
        probes=(
            Probe(Trigger(rb"(?::[0-9A-Fa-f]{1,4}){6}(?:[^0-9A-Za-z:]|:[^0-9A-Fa-f:]|:?$)"), _locate_ipv6),
            Probe(Trigger(rb"(?:^|[^0-9A-Za-z])::[0-9A-Fa-f]"), _locate_ipv6),
            Probe(Trigger(rb"(?:^|[^0-9A-Za-z])[0-9A-Fa-f]{1,4}::"), _locate_ipv6),
        ),
        opening=_OPENING,
        samples=(
            "addr <2001:db8::1> up",
            "[<2001:db8:85a3:0:0:8a2e:370:7334>]:443",
            "inet6 <fe80::1c2d:3eff:fe4f:5a6b>/64",
            "<::ffff:192.0.2.128>",
            "from <2001:0db8:85a3:0000:0000:8a2e:0370:7334>,",
        ),
        near_misses=(
            "::1",
            "std::deque",
            "10:00:01",
            "::",
            "a::b",
            "::add(x)",
            "A|::d",
            "abc::def",
            "a::b::c",
            "1:2:3:4:5:6:7:8:9",
        ),
    ),
    Row(
        name="mac",
        kind="mac",
        probes=(
            Probe(
                Trigger(rb"(?:[:\-][0-9A-Fa-f]{2}){5}(?:[^0-9A-Za-z:\-]|[:\-][^0-9A-Fa-f]|[:\-]?$)"),
                _locate_mac,
            ),
            Probe(Trigger(rb"MAC=(?:[0-9A-Fa-f]{2}:){13}[0-9A-Fa-f]{2}"), _locate_header),
            Probe(
                Trigger(rb"(?:\.[0-9A-Fa-f]{4}){2}(?:[^0-9A-Za-z.]|\.[^0-9A-Fa-f]|\.?$)"),
                _locate_cisco,
            ),
        ),
        opening=_OPENING,
        samples=(
            "link/ether <52:54:00:12:34:56> brd",
            "<00-1A-2B-3C-4D-5E>",
            "<0050.56ab.cdef>",
            "IN=eth0 MAC=<52:54:00:12:34:56:08:00:27:aa:bb:cc:08:00> SRC=",
        ),
        near_misses=(
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "52:54:00:12:34",
            "SHA1 aa:bb:cc:dd:ee:ff:00:11",
            "1234.5678.9012",
        ),
    ),
)
