"""Finds payment cards and IBANs by layout and check digits.

Cards are 13 to 19 digits with a leading digit that networks use and a right Luhn digit, in one piece or in the groups
they are printed in. Test cards such as 4111 1111 1111 1111 are cards. An IBAN has its country's length and a right
remainder modulo 97; the account number inside is not looked at, because test data often fails that. In small letters it
counts only without letters in the account number (but for the bank's in front), since much else is written so.
"""

import re
import string
from dataclasses import dataclass

from bastion.masking.checksums import luhn, mod97
from bastion.masking.engine import Trigger
from bastion.masking.rows import Numbers, Probe, Row, Span
from bastion.masking.shapes import APART_LEFT, LEFT, NUMBERS, RIGHT, SEPARATOR, compact

_CARD_STARTS = {
    13: (b"4",),
    14: (b"30", b"36", b"38", b"39"),
    15: (b"34", b"37"),
    16: (b"4", b"5", b"6", b"22", b"23", b"24", b"25", b"26", b"27", b"35"),
    17: (b"5", b"6"),
    18: (b"5", b"6"),
    19: (b"4", b"5", b"6"),
}

_LENGTHS = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
IBAN_LENGTHS = {country.encode(): length for length, names in _LENGTHS.items() for country in names.split()}
"""How long an IBAN is, by country."""

_LETTERS = (b"A-Z", b"a-z")
_GROUP = SEPARATOR + rb"?[0-9A-Z]{4}"
_SMALL_GROUPS = SEPARATOR + rb"?(?:[a-z]{4}|[0-9]{4})" + SEPARATOR + rb"?[0-9]{4}"


def _iban(length: int, letters: bytes) -> re.Pattern[bytes]:
    """Return the pattern of IBANs with so many letters and digits, in one piece or in groups of four."""
    group = SEPARATOR + rb"?[0-9" + letters + rb"]"
    rest = group + rb"{%d}" % (length % 4) if length % 4 else b""
    return re.compile(LEFT + rb"[" + letters + rb"]{2}[0-9]{2}" + (group + rb"{4}") * (length // 4 - 1) + rest + RIGHT)


_IBAN = {(length, letters): _iban(length, letters) for length in _LENGTHS for letters in _LETTERS}
_SMALL = re.compile(rb"[a-z]{2}[0-9]{2}(?:[a-z]{4})?[0-9]+")
_SMALL_BEGUN = re.compile(
    rb"(?<![0-9A-Za-z])[a-z](?:[a-z](?:[0-9](?:[0-9](?:"
    + SEPARATOR
    + rb"?[a-z]{1,4})?(?:"
    + SEPARATOR
    + rb"?[0-9])*(?:"
    + SEPARATOR
    + rb"|\xc2|\xe2\x80?)?)?)?)?\Z"
)
_SMALL_ENDS = b"0123456789 .-" + bytes([0xC2, 0xA0, 0xE2, 0x80, 0xAF, *range(0x90, 0x96)])
_SMALL_BEFORE = 12  # bytes up to the bank's letters


@dataclass(frozen=True, slots=True)
class _SmallOpening:
    """What may be the beginning of an IBAN in small letters. Country, check digits and four more may be shown."""

    limit: int = 64
    firsts: bytes = string.ascii_lowercase.encode()

    def start(self, text: bytes, end: int) -> int:
        """Return where the country stands, which is shortly before the digits at the end."""
        low = max(0, end - self.limit)
        low += max(0, len(text[low:end].rstrip(_SMALL_ENDS)) - _SMALL_BEFORE)
        found = _SMALL_BEGUN.search(text, low, end)
        return end if found is None else found.start()

    def free(self, text: bytes, start: int) -> int:
        """Return the position behind the first group but one."""
        return min(len(text), start + 9)


def is_card(number: bytes) -> bool:
    """Return whether the digits are a card number that some network may have given out."""
    return number.startswith(_CARD_STARTS.get(len(number), ())) and luhn(number)


def _locate_iban(text: bytes, hit: int) -> Span | None:
    """Look for the country a dozen bytes before a hit, which lies behind twelve letters and digits."""
    for start in range(max(0, hit - 18), hit - 11):
        country = text[start : start + 2]
        length = IBAN_LENGTHS.get(country.upper())
        if length is not None:
            found = _IBAN[length, _LETTERS[country.islower()]].match(text, start)
            if found is not None:
                return found.span() if _is_iban(compact(found[0])) else None
    return None


def _is_iban(number: bytes) -> bool:
    return (not number[:2].islower() or _SMALL.fullmatch(number) is not None) and mod97(number.upper())


ROWS = (
    Row(
        name="card",
        kind="card",
        probes=(),
        numbers=Numbers(
            ("9{13,19}", "9999 9999 9999 9999", "9999 9999 9999 9999 999", "9999 999999 99999", "9999 999999 9999"),
            is_card,
        ),
        opening=NUMBERS,
        samples=(
            "paid with <4111 1111 1111 1111> today",
            "<5555555555554444>",
            "pan=<3782-822463-10005>,cvv",
            "<3056 930902 5904>",
            '"card":"<6212345678901265>"',
            "2026-11-22 10:00:01 <4012 8888 8888 1881> ok",
        ),
        near_misses=(
            "4111 1111 1111 1112",
            "1700000000000000000",
            "550e8400-e29b-41d4-a716-446655440000",
            "0.4111111111111111",
            "a4111111111111111",
            "4111-1111-1111-1111-22",
        ),
    ),
    Row(
        name="iban",
        kind="iban",
        probes=(Probe(Trigger(APART_LEFT + rb"[A-Z]{2}[0-9]{2}" + _GROUP * 2, apart=True), _locate_iban),),
        opening=NUMBERS,
        samples=(
            "IBAN <DE89 3704 0044 0532 0130 00>",
            "<GB29NWBK60161331926819>;",
            "to <NO9386011117947>.",
            "<MT84MALT011000012345MTLCAST001S>",
            '{"iban": "<FR14-2004-1010-0505-0001-3M02-606>"}',
            "<DE89 3704 0044 0532 0130 00> GB29",
        ),
        near_misses=(
            "DE89 3704 0044 0532 0130 01",
            "DE8937040044053201300",
            "XX89370400440532013000",
            "AB12CD34EF56GH78",
        ),
    ),
    Row(
        name="small-iban",
        kind="iban",
        probes=(Probe(Trigger(APART_LEFT + rb"[a-z]{2}[0-9]{2}" + _SMALL_GROUPS, apart=True), _locate_iban),),
        opening=_SmallOpening(),
        samples=(
            "iban=<de89370400440532013000>&n=1",
            "<gb29 nwbk 6016 1331 9268 19> and",
            "<nl91abna0417164300>,",
            "<be68 5390 0754 7034>",
        ),
        near_misses=(
            "de89370400440532013001",
            "be68539007547034ab",
            "mt84malt011000012345mtlcast001s",
            "ad1200012030200359100100x",
            "commit be68539007547a34",
        ),
    ),
)
