"""Finds e-mail addresses: from each `@` to the left over the local part, to the right over the domain.

Any top-level domain counts, because internal ones (`.corp`, `.internal`) are as personal as public ones; what only
looks like an address (systemd units, `git@host:`, file names such as `logo@2x.png`) is on a short list of exceptions.
Letters of Latin, Greek and Cyrillic beyond ASCII count; scripts written without spaces don't, or whole sentences would
be hidden. In bytes that are no text (see `is_text`) only a longer shape is believed, or random data would be changed
now and then.
An `@` may be written as URLs, JSON and HTML do (`joe%40example.com`), a local part may stand in quotes (`"a b"@x.org`).
Comments and address literals (`x@[192.0.2.1]`) are not found as addresses.
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


def _host(letters: bytes, more: bytes, top: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a domain: labels of letters, and of `more` behind their first one.

    Its groups are the last label, and how the last one begins that may be a top-level domain.
    """
    label = rb"[%b%b\-]" % (letters, more)
    return re.compile(rb"[%b]%b*+(?:\.((?:(%b)|%b)%b*+))*" % (letters, label, top, label, label))


_HOST = _host(rb"A-Za-z0-9\xc3-\xdf", rb"\x80-\xbf", rb"[A-Za-z]{2}|[\xc3-\xdf][\x80-\xbf]")
_PLAIN_HOST = _host(rb"A-Za-z0-9", b"", rb"[A-Za-z]{2}")
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
    rb"[A-Za-z0-9._%%+\-'\x80-\xdf]@[A-Za-z0-9\xc3-\xdf][A-Za-z0-9\-\x80-\xbf\xc3-\xdf]{0,%d}\.[A-Za-z0-9\-\x80-\xbf\xc3-\xdf]"
    % (_LABEL_LIMIT - 1)
)


def _domain_end(pattern: re.Pattern[bytes], text: bytes, start: int, limit: int) -> int:
    """Return where the domain that begins at `start` ends, or -1 where none does that may be of an address."""
    host = pattern.match(text, start, start + limit)
    if host is None:
        return -1
    label, top = host.groups()
    if top is None:
        return -1
    if text[host.end() - 1] != 0x2D:
        return -1 if label.lower() in _NO_ADDRESS else host.end()
    domain = host[0].rstrip(b".-")
    return -1 if domain.rpartition(b".")[2].lower() in _NO_ADDRESS else start + len(domain)


def _locate(text: bytes, hit: int) -> Span | None:
    at = text.rfind(b"@", hit - _LABEL_LIMIT - 2 if hit > _LABEL_LIMIT + 2 else 0, hit)
    end = _domain_end(_HOST, text, at + 1, _DOMAIN_LIMIT)
    if end < 0 or at < 0:
        return None
    window = text[at - _LOCAL_LIMIT if at > _LOCAL_LIMIT else 0 : at]
    start = at - len(window[len(window.rstrip(_LOCAL)) :].lstrip(_NOT_FIRST))
    if start == at:
        return None
    if text[end : end + 1] == b":" and text[start:at] == b"git":
        return None
    if not is_text(text, start) and _STRONG.fullmatch(text, start, end) is None:
        return None
    return start, end


_MARK = re.compile(rb"%40|\\u0040|&#(?:64|x40);", re.IGNORECASE)
_MARK_LONGEST = 6
_MARK_BYTES = b"%\\&#;" + _ALNUM
_PLAIN_LOCAL = _ALNUM + b"._%+-"
_PLAIN_DOMAIN = _ALNUM + b".-"


@dataclass(frozen=True, slots=True)
class _EncodedOpening:
    """The word at the end, or an address with an `@` written otherwise whose domain may still grow."""

    limit: int = _LOCAL_LIMIT + _MARK_LONGEST + _LABEL_LIMIT + 1
    firsts: bytes = _PLAIN_LOCAL

    def start(self, text: bytes, end: int) -> int:
        """Return where the local part begins."""
        tail = text[max(0, end - self.limit) : end]
        run = tail[len(tail.rstrip(_PLAIN_LOCAL + _MARK_BYTES)) :]
        opened = end - min(len(run), _LOCAL_LIMIT + _MARK_LONGEST)
        if b"40" in run or b";" in run:
            for mark in _MARK.finditer(run):
                if not run[mark.end() :].strip(_PLAIN_DOMAIN):
                    opened = min(opened, end - len(run) + max(0, mark.start() - _LOCAL_LIMIT))
        return opened

    def free(self, text: bytes, start: int) -> int:
        """Return where the `@` stands: the local part alone may be shown."""
        found = _MARK.search(text, start)
        return len(text) if found is None else found.start()


