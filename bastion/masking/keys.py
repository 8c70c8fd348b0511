"""What stands before a secret and says that one follows: words, options, headers, elements, URLs, commands' options.

`find_key` reads back from where a value begins: its patterns are turned round and matched against the text before, also
turned round, which takes one look where a search would take one at each place. To add a spelling, add it to a pattern
here, how its trigger looks to `TRIGGERS`, and the letters it ends with to `_LAST_WORDS` where those are letters.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

REACH = 160
"""How many bytes before a value may belong to its key."""

PASSWORD = (
    rb"(?:pass(?:word|wd|phrase|code)|passwort|kennwort|pwd|client[_\-]?secret|secret|[a-z0-9][_\-]pass|psk|credentials?"
    rb"|(?:api|account|auth|shared|signing|encryption|master|private)[_\-]?key|secret[_\-]?(?:access[_\-]?)?key(?:[_\-]?base)?"
    rb"|access[_\-]?key(?:[_\-]?id)?|(?:auth|access|refresh|id|bot)?[_\-]?token|connection[_\-]?string|shared[_\-]?access[_\-]?signature|(?:j|asp\.net_)?sessionid|phpsessid|connect\.sid"
    rb"|mot[_ \-]?de[_ \-]?passe|contrase(?:n|\xc3\xb1)a|senha|wachtwoord|l\xc3\xb6senord|has\xc5\x82o|salasana"
    rb"|adgangskode|\xd0[\x9f\xbf]\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c|\xe5\xaf\x86\xe7\xa0\x81|\xe5\xaf\x86\xe7\xa2\xbc"
    rb"|\xe3\x83\x91\xe3\x82\xb9\xe3\x83\xaf\xe3\x83\xbc\xe3\x83\x89|\xeb\xb9\x84\xeb\xb0\x80\xeb\xb2\x88\xed\x98\xb8)"
)
_QUOTE = rb"\\{0,3}[\"']"
_MAYBE = rb"(?:" + _QUOTE + rb")?"
_ASSIGNED = rb"(?:" + _MAYBE + rb"[ \t]{0,16}(?::=|=>?|:|:: |\xef\xbc\x9a)[ \t]{0,16}" + _MAYBE + rb")"
_PASS = (
    rb"(?:(?:admin|auth|basic|db|ftp|http|key|ldap|mail|mysql|pg|proxy|redis|root|smtp|sql|store|trust|user)[_\-]?)?pass(?:"
    + _MAYBE
    + rb"[ \t]{0,16}=>?[ \t]{0,16}"
    + _MAYBE
    + rb"|"
    + _MAYBE
    + rb"[ \t]{0,16}:[ \t]{0,16}"
    + _QUOTE
    + rb")"
)
_LOGGED_IN = rb"[\"']auth[\"']: ?[\"']"  # the configuration of Docker
_BARE = rb"(?:password|passwd|passphrase|passcode)[ \t]{1,4}"
_OPTION = rb"(?:pass|password|passwd|passphrase|token|secret|api-?key|(?:secret|access|account|auth)-key) [\"']?"
_IDENTIFIED = rb"(?:identified(?: with [a-z0-9_]{1,40})? by |password |passwd |(?<![.\w])password\()[\"']"
_LISTED = _QUOTE + rb",[ ]?" + _QUOTE
_VALUED = _MAYBE + rb",?\s{0,40}" + _MAYBE + rb"value" + _MAYBE + rb"[:=][ ]{0,3}" + _MAYBE
_TOLD = rb"(?: is| was)(?: now| generated for [^\s:]{1,60})?:? " + _MAYBE
_ELEMENT = rb"(?: [^<>\r\n]{0,40})?>"
_CELL = rb"[ ]{0,40}\|[ ]{1,2}"
_HEADER = rb"authorization[\"']?[:=] ?[\"']?(?:basic|bearer|token|negotiate|digest|apikey) "
_BEARER = rb"bearer "
_HOOK = (
    rb"(?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks"
    rb"|webhook\.office\.com/webhookb2|outlook\.office(?:365)?\.com/webhook|hooks\.zapier\.com/hooks/catch"
    rb"|mattermost[a-z0-9.\-]{0,40}/hooks)/"
)
_SIGNED = rb"[?&;](?:sig|signature|x-amz-signature|x-goog-signature)="
_COOKIE = rb"set-cookie2?[\"']?: ?[\"']?[\w.\-]{1,40}="
_LOGIN = rb"login\s{1,8}\S{1,40}\s{1,8}password[ \t]{1,4}"
_DIRECTIVE = (
    rb"(?:requirepass|masterauth|olcrootpw:?|rootpw|bindpw|r[ow]community6?|snmp-server community)[ \t]{1,16}[\"']?"
)

_OPTIONS = {
    "attached": rb" -p[\"']?",
    "apart": rb" -p [\"']?",
    "redis": rb" -a ?[\"']?",
    "ldap": rb" -w ?[\"']?",
    "zip": rb" -P ?[\"']?",
    "user": rb" (?:-u|-U|--user|--proxy-user)[ =]?[\"']?[^\s:\"'/]{1,40}:",
    "samba": rb" -U ?[\"']?[^\s%\"']{1,40}%",
    "openssl": rb"-pass(?:in|out|word)? pass:",
}


def _line_of(commands: str, more: bytes = b"", between: bytes = rb"[^\r\n|;&]") -> bytes:
    """Return the pattern of one of the commands, with what else belongs to its name, and of its line up to the end.

    That nothing stands before the name is checked behind it, since a search is fast for what begins with a letter.
    """
    names = commands.encode().split()
    return b"|".join(rb"%b(?<!\w%b)%b\b%b{0,100}+\Z" % (name, name, more, between) for name in names)


_SHELLS = b"|".join(
    (
        _line_of("sshpass"),
        _line_of("mongo", rb"\w*"),
        _line_of("mosquitto_", rb"\w+"),
        _line_of("docker podman helm oc nerdctl skopeo buildah", rb"[^\r\n|;&]{0,40} login"),
    )
)
_COMMANDS = {
    "attached": re.compile(_line_of("mysql mariadb mycli", rb"[\w\-]*") + rb"|" + _SHELLS),
    "apart": re.compile(_SHELLS),
    "redis": re.compile(_line_of("redis-cli")),
    "ldap": re.compile(_line_of("ldap", rb"\w+")),
    "zip": re.compile(_line_of("zip unzip sqlcmd")),
    "user": re.compile(_line_of("curl wget http https xh", between=rb"[^\r\n]")),
    "samba": re.compile(_line_of("smbclient rpcclient smbmap net")),
    "openssl": re.compile(b""),
}
"""What stands before each of the options."""


class Key(NamedTuple):
    """What says that a secret follows: `sure` of any value, otherwise only of one that is no plain word.

    `text` is in small letters, `word` is it without the sign at its end; an option of a command stands for its whole
    line. `least` is how long the value must be, `closer` what it ends with although blanks may stand in it, if that is
    known. Behind a `bare` word only counts what mixes capital and small letters with digits or signs.
    """

    text: bytes
    word: bytes
    sure: bool
    least: int
    closer: bytes
    bare: bool


_TOKEN = re.compile(
    rb"(?:(\(\?(?:[:!=]|<[!=]))|(\))|(\|)|(?:\\x[0-9a-f]{2}|\\.|\[(?:\\.|[^\]\\])*\]|[^()|\\\[]))(?:(?:[?*+]|\{[0-9,]+\})\??)?"
)
_TURNED = {b"(?<!": b"(?!", b"(?<=": b"(?=", b"(?!": b"(?<!", b"(?=": b"(?<="}


def backwards(pattern: bytes) -> bytes:
    """Return the pattern of the same texts read from their end."""
    groups: list[tuple[bytes, list[list[bytes]]]] = [(b"", [[]])]
    for token in _TOKEN.finditer(pattern):
        opening, closing, branch = token.groups()
        if opening is not None:
            groups.append((_TURNED.get(opening, opening), [[]]))
        elif branch is not None:
            groups[-1][1].append([])
        elif closing is None:
            groups[-1][1][-1].append(token[0])
        else:
            head, branches = groups.pop()
            groups[-1][1][-1].append(head + _joined(branches) + token[0])
    return _joined(groups[0][1])


def _joined(branches: Iterable[Sequence[bytes]]) -> bytes:
    return b"|".join(b"".join(reversed(parts)) for parts in branches)


def _turned(forms: Mapping[str, bytes]) -> re.Pattern[bytes]:
    """Return the pattern for several, each a group with its name, of which the first that matches counts."""
    return re.compile(b"|".join(rb"(?P<%b>%b)" % (name.encode(), backwards(form)) for name, form in forms.items()))


_NEAR = _turned(
    {
        "word": PASSWORD + _ASSIGNED,
        "pass": rb"(?<![a-z])" + _PASS,
        "auth": _LOGGED_IN,
        "option": rb"(?<![\w\-])--(?:[a-z0-9\-]{0,20}-)?" + _OPTION + rb"|" + _IDENTIFIED,
        "told": PASSWORD + rb"(?:" + _LISTED + rb"|" + _TOLD + rb")",
    }
)
_FAR = _turned(
    {
        "element": rb"<[\w.:\-]{0,40}" + PASSWORD + _ELEMENT,
        "attribute": PASSWORD + _QUOTE + _ELEMENT,
        "hook": _HOOK,
        "signed": _SIGNED,
        "cookie": _COOKIE,
        "value": PASSWORD + _VALUED,
        "cell": rb"\n[ ]{0,2}[\w.]{0,40}" + PASSWORD + _CELL,
        "header": _HEADER,
        "bearer": _BEARER,
        "directive": rb"machine\s{1,8}\S{1,40}\s{1,8}" + _LOGIN + rb"|" + _DIRECTIVE,
        "login": _LOGIN,
        "bare": rb"(?<![\w\-])" + _BARE,
    }
)
_OPTION_AT_END = _turned(_OPTIONS)
_SURE = frozenset(("option", "element", "directive", *_OPTIONS))
_LEAST = {"hook": 16, "signed": 20, "bearer": 16, "auth": 16, "bare": 8}  # of others six, and four where it is sure

_LAST_WORDS = (
    *b"basic bearer token negotiate digest apikey pass password passwd passphrase secret -key password(".split(),
    *b"masterauth rootpw bindpw community community6".split(),
    *(b" by", b" is", b" was", b" now", b" -p", b" -a", b" -w"),
)
_SIGNS = frozenset((b"=", b":", b">", b"%", b"|", b"\x9a"))
_BLANKS = b" \t\"'\\"


def may_end_key(before: bytes) -> bool:
    """Return whether a key may end with this: quick, for most of what is no key. The last twenty bytes are enough."""
    bare = before.rstrip(_BLANKS)
    if bare[-1:] == b",":
        return before[-1:] in (b"'", b'"')
    return bare[-1:] in _SIGNS or bare.lower().endswith(_LAST_WORDS)


def find_key(text: bytes, start: int) -> Key | None:
    """Return what makes the value that begins at `start` a secret."""
    return _key_at_end(text[start - REACH if start > REACH else 0 : start])


@lru_cache(maxsize=64)  # the same is asked again for each byte that comes while a value may be open
def _key_at_end(before: bytes) -> Key | None:
    turned = before[::-1]
    small = turned.lower()
    found = _NEAR.match(small) or _option(before, turned) or _FAR.match(small)
    if found is None:
        return None
    assert found.lastgroup is not None  # each form is a group
    return _key(found[0], found.lastgroup)


@lru_cache(maxsize=64)
def _key(turned: bytes, form: str) -> Key:
    said = turned[::-1]
    quote = said[-1:] if said.endswith((b"'", b'"')) else b""
    sure = form in _SURE or (form == "word" and (b"=" in said or bool(quote)))
    word = said.rstrip(b" \t=:>").lower()
    closer = b"<" if form == "element" else quote
    return Key(said, word, sure, 4 if sure else _LEAST.get(form, 6), closer, form == "bare")


def _option(before: bytes, turned: bytes) -> re.Match[bytes] | None:
    """Return the option that a text ends with, if it is one of a command before it."""
    option = _OPTION_AT_END.match(turned)
    if option is None or option.lastgroup is None:
        return None
    return option if _COMMANDS[option.lastgroup].search(before, 0, len(before) - option.end()) is not None else None


_KNOWN = (
    PASSWORD + _ASSIGNED,
    rb"-" + _OPTION,
    _IDENTIFIED.replace(rb"(?<![.\w])", b"")
    + rb"|"
    + _HEADER
    + rb"|"
    + _BEARER
    + rb"|"
    + _HOOK
    + rb"|"
    + _SIGNED
    + rb"|"
    + _DIRECTIVE,
    PASSWORD + rb"(?:" + _LISTED + rb"|" + _TOLD + rb"|" + _MAYBE + _ELEMENT + rb"|" + _CELL + rb")",
    PASSWORD + _VALUED,
    rb"set-cookie2?[\"']?: ?[\"']?[\w.\-]+=|" + _BARE,
    _PASS,
    _LOGGED_IN,
    rb"[ ]-[paw] ?[\"']?|-pass(?:in|out|word)? pass:",
    rb"[ ](?:-u|--user|--proxy-user)[ =]?[\"']?[^\s:%\"'/]+[:%]",
)
TRIGGERS = tuple(rb"(?i)(?:" + known + rb")" for known in _KNOWN)
"""What keys look like, without what stands further before, as patterns for an engine; behind each a value begins.

Where one begins it ends in one way only, since some engines report one end for each beginning.
"""

HOOK = re.compile(_HOOK, re.IGNORECASE)
"""A key that ends amidst bytes that values are made of as well."""
