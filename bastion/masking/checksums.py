"""Check digits of numbers, on bytes that hold digits (and upper-case letters) alone, without separators.

Only arithmetic; which number has which rule stands in the tables of rows. All functions say False for what isn't right,
and expect that the caller has looked at the length and the kind of characters (a row's pattern has).
"""

from collections.abc import Callable, Sequence
from operator import mul

Check = Callable[[bytes], bool]

_VALUES = bytes((byte - 0x30) % 0x100 for byte in range(0x100))
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
_BASE36 = {character: b"%d" % value for value, character in enumerate(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_VERHOEFF = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_PERMUTED = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
    (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    (9, 4, 5, 3, 1, 2, 6, 8, 7, 0),
    (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5),
    (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)


def digits(number: bytes) -> list[int]:
    """Return the value of each digit."""
    return list(number.translate(_VALUES))


def weighted(number: bytes, weights: Sequence[int]) -> int:
    """Return the sum of the first digits, each times its weight."""
    return sum(map(mul, number.translate(_VALUES), weights))


def luhn(number: bytes) -> bool:
    """ISO/IEC 7812-1: from the right, every second digit doubled, digits of the products added up."""
    return (sum(number[-1::-2]) + sum(number[-2::-2].translate(_DOUBLED)) - 0x30 * len(number)) % 10 == 0


def verhoeff(number: bytes) -> bool:
    """Verhoeff's dihedral check, as Aadhaar has."""
    state = 0
    for place, digit in enumerate(reversed(digits(number))):
        state = _VERHOEFF[state][_PERMUTED[place % 8][digit]]
    return state == 0


def mod11_10(number: bytes) -> bool:
    """ISO 7064 MOD 11,10: German tax number, Croatian OIB."""
    state = 5
    for digit in digits(number):
        state = ((state or 10) * 2 % 11 + digit) % 10
    return state == 1


def mod11_2(number: bytes) -> bool:
    """ISO 7064 MOD 11-2 with X for ten: Chinese resident number."""
    total = 0
    for digit in digits(number[:-1]):
        total = (total + digit) * 2 % 11
    return (total + (10 if number[-1:] == b"X" else number[-1] - 0x30)) % 11 == 1


def mod97(number: bytes) -> bool:
    """ISO 7064 MOD 97-10 over letters and digits with the first four characters moved to the end: IBAN."""
    return int(b"".join(map(_BASE36.__getitem__, number[4:] + number[:4]))) % 97 == 1


def sums_to(weights: Sequence[int], modulus: int, remainder: int = 0) -> Check:
    """Return a check that the weighted sum of all digits leaves the remainder."""
    return lambda number: weighted(number, weights) % modulus == remainder


def last_is(weights: Sequence[int], modulus: int, *, tens: int | None = None) -> Check:
    """Return a check that the last digit is the weighted sum of the others modulo `modulus`.

    A remainder of ten counts as `tens`; None makes such a number invalid.
    """
    return lambda number: _equals(weighted(number[:-1], weights) % modulus, number[-1], tens)


def last_completes(weights: Sequence[int], modulus: int, *, tens: int | None = None) -> Check:
    """Return a check that the last digit completes the weighted sum of the others to a multiple of `modulus`."""
    return lambda number: _equals(-weighted(number[:-1], weights) % modulus, number[-1], tens)


def both(first: Check, second: Check) -> Check:
    """Return a check that demands two others."""
    return lambda number: first(number) and second(number)


def letter_of(letters: bytes, modulus: int, stop: int = -1) -> Check:
    """Return a check that the last letter is the one at (number before it) modulo `modulus`."""
    return lambda number: letters[int(number[:stop]) % modulus] == number[-1]


def date(year: slice, month: slice, day: slice) -> Check:
    """Return a check that month and day, where they stand, may be a date; the year may be anything."""
    del year
    return lambda number: is_date(int(number[month]), int(number[day]))


def is_date(month: int, day: int) -> bool:
    """Return whether some year has this day."""
    return 1 <= month <= 12 and 1 <= day <= (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def _equals(value: int, character: int, tens: int | None) -> bool:
    if value == 10:
        return tens is not None and tens == character - 0x30
    return value == character - 0x30
