"""Finds e-mail addresses: from each `@` to the left over the local part, to the right over the domain.

Any top-level domain counts, because internal ones (`.corp`, `.internal`) are as personal as public ones; what only
looks like an address (systemd units, `git@host:`, file names such as `logo@2x.png`) is on a short list of exceptions.
Letters of Latin, Greek and Cyrillic beyond ASCII count; scripts written without spaces don't, or whole sentences would
be hidden. In bytes that are no text (see `is_text`) only a longer shape is believed, or random data would be changed
now and then.
Quoted local parts (`"a b"@x.org`), comments and address literals (`x@[192.0.2.1]`) are not found as addresses.
"""

import re
import string
from dataclasses import dataclass

from bastion.masking.engine import Trigger
from bastion.masking.rows import Probe, Row, Span, is_text

_ALNUM = (string.ascii_letters + string.digits).encode()
_LEADS = bytes(range(0xC3, 0xE0))  # first byte of two-byte UTF-8: Latin-1 letters up to N'Ko
_CONTINUATION = bytes(range(0x80, 0xC0))
_LOCAL = _ALNUM + b"._%+-'" + _LEADS + _CONTINUATION
_DOMAIN = _ALNUM + b".-" + _LEADS + _CONTINUATION
_NOT_FIRST = b".-'" + _CONTINUATION
_LOCAL_LIMIT = 64
_LABEL_LIMIT = 126  # bytes, when all letters take two
_DOMAIN_LIMIT = 255

_HOST = re.compile(rb"[A-Za-z0-9\xc3-\xdf][A-Za-z0-9.\-\x80-\xbf\xc3-\xdf]{0,%d}" % (_DOMAIN_LIMIT - 1))
_TOP = re.compile(rb"\.(?:[A-Za-z]{2}|[\xc3-\xdf][\x80-\xbf]|xn--)", re.IGNORECASE)
_STRONG = re.compile(
    rb"[A-Za-z0-9._+-]{3,}@[a-z0-9-]{3,}(?:\.[a-z0-9-]{2,})*\.[a-z]{2,12}|[A-Z0-9._+-]{3,}@[A-Z0-9-]{4,}\.[A-Z]{2,12}"
)
_NO_ADDRESS = frozenset(
    b"service scope slice socket mount automount timer target device path swap".split()
    + b"png jpg jpeg gif svg webp tgz json html".split()
)


@dataclass(frozen=True, slots=True)
class _AddressOpening:
    """The word at the end, or the address whose domain may still grow."""

    limit: int = _LOCAL_LIMIT + 1 + _DOMAIN_LIMIT + 1
    firsts: bytes = _LOCAL

    def start(self, text: bytes, end: int) -> int:
        """Return where the local part begins that an `@` may follow, or whose domain the end cuts."""
        tail = text[max(0, end - self.limit) : end]
        word = tail[len(tail.rstrip(_LOCAL)) :]
        opened = end - min(len(word), _LOCAL_LIMIT)
        at = tail.rfind(b"@")
        if at >= 0 and len(tail) - at <= _DOMAIN_LIMIT and not tail[at + 1 :].strip(_DOMAIN):
            window = tail[max(0, at - _LOCAL_LIMIT) : at]
            opened = min(opened, end - len(tail) + at - len(window) + len(window.rstrip(_LOCAL)))
        return opened

    def free(self, text: bytes, start: int) -> int:
        """Return the position of the `@`: the local part alone may be shown."""
        at = text.find(b"@", start)
        return len(text) if at < 0 else at


_TRIGGER = Trigger(
    rb"[A-Za-z0-9._%%+\-'\x80-\xdf]@[A-Za-z0-9\xc3-\xdf][A-Za-z0-9\-\x80-\xbf\xc3-\xdf]{0,%d}\.[A-Za-z0-9\-\xc3-\xdf]"
    % (_LABEL_LIMIT - 1)
)


def _locate(text: bytes, hit: int) -> Span | None:
    at = text.rfind(b"@", max(0, hit - _LABEL_LIMIT - 2), hit)
    host = _HOST.match(text, at + 1)
    if at < 0 or host is None:
        return None
    domain = host[0].rstrip(b".-")
    end = at + 1 + len(domain)
    window = text[max(0, at - _LOCAL_LIMIT) : at]
    start = at - len(window[len(window.rstrip(_LOCAL)) :].lstrip(_NOT_FIRST))
    if start == at or _TOP.search(domain) is None or domain.rpartition(b".")[2].lower() in _NO_ADDRESS:
        return None
    if text[start:at] == b"git" and text[end : end + 1] == b":":
        return None
    if not is_text(text, start) and _STRONG.fullmatch(text, start, end) is None:
        return None
    return start, end


ROWS = (
    Row(
        name="address",
        kind="email",
        probes=(Probe(_TRIGGER, _locate),),
        opening=_AddressOpening(),
        samples=(
            "write to <john.doe@example.com>, please",
            "<j@x.io>",
            "mail=<o'brien+tag@mail.example.co.uk>;",
            '{"email":"<root@db-1.corp.internal>"}',
            "<jörg.müller@bücher.example>",
            "<иван@почта.рф>",
            "联系<li@example.cn>。",
            "mailto:<a_b%c@example.museum>?subject=x",
            "<JOHN@EXAMPLE.COM>",
            "see <jane@example.org>.",
        ),
        near_misses=(
            "getty@tty1.service",
            "git@github.com:org/repo.git",
            "logo@2x.png",
            "react-dom@18.2.0",
            "root@localhost:~$ ",
            "@decorator.name",
            "a @ b.com",
            "user@host",
            "x@-.com",
        ),
    ),
)
