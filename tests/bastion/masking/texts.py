"""Made-up texts like those that pass a bastion: logs, code, listings, dumps and tables of personal data."""

import random
from collections.abc import Callable

_WORDS = [
    "request",
    "handler",
    "started",
    "connection",
    "closed",
    "worker",
    "thread",
    "cache",
    "miss",
    "update",
    "index",
    "table",
    "retry",
    "timeout",
    "config",
    "reload",
    "session",
    "token",
    "user",
    "order",
    "payment",
    "stock",
    "batch",
    "queue",
    "commit",
    "rollback",
    "select",
    "insert",
    "error",
    "warning",
    "info",
    "debug",
    "module",
    "render",
    "template",
    "static",
    "asset",
    "bundle",
    "kernel",
    "usb",
    "device",
    "driver",
    "memory",
    "page",
    "fault",
    "disk",
    "sector",
    "mount",
    "volume",
    "snapshot",
]
_FIRST = [
    "anna",
    "bernd",
    "carla",
    "dmitri",
    "elif",
    "fatou",
    "georg",
    "hannah",
    "ines",
    "jonas",
    "kemal",
    "laura",
    "marek",
    "nadia",
    "olga",
    "pablo",
    "quinn",
    "rosa",
]
_LAST = [
    "schmidt",
    "novak",
    "garcia",
    "rossi",
    "jansen",
    "kowalski",
    "dubois",
    "smith",
    "okafor",
    "tanaka",
    "silva",
    "yilmaz",
    "larsen",
    "popescu",
]


def words(rng: random.Random, count: int) -> str:
    """Return some words."""
    return " ".join(rng.choices(_WORDS, k=count))


def stamp(rng: random.Random) -> str:
    """Return a date and time."""
    date = f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    return (
        f"{date}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}.{rng.randint(0, 999999):06}Z"
    )


def number(rng: random.Random, length: int) -> str:
    """Return digits, the first not 0."""
    return str(rng.randint(10 ** (length - 1), 10**length - 1))


def address(rng: random.Random) -> str:
    """Return an e-mail address."""
    return f"{rng.choice(_FIRST)}.{rng.choice(_LAST)}{rng.randint(1, 99)}@{rng.choice(_LAST)}.example.com"


def ip(rng: random.Random) -> str:
    """Return an IPv4 address."""
    return f"{rng.randint(11, 223)}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"


def luhn(digits: str) -> str:
    """Return the digits with their Luhn digit."""
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def card(rng: random.Random) -> str:
    """Return a card number."""
    return luhn("4" + number(rng, 14))


def iban(rng: random.Random) -> str:
    """Return a German IBAN."""
    account = number(rng, 18)
    return f"DE{98 - int(account + '131400') % 97:02}{account}"


def phone(rng: random.Random) -> str:
    """Return an international telephone number."""
    return f"+49 {rng.randint(30, 899)} {number(rng, 7)}"


def log_line(rng: random.Random) -> str:
    """Return a line of an application's log without personal data."""
    head = f"{stamp(rng)} {rng.choice(('INFO', 'WARN', 'DEBUG'))} [worker-{rng.randint(1, 32)}]"
    return f"{head} {words(rng, rng.randint(4, 12))} id={number(rng, rng.randint(2, 9))} took={rng.randint(1, 9999)}ms"


def hex_line(rng: random.Random) -> str:
    """Return a line of a hash list."""
    return f"{rng.getrandbits(256):064x}  build/{rng.choice(_WORDS)}-{rng.getrandbits(32):08x}.o"


def code_line(rng: random.Random) -> str:
    """Return a line of source code."""
    one, two, three, four = rng.choices(_WORDS, k=4)
    test = f"{one}->{two} != NULL && std::max(n, {rng.randint(0, 4096)}) > 0x{rng.getrandbits(16):04x}"
    return f"    if ({test}) return {three}({four});"


def access_line(rng: random.Random) -> str:
    """Return a line of a web server's log."""
    head = f"{ip(rng)} - - [22/Nov/2026:10:{rng.randint(0, 59):02}:{rng.randint(0, 59):02} +0000]"
    request = f'"GET /{rng.choice(_WORDS)}/{rng.randint(1, 9999)} HTTP/1.1" 200 {rng.randint(100, 99999)}'
    return f'{head} {request} "-" "Mozilla/5.0 (X11; Linux x86_64)"'


def json_line(rng: random.Random) -> str:
    """Return a JSON object with an address in every third."""
    extra = f',"email":"{address(rng)}"' if rng.random() < 0.3 else ""
    head = f'"ts":"{stamp(rng)}","id":{number(rng, 7)},"level":"info"'
    return f'{{{head},"msg":"{words(rng, 6)}"{extra},"ms":{rng.random():.4f}}}'


def listing_line(rng: random.Random) -> str:
    """Return a line of ls -l with colours."""
    time = f"Nov {rng.randint(1, 28):>2} 10:{rng.randint(0, 59):02}"
    name = f"{rng.choice(_WORDS)}.{rng.choice(('py', 'log', 'txt'))}"
    return f"-rw-r--r-- 1 root root {rng.randint(1, 10**7):>9} {time} {name}"


def coloured_line(rng: random.Random) -> str:
    """Return a line of a listing with colours."""
    return f"\x1b[0m\x1b[01;34m{rng.choice(_WORDS)}\x1b[0m  {words(rng, 8)}"


def sql_line(rng: random.Random) -> str:
    """Return a line of a database dump."""
    values = f"{number(rng, 5)}, '{rng.choice(_FIRST)}', '{address(rng)}', '{phone(rng)}', '{stamp(rng)}'"
    return f"INSERT INTO customers VALUES ({values});"


def csv_line(rng: random.Random) -> str:
    """Return a line of personal data alone."""
    values = [number(rng, 5), rng.choice(_FIRST), rng.choice(_LAST)]
    return ",".join([*values, address(rng), phone(rng), iban(rng), card(rng), ip(rng)])


def _lines(rng: random.Random, size: int, kinds: dict[Callable[[random.Random], str], int]) -> bytes:
    makers = rng.choices(list(kinds), weights=list(kinds.values()), k=4000)
    block = "\n".join(make(rng) for make in makers).encode() + b"\n"
    return (block * (size // len(block) + 1))[:size]


def sparse(rng: random.Random, size: int) -> bytes:
    """Return logs, code and hashes with hardly a value: about one line in two thousand."""
    return _lines(rng, size, {log_line: 6000, code_line: 2000, hex_line: 2000, access_line: 5})


def mixed(rng: random.Random, size: int) -> bytes:
    """Return what a day at a terminal brings, about two values in a KiB."""
    kinds: dict[Callable[[random.Random], str], int] = {
        log_line: 30,
        code_line: 15,
        access_line: 15,
        json_line: 20,
        listing_line: 15,
        coloured_line: 1,
        sql_line: 4,
    }
    return _lines(rng, size, kinds)


def dense(rng: random.Random, size: int) -> bytes:
    """Return a table of personal data."""
    return _lines(rng, size, {csv_line: 1})
