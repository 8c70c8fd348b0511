"""Finds secrets: keys and tokens by their form, private keys, passwords in URLs, values behind `password=`.

Long secrets are found by their head; a sink then swallows whatever follows of the same alphabet, so that nothing is
held back however long they are. A value behind a word is believed when it is assigned (`password=x`) or quoted,
otherwise only when it doesn't look like a plain word. Not found: secrets without form or word, and PuTTY's key files.
"""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

from bastion.masking.engine import Trigger
from bastion.masking.rows import Probe, Row, RunOpening, Span

_ALNUM = (string.ascii_letters + string.digits).encode()
_HEAD = 64  # no head is longer

_TOKENS = {
    b"AKIA": rb"[A-Z2-7]{16}",
    b"ASIA": rb"[A-Z2-7]{16}",
    b"AIza": rb"[A-Za-z0-9_\-]{35}",
    b"AGE-SECRET-KEY-1": rb"[0-9A-Z]{20}",
    b"SG\\.": rb"[A-Za-z0-9_\-]{16}",
    b"dop_v1_": rb"[0-9a-f]{20}",
    b"eyJ": rb"[A-Za-z0-9_\-]{16}",
    b"gh[oprsu]_": rb"[A-Za-z0-9]{30}",
    b"github_pat_": rb"[A-Za-z0-9_]{22}",
    b"glpat-": rb"[A-Za-z0-9_\-]{20}",
    b"hf_": rb"[A-Za-z]{30}",
    b"hv[bs]\\.": rb"[A-Za-z0-9_\-]{20}",
    b"npm_": rb"[A-Za-z0-9]{30}",
    b"pypi-": rb"[A-Za-z0-9_\-]{30}",
    b"[rs]k_(?:live|test)_": rb"[A-Za-z0-9]{16}",
    b"sk-": rb"[A-Za-z0-9_\-]{20}",
    b"xox[abeprs]-": rb"[0-9A-Za-z\-]{10}",
    b"ya29\\.": rb"[A-Za-z0-9_\-]{20}",
}
_TOKEN_SHAPES = b"|".join(prefix + rest for prefix, rest in _TOKENS.items())
_TOKEN = re.compile(rb"(?<![0-9A-Za-z])(?:" + _TOKEN_SHAPES + rb")")
_TOKEN_BEGUN = re.compile(
    rb"(?:A[KS]IA|AIza|AGE-SECRET|SG\.|dop_v1|eyJ|gh[oprsu]_|github_pat|glpat|hf_|hv[bs]\.|npm_|pypi-|[rs]k[_\-]|xox|ya29)"
)

_PASSWORD = (
    rb"(?:pass(?:word|wd|phrase)|passwort|pwd|secret|api[_\-]?key|access[_\-]?key(?:[_\-]?id)?|(?:auth|access|refresh|id|bot)?"
    rb"[_\-]?token|client[_\-]?secret|private[_\-]?key|secret[_\-]?(?:access[_\-]?)?key|credentials?|connection[_\-]?string)"
)
_ASSIGNED = rb"(?:[\"']?[ \t]{0,3}(?::=|=>?|:)[ \t]{0,3}[\"']?)"
_OPTION = rb"(?<=--)(?:password|passwd|token|secret|api-key)[ ]"
_IDENTIFIED = rb"identified by [\"']"
_SCHEME = rb"(?:authorization[\"']?: ?[\"']?(?:basic|bearer|token|negotiate)|bearer) "
_KEY = re.compile(
    rb"(?i)(?:(?P<word>"
    + _PASSWORD
    + _ASSIGNED
    + rb")|(?P<said>"
    + _OPTION
    + rb"|"
    + _IDENTIFIED
    + rb")|(?P<scheme>"
    + _SCHEME
    + rb"))\Z"
)
_KEY_REACH = 56
_WORD = _ALNUM + b"_- "
_VALUE_BYTES = bytes(set(range(0x21, 0x100)) - set(b"\"'`,;&<>()[]{}|\\\x7f"))
_VALUE_CLASS = b"[" + re.escape(_VALUE_BYTES) + b"]"
_VALUE_FIRST = b"[" + re.escape(bytes(set(_VALUE_BYTES) - set(b"=:$%*"))) + b"]"
_VALUE = re.compile(_VALUE_FIRST + _VALUE_CLASS + rb"{3,%d}" % (_HEAD - 1))
_NO_VALUES = frozenset(
    b"true false null none nil undefined yes no on off required optional invalid incorrect empty".split()
    + b"string str bytes text".split()
)
_DIRECTORY = re.compile(rb"(?i)(?:old)?pwd[:= \t\"']+")  # of a shell
_CALLS = (b"[", b"(")
_PLAIN = re.compile(rb"[A-Za-z]?[a-z.\-_:/]*|[A-Z_\-]+|[0-9.]{1,5}")

_URL = re.compile(rb"[A-Za-z0-9]://[^\s:@/\"'\x00\x1b]{0,64}:([^\s@/\"'\x00\x1b]{1,64})@")
_URL_REACH = 136
_URL_BEGUN = re.compile(rb"://[^\s:@/\"'\x00\x1b]{0,64}:([^\s@/\"'\x00\x1b]{0,64})\Z")

