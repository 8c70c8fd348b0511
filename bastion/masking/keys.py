"""What stands before a secret and says that one follows: words, options, headers, elements, URLs, commands' options.

`find_key` looks back from where a value begins. To add a spelling, add it to a pattern here, how its trigger looks to
`TRIGGERS`, and the letters it ends with to `_LAST_WORDS` where those are letters.
"""

import re
import string
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

REACH = 160
"""How many bytes before a value may belong to its key."""

PASSWORD = (
    rb"(?:pass(?:word|wd|phrase|code)|passwort|kennwort|pwd|secret|[a-z0-9][_\-]pass|psk|credentials?"
    rb"|(?:api|account|auth|shared|signing|encryption|master|private)[_\-]?key|access[_\-]?key(?:[_\-]?id)?"
    rb"|secret[_\-]?(?:access[_\-]?)?key(?:[_\-]?base)?|(?:auth|access|refresh|id|bot)?[_\-]?token|client[_\-]?secret"
    rb"|connection[_\-]?string|shared[_\-]?access[_\-]?signature|(?:j|asp\.net_)?sessionid|phpsessid|connect\.sid"
    rb"|mot[_ \-]?de[_ \-]?passe|contrase(?:n|\xc3\xb1)a|senha|wachtwoord|l\xc3\xb6senord|has\xc5\x82o|salasana"
    rb"|adgangskode|\xd0[\x9f\xbf]\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c|\xe5\xaf\x86\xe7\xa0\x81|\xe5\xaf\x86\xe7\xa2\xbc"
    rb"|\xe3\x83\x91\xe3\x82\xb9\xe3\x83\xaf\xe3\x83\xbc\xe3\x83\x89|\xeb\xb9\x84\xeb\xb0\x80\xeb\xb2\x88\xed\x98\xb8)"
)
_QUOTE = rb"\\{0,3}[\"']"
_MAYBE = rb"(?:" + _QUOTE + rb")?"
_ASSIGNED = rb"(?:" + _MAYBE + rb"[ \t]{0,16}(?::=|=>?|:|\xef\xbc\x9a)[ \t]{0,16}" + _MAYBE + rb")"
_OPTION = rb"(?:pass|password|passwd|passphrase|token|secret|api-?key|(?:secret|access|account|auth)-key) [\"']?"
_IDENTIFIED = rb"(?:identified(?: with [a-z0-9_]{1,40})? by |password |passwd |(?<![.\w])password\()[\"']"
_LISTED = _QUOTE + rb",[ ]?" + _QUOTE
_VALUED = _MAYBE + rb",?\s{0,40}" + _MAYBE + rb"value" + _MAYBE + rb"[:=][ ]{0,3}" + _MAYBE
_TOLD = rb"(?: is| was)(?: now)?:? " + _MAYBE
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
_DIRECTIVE = rb"(?:requirepass|masterauth|rootpw|bindpw|olcrootpw:?)[ \t]{1,16}[\"']?"

_LINE = rb"[^\r\n|;&]{0,100}"
_ATTACHED = rb"\b(?:mysql|mariadb|mycli)[\w\-]*\b" + _LINE + rb" -p[\"']?"
_APART = (
    rb"\b(?:sshpass|mongo\w*|mosquitto_\w+|(?:docker|podman|helm|oc|nerdctl|skopeo|buildah)[^\r\n|;&]{0,40} login)\b"
    + _LINE
    + rb" -p ?[\"']?|\bredis-cli\b"
    + _LINE
    + rb" -a ?[\"']?|\bldap\w+\b"
    + _LINE
    + rb" -w ?[\"']?|\b(?:zip|unzip|sqlcmd)\b"
    + _LINE
    + rb" -P ?[\"']?"
)
_USER = rb"\b(?:curl|wget|https?|xh)\b[^\r\n]{0,100} (?:-u|-U|--user|--proxy-user)[ =]?[\"']?[^\s:\"'/]{1,40}:"
_SAMBA = rb"\b(?:smbclient|rpcclient|smbmap|net)\b" + _LINE + rb" -U ?[\"']?[^\s%\"']{1,40}%"
_OPENSSL = rb"-pass(?:in|out|word)? pass:"


class Key(NamedTuple):
    """What says that a secret follows: `sure` of any value, otherwise only of one that is no plain word.

    `least` is how long the value must be, `closer` what it ends with although blanks may stand in it, if that is known.
    """

    text: bytes
    sure: bool
    least: int
    closer: bytes

    @property
    def quoted(self) -> bool:
        """Whether the value stands in quotes, or alone in an element."""
        return bool(self.closer)


class _Form(NamedTuple):
    """A pattern of keys, and what they are worth."""

    pattern: re.Pattern[bytes]
    sure: bool
    least: int


def _form(pattern: bytes, *, sure: bool = False, least: int = 6, any_case: bool = True) -> _Form:
    return _Form(re.compile(rb"(?:" + pattern + rb")\Z", re.IGNORECASE if any_case else 0), sure, 4 if sure else least)


