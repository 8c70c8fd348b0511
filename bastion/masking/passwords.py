"""Finds secrets by what stands before them: a word such as `password=`, an option, a header, a URL, a cookie.

A value behind a key (see `keys`) that says it for sure is believed whatever it is, otherwise only when it doesn't look
like a plain word. In quotes it goes up to the closing one, if that is near; otherwise it is found by its head, and a
sink swallows the rest.
"""

import re
from dataclasses import dataclass

from bastion.masking.engine import Trigger
from bastion.masking.keys import HOOK, REACH, TRIGGERS, Key, backwards, find_key, may_end_key
from bastion.masking.rows import ALNUM, Probe, Row, Span
from bastion.masking.sinks import RunSink

_HEAD = 64  # no head is longer

_VALUE_BYTES = bytes(set(range(0x21, 0x100)) - set(b"\"'`,;&<>()[]{}|\\\x7f"))
_VALUE_CLASS = b"[" + re.escape(_VALUE_BYTES) + b"]"
_VALUE_FIRST = b"[" + re.escape(bytes(set(_VALUE_BYTES) - set(b"=:$%*"))) + b"]"
_VALUE = re.compile(
    _VALUE_FIRST
    + rb"(?:%b{3,%d}+(?!\\)|(?:%b|\\(?![\"'nrt\\])){3,%d})" % (_VALUE_CLASS, _HEAD - 1, _VALUE_CLASS, _HEAD - 1)
)
_RUN = re.compile(_VALUE_CLASS + rb"*")
_BODY = _VALUE_BYTES + b"\\"
_ALONE = re.compile(
    _VALUE_FIRST + rb"(?:%b|[,;|](?=%b)|&(?!\w{1,12}=)){3,%d}" % (_VALUE_CLASS, _VALUE_CLASS, _HEAD - 1)
)
_INSIDE = (b"\\", b",", b";", b"|", b"&")  # may stand in a value, and end one all the same
_LOOKS = 14  # bytes that it looks at behind itself; a closing quote takes less
_GENERATED = re.compile(_VALUE_FIRST + rb"[^\s\x00\x1b]{3,%d}" % (_HEAD - 1))
_ALONE_BEFORE = re.compile(
    backwards(
        rb"[\r\n](?:[ \t]*(?:- )?|\+{1,3} )(?:(?:export|set|setenv) |environment=)?[\w.\-]{1,80}[ \t]*=[ \t]*"
        rb"|[\"'][\w.\-]{1,80}="
    ),
    re.IGNORECASE,
)
_NO_SPACES = bytes(set(range(0x100)) - set(b" \t\r\n\x0b\x0c\x00\x1b"))
_QUOTED = {
    b'"': re.compile(_VALUE_FIRST + rb"[^\"\\\r\n\x00\x1b]{3,}(?=\")"),
    b"'": re.compile(_VALUE_FIRST + rb"[^'\\\r\n\x00\x1b]{3,}(?=')"),
    b"<": re.compile(_VALUE_FIRST + rb"[^<>\r\n\x00\x1b]{3,}(?=</)"),
}
_ESCAPED = re.compile(_VALUE_FIRST + rb"[^\"'\\\r\n\x00\x1b]{3,}(?=\\{1,3}[\"'])")
_OPENERS = ((b'"', b'"\\\r\n\x00\x1b'), (b"'", b"'\\\r\n\x00\x1b"), (b">", b"<>\r\n\x00\x1b"))
_HOOK_REACH = 90  # bytes of a webhook's address before its secret
_FIRST_SIGN = re.compile(rb"[:=%]|\xef\xbc\x9a")