_PRIVATE = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----")
_PRIVATE_BEGUN = re.compile(rb"-{1,5}\Z|-----B(?:E(?:G(?:I(?:N(?: [A-Z0-9 ]{0,48}-{0,5})?)?)?)?)?\Z")


class TokenSink:
    """Swallows letters, digits and what stands in tokens, URLs and base64."""

    uniform = True
    _run = re.compile(rb"[A-Za-z0-9_\-.~+/=%]*")

    def swallow(self, text: bytes, start: int, stop: int, state: int) -> tuple[int, int]:
        """See `Sink.swallow`."""
        end = self._run.match(text, start, stop)
        assert end is not None
        return end.end(), state if end.end() == stop else -1


class ValueSink:
    """Swallows what the value behind a word may hold."""

    uniform = True
    _run = re.compile(_VALUE_CLASS + rb"*")

    def swallow(self, text: bytes, start: int, stop: int, state: int) -> tuple[int, int]:
        """See `Sink.swallow`."""
        end = self._run.match(text, start, stop)
        assert end is not None
        return end.end(), state if end.end() == stop else -1


class KeySink:
    """Swallows a private key up to its END line. `state` counts dashes: 0 to 4 before that line, 5 to 9 in it."""

    uniform = False
    _run = re.compile(rb"[A-Za-z0-9+/=\s:,.\\]*")

    def swallow(self, text: bytes, start: int, stop: int, state: int) -> tuple[int, int]:
        """See `Sink.swallow`."""
        position = start
        while position < stop:
            if text[position] == 0x2D:
                position += 1
                state += 1
                if state == 10:
                    return position, -1
                continue
            run = self._run.match(text, position, stop)
            assert run is not None
            if run.end() == position:
                return position, -1
            position = run.end()
            state = 0 if state < 5 else 5
        return position, state


_SIGNS = (b":", b"=", b">")
_SIGN = re.compile(rb"[:=]")
_WORD_ENDS = (
    b"bearer ",
    b"basic ",
    b"token ",
    b"gotiate ",
    b"assword ",
    b"passwd ",
    b"secret ",
    b"api-key ",
    b" by '",
    b' by "',
)


@dataclass(frozen=True, slots=True)
class _ValueOpening:
    """The value behind a word or in a URL that the end may cut. None of it may be shown."""

    limit: int = _HEAD + 1
    firsts: bytes = _VALUE_BYTES

    def start(self, text: bytes, end: int) -> int:
        """Return where the value begins."""
        low = max(0, end - self.limit)
        run = low + len(text[low:end].rstrip(_VALUE_BYTES))
        for start in self._starts(text, low, run, end):
            if _key(text, start) is not None:
                return start
        low = max(0, end - _URL_REACH)
        if text.find(b"://", low, end) >= 0 and (found := _URL_BEGUN.search(text, low, end)) is not None:
            return found.start(1)
        return end

    @staticmethod
    def _starts(text: bytes, low: int, run: int, end: int) -> Iterator[int]:
        """Yield where a value may begin: where the run at the end does, and behind each sign of assignment in it."""
        before = text[max(0, run - 8) : run]
        if run > low and (before.rstrip(b" \t\"'")[-1:] in _SIGNS or before.lower().endswith(_WORD_ENDS)):
            yield run
        for sign in _SIGN.finditer(text, run, end):
            yield sign.end()

    def free(self, text: bytes, start: int) -> int:
        """Return the start: nothing of a secret is shown."""
        del text
        return start


@dataclass(frozen=True, slots=True)
class _TokenOpening(RunOpening):
    """The word at the end; it may be shown unless it begins like a token."""

    def free(self, text: bytes, start: int) -> int:
        """Return where a token begins, with its prefix shown."""
        found = _TOKEN_BEGUN.search(text, start)
        return len(text) if found is None else found.end()


@dataclass(frozen=True, slots=True)
class _PrivateOpening:
    """The first line of a private key that the end may cut."""

    limit: int = 64
    firsts: bytes = b"-"

    def start(self, text: bytes, end: int) -> int:
        """Return where its dashes begin."""
        found = _PRIVATE_BEGUN.search(text, max(0, end - self.limit), end)
        return end if found is None else found.start()

    def free(self, text: bytes, start: int) -> int:
        """Return the end: the first line says nothing."""
        del start
        return len(text)


def _key(text: bytes, start: int) -> re.Match[bytes] | None:
    """Return the word, with what stands between, that makes what begins at `start` a secret."""
    low = max(0, start - _KEY_REACH)
    before = text[low:start].rstrip(b" \t\"'=:>")
    if before[-1:].isalpha():  # the key's own letters are all that needs a look
        low += len(before.rstrip(_WORD))
    return _KEY.search(text, low, start)


def _locate_token(text: bytes, hit: int) -> Span | None:
    found = _TOKEN.match(text, hit) or _TOKEN.match(text, hit + 1)
    return found.span() if found is not None else None