_WORD = _form(PASSWORD + _ASSIGNED)
_NEAR = (
    _WORD,
    _form(rb"(?<![\w\-])--(?:[a-z0-9\-]{0,20}-)?" + _OPTION + rb"|" + _IDENTIFIED, sure=True),
    _form(PASSWORD + rb"(?:" + _LISTED + rb"|" + _TOLD + rb")"),
)
_VALUED_FORM = _form(PASSWORD + _VALUED)
_FAR = {
    b">": (_form(rb"<[\w.:\-]{0,40}" + PASSWORD + _ELEMENT, sure=True), _form(PASSWORD + _QUOTE + _ELEMENT)),
    b"/": (_form(_HOOK, least=16),),
    b"=": (_form(_SIGNED, least=20), _form(_COOKIE), _VALUED_FORM),
    b":": (_form(_USER + rb"|" + _OPENSSL, sure=True, any_case=False), _VALUED_FORM, _form(_DIRECTIVE, sure=True)),
    b"%": (_form(_SAMBA, sure=True, any_case=False),),
    b"|": (_form(rb"\n[ ]{0,2}[\w.]{0,40}" + PASSWORD + _CELL),),
}
_SECRETS = (
    *b"pass kennw pwd secret key token psk credential string signature sessionid t.sid contrase senha wachtw".split(),
    *b"salas adgang \xb6senord has\xc5 \xd0\xb0\xd1 \xe5\xaf\x86 \xe3\x83\xaf \xeb\xb0\x80".split(),
)
_FAR_MARKS = {
    b">": _SECRETS,
    b"|": _SECRETS,
    b"=": (b"sig", b"cookie", b"value"),
    b":": (b" -u", b"--user", b"--proxy-user", b"-pass", b"value", b"olcrootpw"),
    b"%": (b" -u",),
    b"/": (b"hook",),
}
"""Something of which stands before what may be a key of these, in small letters: nothing else is looked at closely."""

_SPOKEN = (
    _form(_HEADER),
    _form(_BEARER, least=16),
    _form(rb"machine\s{1,8}\S{1,40}\s{1,8}" + _LOGIN + rb"|" + _DIRECTIVE, sure=True),
    _form(_LOGIN),
    _form(_ATTACHED + rb"|" + _APART, sure=True, any_case=False),
)
_LAST_WORDS = (
    *b"basic bearer token negotiate digest apikey pass password passwd passphrase secret -key password(".split(),
    *b"masterauth rootpw bindpw".split(),
    *(b" by", b" is", b" was", b" now", b" -p", b" -a", b" -w"),
)
_ENDINGS = (
    *b"word wd phrase code wort secret pass psk credential credentials key id base token string signature".split(),
    *b"passe ena \xb1a senha oord nord \x82o sana kode \x8c \x81 \xbc \x89 \xb8".split(),
    *(b" by", b" is", b" was", b" now"),
)
"""What the words of `_NEAR` end with, in small letters."""
_SIGNS = frozenset((b"=", b":", b">", b"%", b"|", b"\x9a"))
_BLANKS = b" \t\"'\\"
_BETWEEN = _BLANKS + b"=:>,("
_WIDE_COLON = "\uff1a".encode()
_LETTERS = (string.ascii_letters + string.digits).encode() + b"_-. " + bytes(range(0x80, 0x100))


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
    bare = before.rstrip(_BLANKS)
    near = bare.rstrip(_BETWEEN).removesuffix(_WIDE_COLON).rstrip(_BETWEEN)
    if near.lower().endswith(_ENDINGS):  # the key's own letters are all that needs a look
        found = _first(_NEAR, before, len(near.rstrip(_LETTERS)))
        if found is not None:
            return found
    last = bare[-1:]
    marks = _FAR_MARKS.get(last)
    if marks is None:
        return _first(_SPOKEN, before) if last.isalpha() else None
    lower = before.lower()
    return _first(_FAR[last], before) if any(mark in lower for mark in marks) else None


def _first(forms: Iterable[_Form], before: bytes, low: int = 0) -> Key | None:
    for form in forms:
        found = form.pattern.search(before, low)
        if found is not None:
            said = found[0]
            quote = said[-1:] if said[-1:] in (b"'", b'"') else b""
            sure = form.sure or (form is _WORD and (b"=" in said or bool(quote)))
            closer = quote or (b"<" if said.endswith(b">") and said.startswith(b"<") else b"")
            return Key(said, sure, 4 if sure else form.least, closer)
    return None


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
    rb"set-cookie2?[\"']?: ?[\"']?[\w.\-]+=|password[ \t]{1,4}",
    rb"[ ]-[paw] ?[\"']?|-pass(?:in|out|word)? pass:",
    rb"[ ](?:-u|--user|--proxy-user)[ =]?[\"']?[^\s:%\"'/]+[:%]",
)
TRIGGERS = tuple(rb"(?i)(?:" + known + rb")" for known in _KNOWN)
"""What keys look like, without what stands further before, as patterns for an engine; behind each a value begins.

Where one begins it ends in one way only, since some engines report one end for each beginning.
"""

HOOK = re.compile(_HOOK, re.IGNORECASE)
"""A key that ends amidst bytes that values are made of as well."""