_NO_VALUES = frozenset(
    b"true false null none nil undefined yes no on off required optional invalid incorrect empty".split()
    + b"string str bytes text".split()
)
_DIRECTORY = re.compile(rb"(?i)(?:old)?pwd[:= \t\"']+")  # of a shell
_CALLS = (b"[", b"(")
_CALLED = re.compile(rb"[A-Za-z_]+|(?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*")
_CODE = frozenset((b"await", b"self", b"this", b"new", b"yield", b"not", b"lambda"))
_PATH = re.compile(rb"(?:[A-Za-z_]+\.)+[A-Za-z_]+")
_TYPED = (b",", b")", b"[", b"|")
_TYPE = re.compile(rb"(?:[A-Z][a-z]+)+")
_MIXED = re.compile(rb"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9!#$%^*+?~])(?!.*[/:.=_])")
_PLAIN = re.compile(rb"[A-Za-z]?[a-z.\-_:/]*|[A-Z_\-]+|[0-9.]{1,5}")

_URL = re.compile(
    rb"(?:[A-Za-z0-9]://[^\s:@/\"'\x00\x1b]{0,64}:|thin:[^\s:@/\"'\x00\x1b]{1,64}/)([^\s/\"'\x00\x1b]{1,64})@"
)
_URL_REACH = 136
_URL_BEGUN = re.compile(
    rb"(?:[A-Za-z0-9]://[^\s:@/\"'\x00\x1b]{0,64}:|thin:[^\s:@/\"'\x00\x1b]{1,64}/)([^\s/\"'\x00\x1b]{0,64})\Z"
)

_COOKIE = re.compile(rb"(?i)(?<![\w\-])cookie[\"']?: ?[\"']?([\w.\-]{1,40}=" + _VALUE_CLASS + rb"{4})\Z")
_COOKIE_BEGUN = re.compile(rb"(?i)(?<![\w\-])cookie[\"']?: ?[\"']?([\w.\-]{1,40}(?:=" + _VALUE_CLASS + rb"{0,3})?)\Z")
_COOKIE_REACH = 64


def _starts(text: bytes, low: int, end: int) -> list[int]:
    """Return where a value may begin: behind a quote that is still open, where the run at the end does, and in it."""
    tail = text[low:end]
    run = low + len(tail.rstrip(_BODY))
    found = []
    for opener, closers in _OPENERS:
        place = tail.rfind(opener, 0, run - low) + 1
        if place:
            inside = tail[place:].rstrip(b"<\\")
            if inside and len(inside.translate(None, closers)) == len(inside):
                found.append(low + place)
    alone = low + len(tail.rstrip(_NO_SPACES))
    if alone < run:
        if may_end_key(text[max(0, alone - 24) : alone]):
            found.append(alone)
        sign = text.find(b"=", alone, run) + 1
        if sign:
            found.append(sign)
    if run == end:
        return sorted(found)
    if may_end_key(text[max(0, run - 24) : run]):
        found.append(run)
    word = text[run:end]
    if word[:2].lower() in (b"-p", b"-a", b"-w"):
        found.append(run + 2)
    if b":" in word or b"=" in word or b"%" in word or b"\x9a" in word:
        found += [sign.end() for sign in _FIRST_SIGN.finditer(text, run, end)]
    if b"hook" in text[max(0, low - _HOOK_REACH) : end]:
        found += [hook.end() for hook in HOOK.finditer(text, max(0, low - _HOOK_REACH), end) if hook.end() >= low]
    return sorted(found)


@dataclass(frozen=True, slots=True)
class _ValueOpening:
    """The value behind a key or in a URL that the end may cut. None of it may be shown."""

    limit: int = _HEAD + _LOOKS
    firsts: bytes = ALNUM  # others are not held back without a key before them

    def start(self, text: bytes, end: int) -> int:
        """Return where the value begins: a URL's password may hold what looks like a key and another value."""
        low = max(0, end - self.limit)
        begun = next((start for start in _starts(text, low, end) if find_key(text, start) is not None), end)
        low = max(0, end - _URL_REACH)
        tail = text[low:end]
        if (b"://" in tail or b"thin:" in tail) and (found := _URL_BEGUN.search(text, low, end)) is not None:
            return min(begun, found.start(1))
        return begun

    def free(self, text: bytes, start: int) -> int:
        """Return the start: nothing of a secret is shown."""
        del text
        return start


