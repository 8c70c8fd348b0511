"""Values made by public rules (python-stdnum, phonenumbers, schwifty, RFCs), in the layouts that people see them in.

Nothing here is taken from the samples of the detectors. Each maker returns a value and the words it is called by.
"""

import ipaddress
import random
import re
import string
import textwrap
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import phonenumbers
import schwifty

from tests.bastion.masking import texts
from tests.bastion.masking.generators import REGIONS

ALNUM = string.ascii_letters + string.digits


class Labelled(NamedTuple):
    """A value, what it is called where it stands alone, and the name of its field."""

    value: str
    word: str
    field: str


class Identifier(NamedTuple):
    """How numbers of a country look and what they are called; `#` is a digit, `@` a letter, `~` YYMMDD, `^` DDMMYY."""

    module: str
    template: str
    word: str
    field: str


IDENTIFIERS = [
    Identifier("gb.nhs", "##########", "NHS number", "nhs_number"),
    Identifier("fr.nir", "17#06##########", "INSEE", "nir"),
    Identifier("de.idnr", "###########", "Steuer-ID", "steuer_id"),
    Identifier("es.dni", "########@", "DNI", "dni"),
    Identifier("es.nie", "X#######@", "NIE", "nie"),
    Identifier("it.codicefiscale", "VRDGPP##C1#F205@", "codice fiscale", "codice_fiscale"),
    Identifier("pt.nif", "2########", "NIF", "nif"),
    Identifier("nl.bsn", "#########", "BSN", "bsn"),
    Identifier("be.nn", "~#####", "rijksregisternummer", "national_id"),
    Identifier("ch.ssn", "756##########", "AHV", "ahv"),
    Identifier("at.vnr", "####^", "SVNR", "social_security_number"),
    Identifier("se.personnummer", "~####", "personnummer", "personnummer"),
    Identifier("no.fodselsnummer", "^#####", "fødselsnummer", "national_id"),
    Identifier("is_.kennitala", "^####", "kennitala", "national_id"),
    Identifier("pl.pesel", "~#####", "PESEL", "pesel"),
    Identifier("cz.rc", "~####", "rodné číslo", "national_id"),
    Identifier("ro.cnp", "1~12####", "CNP", "cnp"),
    Identifier("bg.egn", "~####", "ЕГН", "egn"),
    Identifier("hr.oib", "###########", "OIB", "oib"),
    Identifier("ee.ik", "3~####", "isikukood", "personal_code"),
    Identifier("lt.asmens", "4~####", "asmens kodas", "personal_code"),
    Identifier("ie.pps", "#######@", "PPS number", "national_id"),
    Identifier("gr.amka", "^#####", "AMKA", "national_id"),
    Identifier("tr.tckimlik", "###########", "TC kimlik no", "identity_number"),
    Identifier("ru.inn", "############", "ИНН", "tax_id"),
    Identifier("us.ssn", "#########", "SSN", "ssn"),
    Identifier("ca.sin", "#########", "SIN", "sin"),
    Identifier("br.cpf", "###########", "CPF", "cpf"),
    Identifier("mx.curp", "GOML~HDFRRR##", "CURP", "curp"),
    Identifier("cl.rut", "#########", "RUT", "tax_id"),
    Identifier("ec.ci", "170#######", "cédula", "national_id"),
    Identifier("in_.aadhaar", "############", "Aadhaar", "aadhaar"),
    Identifier("cn.ric", "11010119~####", "身份证", "national_id"),
    Identifier("jp.in_", "############", "マイナンバー", "personal_number"),
    Identifier("kr.rrn", "~1######", "주민등록번호", "national_id"),
    Identifier("th.pin", "1############", "Thai ID", "national_id"),
    Identifier("za.idnr", "~####08#", "ID number", "identity_number"),
    Identifier("au.tfn", "#########", "TFN", "tfn"),
]


@cache
def numbers_of(kind: Identifier) -> list[str]:
    """Return some right numbers of a country, as it prints them and in one piece."""
    rng = random.Random(kind.module)
    theirs: Any = import_module(f"stdnum.{kind.module}")
    found: list[str] = []
    for _ in range(40_000):
        year, month, day = rng.randint(40, 99), rng.randint(1, 12), rng.randint(1, 28)
        parts = {"~": f"{year:02}{month:02}{day:02}", "^": f"{day:02}{month:02}{year:02}"}
        number = "".join(
            rng.choice(string.digits) if part == "#" else rng.choice(string.ascii_uppercase) if part == "@" else
            parts.get(part, part) for part in kind.template
        )  # fmt: skip
        if theirs.is_valid(number):
            found.append(theirs.format(number) if hasattr(theirs, "format") and len(found) % 2 else number)
            if len(found) == 20:
                break
    assert found, kind
    return found