def _locate_value(text: bytes, hit: int) -> Span | None:
    start = hit - 1
    key = _key(text, start) if start > 0 else None
    found = _VALUE.match(text, start) if key is not None else None
    if key is None or found is None or found[0].lower() in _NO_VALUES:
        return None
    if found[0][:1] == b"/" and _DIRECTORY.fullmatch(key[0]) is not None:
        return None
    if key["scheme"] is not None:
        return found.span() if len(found[0]) >= 16 and _PLAIN.fullmatch(found[0]) is None else None
    if text[found.end() : found.end() + 1] in _CALLS and _PLAIN.fullmatch(found[0]) is not None:
        return None  # code: os.environ["X"], read_key()
    sure = key["said"] is not None or b"=" in key[0] or key[0][-1:] in b"\"'"
    if not sure and (len(found[0]) < 6 or _PLAIN.fullmatch(found[0]) is not None):
        return None
    return found.span()


def _locate_url(text: bytes, hit: int) -> Span | None:
    found = [url for url in _URL.finditer(text, max(0, hit - _URL_REACH), hit) if url.end() == hit]
    return found[0].span(1) if found and found[0][1][:1] != b"[" else None  # not what replaces one


def _locate_private(text: bytes, hit: int) -> Span | None:
    found = _PRIVATE.match(text, hit)
    return found.span() if found is not None else None


_VALUES = _ValueOpening()

ROWS = (
    Row(
        name="token",
        kind="secret",
        probes=(Probe(Trigger(rb"(?:^|[^0-9A-Za-z])(?:" + _TOKEN_SHAPES + rb")", width=_HEAD), _locate_token),),
        opening=_TokenOpening(body=_ALNUM + b"_-.", firsts=b"ASdeghnprsxy", limit=_HEAD),
        sink=TokenSink(),
        samples=(
            "aws <AKIAIOSFODNN7EXAMPLE>",
            "<ghp_0123456789abcdefghijABCDEFGHIJ012345>",
            "jwt <eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U>,",
            "slack <xoxb-123456789012-abcdefghij>",
            "<glpat-abcdefghij0123456789>",
            "google <AIzaSyA1234567890abcdefghijklmnopqrstuv>",
            "<sk_live_0123456789abcdefABCD>",
        ),
        near_misses=("AKIA", "AKIAabcdefghijklmnop", "eyJ", "sk-learn", "ghp_short", "xAKIAIOSFODNN7EXAMPLE", "hf_hub"),
    ),
    Row(
        name="private-key",
        kind="secret",
        probes=(Probe(Trigger(rb"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY", width=47), _locate_private),),
        opening=_PrivateOpening(),
        sink=KeySink(),
        samples=(
            "<-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAA=\n-----END OPENSSH PRIVATE KEY----->\n$ ",
            '{"key":"<-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADAN\\n-----END PRIVATE KEY----->\\n"}',
        ),
        near_misses=(
            "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
            "-----BEGIN CERTIFICATE-----",
            "-----",
        ),
    ),
    Row(
        name="named",
        kind="secret",
        probes=(
            Probe(Trigger(rb"(?i)" + _PASSWORD + _ASSIGNED + _VALUE_FIRST), _locate_value),
            Probe(Trigger(rb"(?i)--(?:password|passwd|token|secret|api-key) " + _VALUE_FIRST), _locate_value),
            Probe(Trigger(rb"(?i)(?:" + _IDENTIFIED + rb"|" + _SCHEME + rb")" + _VALUE_FIRST), _locate_value),
        ),
        opening=_VALUES,
        sink=ValueSink(),
        samples=(
            "password=<hunter2>",
            '{"password": "<correct-horse>"',
            "DB_PASSWORD: <S3cr3t!pass>",
            "PGPASSWORD=<secret> psql",
            "curl --token <abcdef123456> x",
            "CREATE USER a IDENTIFIED BY '<pa55word>';",
            "Authorization: Bearer <abcdef0123456789abcdef>",
            "api_key := '<0123-4567-89ab>'",
            "https://x/y?access_token=<abc123def456>&z=1",
            "secret: <aB3dE6gH9>",
        ),
        near_misses=(
            "password: incorrect",
            "password=$PASSWORD",
            "password=true",
            "Enter password: ",
            "token: string",
            "the bearer of this",
            "password policy = 4",
            "PWD=/home/x",
            "OLDPWD=/tmp",
        ),
        context="behind password, token, secret, api_key and the like",
    ),
    Row(
        name="url",
        kind="secret",
        probes=(Probe(Trigger(rb"[A-Za-z0-9]://[^\s:@/\"'\x00\x1b]{0,64}:[^\s@/\"'\x00\x1b]{1,64}@"), _locate_url),),
        opening=_VALUES,
        samples=("postgres://app:<s3cr3t>@localhost:5432/db", "redis://:<pass>@cache/0", "amqp://guest:<guest>@mq"),
        near_misses=("http://host:8080/path", "https://example.org/a:b@c", "git://user@host"),
        context="between user and host of a URL",
    ),
)