@dataclass(frozen=True, slots=True)
class _CookieOpening:
    """The first cookie of a header."""

    limit: int = _COOKIE_REACH
    firsts: bytes = ALNUM  # others are not held back without a key before them

    def start(self, text: bytes, end: int) -> int:
        """Return where its name begins."""
        low = max(0, end - self.limit)
        if b"ookie" not in (tail := text[low:end]) and b"OOKIE" not in tail:
            return end
        found = _COOKIE_BEGUN.search(text, low, end)
        return end if found is None else found.start(1)

    def free(self, text: bytes, start: int) -> int:
        """Return the start."""
        del text
        return start


def _stands_alone(text: bytes, start: int) -> bool:
    """Return whether the value is all that a line or a string sets: signs that end it elsewhere may stand in it."""
    before = text[start - REACH : start] if start > REACH else b"\n" + text[:start]
    return _ALONE_BEFORE.match(before[::-1]) is not None


def _read_value(text: bytes, start: int, key: Key) -> re.Match[bytes] | None:
    """Return the value at `start`: up to what closes it, or its head."""
    closer = key.closer
    if b" generated for " in key.text:
        return _GENERATED.match(text, start)
    if closer:
        if text[start - 2 : start - 1] == b"\\":
            found = _ESCAPED.match(text, start, start + _HEAD)
        else:
            found = _QUOTED[closer].match(text, start, start + _HEAD)
        if found is not None:
            return found
    found = _VALUE.match(text, start)
    if b"=" in key.text and not closer and (found is None or text[found.end() : found.end() + 1] in _INSIDE):
        alone = _ALONE.match(text, start) if _stands_alone(text, start) else None
        if alone is not None and (found is None or alone.end() > found.end()):
            return alone
    return found


def _locate_value(text: bytes, hit: int) -> Span | None:
    start = hit - 1
    key = find_key(text, start) if start > 0 else None
    found = _read_value(text, start, key) if key is not None else None
    if key is None or found is None:
        return None
    value = found[0]
    name = value.lower()
    if name in _NO_VALUES or len(value) < key.least:
        return None
    if value[:1] == b"/" and _DIRECTORY.fullmatch(key.text) is not None:
        return None
    end = found.end()
    if not key.closer and _is_code(key.word, value, name, text[end : end + 1]):
        return None
    if not key.sure and (_PLAIN.fullmatch(value) is not None or b" " in value):
        return None
    if key.bare and _MIXED.match(value) is None:
        return None
    return start, end


def _swallowed(text: bytes, start: int, hit: int) -> bool:
    """Return whether a value at a hit inside another one ends no later than its sink, which some signs stop."""
    run = _RUN.match(text, start, hit + _HEAD)
    assert run is not None  # it matches nothing too
    return run.end() >= hit and text[run.end() : run.end() + 1] not in _INSIDE


def _is_code(word: bytes, value: bytes, name: bytes, after: bytes) -> bool:
    """Return whether a program says where a secret comes from: `x.token = token`, `os.environ["X"]`, `read_key()`.

    `name` is the value in small letters.
    """
    if after in _CALLS:
        return _CALLED.fullmatch(value) is not None
    if value in _CODE or (b"." in value and _PATH.fullmatch(value) is not None):
        return True
    if after in _TYPED and _TYPE.fullmatch(value) is not None:
        return True
    return word.endswith(name) or name.endswith(b"_" + word)