def _locate_encoded(text: bytes, hit: int) -> Span | None:
    """Look for the mark before a hit: all that stands between is of the domain."""
    low = max(0, hit - _LABEL_LIMIT - 2 - _MARK_LONGEST)
    at = low + len(text[low:hit].rstrip(_PLAIN_DOMAIN)) - 1
    if at >= low and text[at] == 0x3B:
        at = text.rfind(b"&", low, at)
    mark = _MARK.match(text, at) if at >= low else None
    end = _domain_end(_PLAIN_HOST, text, mark.end(), _LABEL_LIMIT) if mark is not None else -1
    if end < 0:
        return None
    window = text[max(0, at - _LOCAL_LIMIT) : at]
    start = at - len(window[len(window.rstrip(_PLAIN_LOCAL)) :].lstrip(b".-%"))
    return (start, end) if start < at and is_text(text, start) else None


_INSIDE_QUOTES = re.compile(rb"[^\"\\\x00-\x1f\x7f]{1,%d}" % _LOCAL_LIMIT)
_QUOTED_LIMIT = _LOCAL_LIMIT + 4  # bytes of a local part with its quotes, of which each may be escaped
_QUOTED_BEGUN = re.compile(
    rb"\\?\"[^\"\\\x00-\x1f\x7f]{0,%d}(?:\\?(?:\"(?:@[A-Za-z0-9.\-]{0,%d})?)?)?" % (_LOCAL_LIMIT, _LABEL_LIMIT + 1)
)


@dataclass(frozen=True, slots=True)
class _QuotedOpening:
    """The quote at the end that may open a local part, or the address whose domain may still grow."""

    limit: int = _QUOTED_LIMIT + _LABEL_LIMIT + 2
    firsts: bytes = b'"\\'

    def start(self, text: bytes, end: int) -> int:
        """Return where the quote stands that may open a local part; the one before it may be the one."""
        low = max(0, end - self.limit)
        last = text.rfind(b'"', low, end)
        if last < 0:
            return end
        for quote in (text.rfind(b'"', low, last), last):
            start = quote - (text[quote - 1 : quote] == b"\\") if quote > 0 else quote
            if quote >= 0 and _QUOTED_BEGUN.fullmatch(text, start, end) is not None:
                return start
        return end

    def free(self, text: bytes, start: int) -> int:
        """Return where the `@` stands: the local part alone may be shown."""
        at = text.find(b"@", start)
        return len(text) if at < 0 else at


def _locate_quoted(text: bytes, hit: int) -> Span | None:
    at = text.rfind(b"@", max(0, hit - _LABEL_LIMIT - 2), hit)
    end = _domain_end(_PLAIN_HOST, text, at + 1, _LABEL_LIMIT)
    escaped = text[at - 2 : at - 1] == b"\\"
    close = at - 1 - escaped
    quote = text.rfind(b'"', max(0, at - _QUOTED_LIMIT), max(0, close))
    if end < 0 or quote < 0 or text[at - 1 : at] != b'"' or (text[quote - 1 : quote] == b"\\") != escaped:
        return None
    if _INSIDE_QUOTES.fullmatch(text, quote + 1, close) is None or not is_text(text, quote):
        return None
    return quote - escaped, end


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
            "x@y..com",
        ),
    ),
    Row(
        name="encoded",
        kind="email",
        probes=(
            Probe(
                Trigger(
                    rb"(?i)[a-z0-9._%+\-](?:%40|\\u0040|&#(?:64|x40);)[a-z0-9][a-z0-9\-]{0,125}\.[a-z]",
                ),
                _locate_encoded,
            ),
        ),
        opening=_EncodedOpening(),
        samples=(
            "GET /u?mail=<joe%40example.com>&x=1",
            '{"mail":"<joe.doe+x\\u0040mail.example.org>"}',
            "<info&#64;example.museum> or",
            "q=<joe%2Btag%40example.co.uk>",
        ),
        near_misses=("100%40", "a%40b", "x%40y.service", "width:%40s.%d", "\\u0040example.com"),
    ),
    Row(
        name="quoted",
        kind="email",
        probes=(Probe(Trigger(rb"\"@[A-Za-z0-9][A-Za-z0-9\-]{0,125}\.[A-Za-z]"), _locate_quoted),),
        opening=_QuotedOpening(),
        samples=(
            'From: <"john doe"@example.com>',
            'to=<"Q. Public, Jr."@corp.example.org>; next',
            '{"mail":"<\\"john doe\\"@example.com>"}',
            '"a": "b", <"c d"@example.museum>.',
        ),
        near_misses=('"chat"@en', '"a"@x.service', '""@example.com', 'say "@example.com"', '"a\\"@example.com'),
    ),
)