def national_id(rng: random.Random) -> Labelled:
    """Return a person's number of some country."""
    kind = rng.choice(IDENTIFIERS)
    return Labelled(rng.choice(numbers_of(kind)), kind.word, kind.field)


def phone(rng: random.Random) -> Labelled:
    """Return a number that some country may have given out, written as one writes it there or abroad."""
    region = rng.choice(REGIONS)
    kind = rng.choice((phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE))
    example = phonenumbers.example_number_for_type(region, kind)
    assert example is not None
    national = str(example.national_number)
    for _ in range(60):
        digits = national[:-5] + f"{rng.randint(0, 99999):05}"
        number = phonenumbers.PhoneNumber(country_code=example.country_code, national_number=int(digits))
        if phonenumbers.is_valid_number(number):
            break
    else:
        number = example
    form = rng.choice((phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164,
                       phonenumbers.PhoneNumberFormat.NATIONAL))  # fmt: skip
    word = rng.choice(("phone", "Tel.", "mobile", "Telefon", "fax"))
    return Labelled(phonenumbers.format_number(number, form), word, rng.choice(("phone", "mobile_phone", "tel")))


def email(rng: random.Random) -> Labelled:
    """Return an address as RFC 5321 and 6531 allow them, without quotes."""
    tops = ("com", "de", "co.jp", "photography", "internal", "lan", "бел", "укр", "xn--p1ai", "technology", "travel")
    shapes = ("{}.{}", "{}+{}", "{}_{}", "{}-{}", "{}{}99", "{}.{}+list", "o'{}{}", "{}ß{}", "{}.é{}")
    local = rng.choice(shapes).format(texts.words(rng, 1), texts.words(rng, 1))
    host = rng.choice(("{}", "mail.{}", "a.b-c.{}", "müller-{}", "x1.{}")).format(texts.words(rng, 1))
    address = f"{local}@{host}.{rng.choice(tops)}"
    return Labelled(address.upper() if rng.random() < 0.1 and address.isascii() else address, "mail", "email")


def card(rng: random.Random) -> Labelled:
    """Return a card of some network (ISO/IEC 7812), as printed or in one piece."""
    prefix = rng.choice(("4", "51", "2221", "34", "37", "6011", "36", "3530", "62", "6304"))
    length = {"34": 15, "37": 15, "36": 14, "6304": 19}.get(prefix, 16)
    number = texts.luhn(prefix + "".join(rng.choices(string.digits, k=length - len(prefix) - 1)))
    groups = {14: (4, 10, 14), 15: (4, 10, 15), 16: (4, 8, 12, 16), 19: (4, 8, 12, 16, 19)}.get(length)
    if groups and rng.random() < 0.5:
        number = rng.choice(" -").join(number[low:high] for low, high in zip((0, *groups), groups, strict=False))
    return Labelled(number, "card", "card_number")


BANKS = textwrap.wrap("ATBECHCZDEDKEEESFIFRGBHUIEITLTLULVNLNOPLPTROSESISKTR", 2)


def iban(rng: random.Random) -> Labelled:
    """Return an IBAN of any country that schwifty knows banks of, in any usual spelling."""
    number = str(schwifty.IBAN.random(country_code=rng.choice(BANKS), random=rng))
    spelling = rng.random()
    if spelling < 0.4:
        number = " ".join(number[low : low + 4] for low in range(0, len(number), 4))
    if spelling > 0.9 and number[8:].isdigit():
        number = number.lower()
    return Labelled(number, "IBAN", "iban")


def ip(rng: random.Random) -> Labelled:
    """Return an address of either version, shortened as RFC 5952 wants or not at all."""
    if rng.random() < 0.6:
        return Labelled(texts.ip(rng), "ip", "ip_address")
    number = (0x2001 << 112) | rng.getrandbits(112)
    if rng.random() < 0.5:
        number &= ~(((1 << 64) - 1) << 16)
    address = ipaddress.IPv6Address(number)
    return Labelled(address.exploded if rng.random() < 0.3 else str(address), "ip", "client_ip")


def mac(rng: random.Random) -> Labelled:
    """Return a MAC address as Linux, Windows or Cisco print it."""
    digits = f"{rng.getrandbits(47) | 1 << 41:012x}"
    pairs = [digits[low : low + 2] for low in range(0, 12, 2)]
    forms = [":".join(pairs), ":".join(pairs).upper(), "-".join(pairs).upper()]
    if not digits.isdigit():
        forms.append(".".join((digits[:4], digits[4:8], digits[8:])))
    return Labelled(rng.choice(forms), "mac", "mac_address")


def _letters(rng: random.Random, count: int, alphabet: str = ALNUM) -> str:
    return "".join(rng.choices(alphabet, k=count))