def _locate_url(text: bytes, hit: int) -> Span | None:
    low = hit - _URL_REACH if hit > _URL_REACH else 0
    begin = text.rfind(b"://", low + 1, hit) - 1  # stands nowhere but at the beginning
    found = _URL.match(text, begin, hit) if begin >= low else None
    if found is None or found.end() != hit:
        begin = text.rfind(b"thin:", low, max(low, text.rfind(b"/", low, hit)))
        found = _URL.match(text, begin, hit) if begin >= low else None
    if found is None or found.end() != hit:
        return None
    return found.span(1) if found[1][:1] != b"[" else None  # not what replaces one


def _locate_cookie(text: bytes, hit: int) -> Span | None:
    found = _COOKIE.search(text, max(0, hit - _COOKIE_REACH), hit)
    return found.span(1) if found is not None else None


_VALUES = _ValueOpening()

ROWS = (
    Row(
        name="named",
        kind="secret",
        probes=tuple(Probe(Trigger(known + _VALUE_FIRST), _locate_value, _swallowed) for known in TRIGGERS),
        opening=_VALUES,
        sink=RunSink(_VALUE_CLASS),
        samples=(
            "password=<hunter2>",
            '{"password": "<correct-horse>"',
            "DB_PASSWORD: <S3cr3t!pass>",
            "PGPASSWORD=<secret> psql",
            "curl --token <abcdef123456> x",
            "CREATE USER a IDENTIFIED BY '<pa55word>';",
            "Authorization: Bearer <abcdef0123456789abcdef>",
            "authorization: Basic <YWRtaW46aHVudGVyMjI=>",
            "Authorization: Basic <dXNlcjpwYXNz>",
            "api_key := '<0123-4567-89ab>'",
            "https://x/y?access_token=<abc123def456>&z=1",
            "secret: <aB3dE6gH9>",
            "AccountName=x;AccountKey=<AbCdEf0123456789+/AbCdEf==>;EndpointSuffix=y",
            'password = "<two words and more>" # x',
            '"msg":"{\\"password\\":\\"<hun ter2>\\",\\"n\\":1}"',
            "smtp_pass: '<hunter2>'",
            "mysql -u root -p<S3cret!pw> db",
            "mysqldump -p'<S3cret pw>' db",
            "sshpass -p <hunter2> ssh web",
            "redis-cli -h x -a <hunter2> ping",
            "curl -s -u admin:<hunter2> https://x",
            "openssl rsa -passin pass:<hunter2>",
            "machine example.com\n\tlogin joe\n\tpassword <hunter2>\n",
            "requirepass <hunter2>",
            "- name: DB_PASSWORD\n  value: <hunter22>\n",
            '{"name": "API_KEY", "value": "<hunter22>"}',
            "define('DB_PASSWORD', '<hunter22>');",
            "\npassword      | <hunter22>\n",
            "https://hooks.slack.com/services/<T00000000/B00000000/AbCdEf0123456789AbCdEf01>",
            "https://discord.com/api/webhooks/<123456789012345678/AbCdEf0123456789_-AbCdEf01>",
            "https://x.blob.core.windows.net/c/f?sv=2020&sig=<AbCdEf0123456789AbCdEf0123456789%2B%3D>&se=1",
            "Set-Cookie: JSESSIONID=<ABCDEF0123456789>; Path=/",
            "CREATE ROLE app LOGIN PASSWORD '<hunter2>';",
            "Contraseña: <hunter22>",
            "пароль = <hunter2>",
            "密码\uff1a<hunter22>",
            "密碼: <hunter22>",
            "비밀번호: <hunter22>",
            "パスワード\uff1a<hunter22>",
            "hasło: <hunter22>",
            "lösenord=<hunter2>",
            "your new password is: <hunter22>",
            "DB_PASSWORD=<Xk9&Tr4;vL,2|q>\n",
            "  - DB_PASSWORD=<Xk&Tr4>\n",
            "+ export DB_PASSWORD=<Xk9&Tr4> x",
            '"Env": ["DB_PASSWORD=<Xk9;Tr4>", "A=b"]',
            "password=<Xk9Tr4>&user=x",
            "db.password = <Xk9&Tr4>\n",
            "pass=<hunter22>",
            '"dbPass": "<hunter22>"',
            "pass: '<hunter22>'",
            "-storepass=<hunter22>",
            '"auth": "<dXNlcjpwYXNzd29yZA==>"',
            "userPassword:: <e1NTSEF9VzZwaDVNbTU=>",
            "password <Xk9Tr4vLq2>",
            "passwd\t<Xk9Tr4vLq2>\n",
            "A temporary password is generated for root@localhost: <j9k3Lm(9pQ>\n",
            "snmp-server community <s3cretRO> RO",
        ),
        near_misses=(
            "password: incorrect",
            "password=$PASSWORD",
            "password=true",
            "Enter password: ",
            "token: string",
            "the bearer of this",
            "Authorization: Basic authentication",
            "password policy = 4",
            "bypass=always9, compass: 'north7'",
            "--- PASS: TestX1 (0.01s)",
            "first pass: part2_of_3",
            '"auth": "oauth2"',
            "password authentication2 for User1",
            "passwd deploy01",
            "password PAM_module2",
            "reset password at https://Example1.org/x2",
            "password = get(key1, other2)\n",
            "Password::New9",
            "PWD=/home/x",
            "OLDPWD=/tmp",
            "docker run -u 1000:1000 -p 8080:8080 x",
            "mkdir -p /srv/app1/data2",
            "mysql -u root -p db1",
            "ls -al /tmp; chown -R app1:app1 x",
            "please login first, password reset",
            "('username', 'password', 'address')",
            "grep password | head",
            " id | password | name \n----+----------+------\n",
            "https://hooks.slack.com/services/",
            "Set-Cookie: theme=dark; Path=/",
            "passed: 12, tests_pass: 3",
            "self.token = token",
            "def f(password=password, token=self.token, passphrase: BytesOrStr):",
            "const password = await read.password('New password: ')",
            "token = TokenList()",
            "f(key_password=key_password)",
            "secret = base64.b64decode(value)",
            "log.info('token', 'getting list')",
            "the password is wrong, the token was refreshed",
            "https://example.org/?sig=short",
        ),
        context="behind password, token, secret, api_key and the like, options, headers and webhooks",
    ),
    Row(
        name="url",
        kind="secret",
        probes=(
            Probe(Trigger(rb"[A-Za-z0-9]://[^\s:@/\"'\x00\x1b]{0,64}:[^\s/\"'\x00\x1b]{1,64}@"), _locate_url),
            Probe(Trigger(rb"thin:[^\s:@/\"'\x00\x1b]{1,64}/[^\s/\"'\x00\x1b]{1,64}@"), _locate_url),
        ),
        opening=_VALUES,
        samples=(
            "postgres://app:<s3cr3t>@localhost:5432/db",
            "redis://:<pass>@cache/0",
            "amqp://guest:<guest>@mq",
            "ftp://joe:<p@ss:w@rd>@host/x",
            "jdbc:oracle:thin:scott/<tiger>@//db:1521/x",
        ),
        near_misses=("http://host:8080/path", "https://example.org/a:b@c", "git://user@host"),
        context="between user and host of a URL",
    ),
    Row(
        name="cookie",
        kind="secret",
        probes=(
            Probe(
                Trigger(rb"(?i)cookie[\"']?: ?[\"']?[\w.\-]+=" + _VALUE_CLASS + rb"{4}"),
                _locate_cookie,
            ),
        ),
        opening=_CookieOpening(),
        sink=RunSink(rb"[^\r\n\"'\x00\x1b]"),
        samples=(
            "Cookie: <sid=abcdef0123456789; theme=dark>\r\n",
            "curl -H 'Cookie: <a=bcdef; c=d>' x",
        ),
        near_misses=("cookie: {maxAge: 60}", "Cookie: yes", "Set-Cookie: a=b; Path=/"),
        context="all of a Cookie header",
    ),
)