BASE64 = ALNUM + "+/"
SECRETS: tuple[tuple[str | int | tuple[int, str], ...], ...] = (
    ("AKIA", (16, string.ascii_uppercase + "234567")),
    ("ghp_", 36),
    ("github_pat_", 22, "_", 59),
    ("glpat-", 20),
    ("sk_live_", 24),
    ("whsec_", (32, BASE64)),
    ("npm_", 36),
    ("pypi-AgEIcHlwaS5vcmcC", 60),
    ("hf_", (34, string.ascii_letters)),
    ("sk-proj-", 48),
    ("sk-ant-api03-", 80),
    ("xoxb-", (12, string.digits), "-", 24),
    ("AIza", 35),
    ("SG.", 22, ".", 43),
    ("eyJhbGciOiJIUzI1NiJ9.eyJ", 60, ".", 43),
    ("$6$", 16, "$", (86, ALNUM + "./")),
    ("$y$j9T$", 22, "$", (43, ALNUM + "./")),
    ("$2b$12$", (53, ALNUM + "./")),
    ("$argon2id$v=19$m=65536,t=3,p=4$", (22, BASE64), "$", (43, BASE64)),
    ("https://hooks.slack.com/services/", 9, "/", 9, "/", 24),
    ("postgres://app:", (12, ALNUM + "!%*"), "@db.internal/x"),
    ("-----BEGIN PRIVATE KEY-----\\n", (64, BASE64), "\\n-----END PRIVATE KEY-----"),
    ("dckr_pat_", 27),
    ("shpat_", (32, "0123456789abcdef")),
)
"""Texts, and how many random characters of which alphabet stand between them."""


def secret(rng: random.Random) -> Labelled:
    """Return what is known to open something by its form."""
    parts = []
    for part in rng.choice(SECRETS):
        count, alphabet = part if isinstance(part, tuple) else (part, ALNUM)
        parts.append(count if isinstance(count, str) else "".join(rng.choices(alphabet, k=count)))
    return Labelled("".join(parts), "key", "value")


def password(rng: random.Random) -> Labelled:
    """Return what only its field tells to be a secret."""
    length, alphabet = rng.choice(((12, ALNUM + "!#%+-./:?@^_~"), (40, BASE64), (32, "0123456789abcdef")))
    value = rng.choice(ALNUM) + "".join(rng.choices(alphabet, k=length)).rstrip("/:.") + rng.choice(string.digits)
    fields = (
        "password DB_PASSWORD api_key apiKey client_secret access_token passwd aws_secret_access_key AccountKey"
        " smtp_pass SECRET_KEY_BASE encryption_key"
    )
    field = rng.choice(fields.split())
    return Labelled(value, field, field)


FRAMES = (
    "{word}: {value}\n",
    "{field}={value}\n",
    '{{"{field}": "{value}", "n": 3}}\n',
    '{{"{field}":"{value}","n":3}}\n',
    "  {field}: {value}\n",
    "id,{field},note\n7,{value},x\n",
    '"id";"{field}"\n"7";"{value}"\n',
    " id | {field} \n----+-----\n  1 | {value}\n(1 row)\n",
    "-[ RECORD 1 ]-+-----\nid             | 7\n{field:<14} | {value}\n",
    "insert into t (id, {field}) values (7, '{value}');\n",
    "<{field}>{value}</{field}>\n",
    "2026-11-22 10:00:01 INFO done {field}={value} took=3ms\n",
    "\x1b[1m{word}\x1b[0m: \x1b[32m{value}\x1b[0m\r\n",
    "| 7 | {word}: {value} |\n",
    "{word} is {value}, he said\n",
)
BARE = "{word} {value} ok\n"
"""Passwords have no form of their own: they need a sign of assignment."""


def frames(kind: str) -> tuple[str, ...]:
    """Return the layouts in which values of a kind are to be found."""
    return FRAMES if kind == "password" else (*FRAMES, BARE)


MAKERS: dict[str, Callable[[random.Random], Labelled]] = {
    "email": email, "card": card, "iban": iban, "ip": ip, "mac": mac, "secret": secret, "password": password,
    "phone": phone, "national-id": national_id,
}  # fmt: skip


def framed(made: Labelled, frame: str) -> str:
    """Return the text that holds a value."""
    return frame.format(value=made.value, word=made.word, field=made.field)


def is_shown(made: Labelled, shown: str) -> bool:
    """Return whether five characters of a value in a row stand in what is shown, apart from what says nothing."""
    value = PUBLIC.sub("", made.value)
    return any(value[place : place + 5] in shown for place in range(max(1, len(value) - 4)))


PUBLIC = re.compile(
    r"whsec_|https://hooks\.slack\.com/services/|postgres://app:|@db\.internal/x|-----\w[A-Z ]+-----|\\n"
)
