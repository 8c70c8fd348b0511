"""Rules of national identifiers that are more than one weighted sum. Pure arithmetic on letters and digits.

Each function takes the identifier without separators, already of the right length and kind of characters.
"""

import re
from collections import Counter

from bastion.masking.checksums import digits, is_date, luhn, mod11_10, verhoeff, weighted

_ODD_VALUES = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_FISCAL_DIGITS = bytes.maketrans(b"LMNPQRSTUV", b"0123456789")
_FISCAL_MONTHS = b"ABCDEHLMPRST"
_CURP_VALUES = {character: value for value, character in enumerate(b"0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ")}
_DNI_LETTERS = b"TRWAGMYFPDXBNJZSQVHLCKE"
_NINO = re.compile(rb"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]")


_TWICE = [(first, second) for first in range(100) for second in range(100)]
_DATES = frozenset(b"%02d%02d" % (month, day) for month, day in _TWICE if is_date(month, day))
_COORDINATED = _DATES | {b"%02d%02d" % (month, day) for month, day in _TWICE if is_date(month, day - 60)}
_DAYS = frozenset(date[2:] + date[:2] for date in _DATES)
_COMPANY_DAYS = frozenset(b"%02d%02d" % (day, month) for month, day in _TWICE if is_date(month, day % 40))
"""Month and day, or day and month, as some numbers hold them."""


def anything(number: bytes) -> bool:
    """Return True unless all digits are the same: for numbers without check digits."""
    return number.count(number[:1]) < len(number)


def us_social_security(number: bytes) -> bool:
    """Areas 000, 666 and 9xx, group 00 and serial 0000 are never given out."""
    return number[:3] not in {b"000", b"666"} and number[:1] != b"9" and number[3:5] != b"00" and number[5:] != b"0000"


def uk_national_insurance(number: bytes) -> bool:
    """Letters that never begin one are refused; there is no check digit."""
    return _NINO.fullmatch(number) is not None


def fr_nir(number: bytes) -> bool:
    """97 minus the first thirteen digits modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    if not 1 <= int(number[3:5]) <= 12 and not 20 <= int(number[3:5]) <= 99:
        return False
    plain = number[:13].replace(b"2A", b"19").replace(b"2B", b"18")
    return plain.isdigit() and 97 - int(plain) % 97 == int(number[13:])


def de_tax(number: bytes) -> bool:
    """ISO 7064 MOD 11,10, and exactly one digit of the first ten occurs two or three times."""
    repeated = [count for count in Counter(number[:10]).values() if count > 1]
    return number[:1] != b"0" and len(repeated) == 1 and repeated[0] in {2, 3} and mod11_10(number)


def de_social_security(number: bytes) -> bool:
    """The letter counts as two digits; digits of the products are added up."""
    if not is_date(int(number[4:6]), int(number[2:4])):
        return False
    expanded = digits(number[:8] + b"%02d" % (number[8] - 0x40) + number[9:11])
    products = (value * weight for value, weight in zip(expanded, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    return sum(product // 10 + product % 10 for product in products) % 10 == number[11] - 0x30


def es_dni(number: bytes) -> bool:
    """The letter at the number modulo 23; X, Y and Z of foreigners count as 0, 1 and 2."""
    plain = number[:-1].translate(bytes.maketrans(b"XYZ", b"012"))
    return _DNI_LETTERS[int(plain) % 23] == number[-1]


def it_fiscal(number: bytes) -> bool:
    """Values by odd and even place, modulo 26; the month is a letter, women's days are 40 higher."""
    total = 0
    for place, character in enumerate(number[:15]):
        value = character - 0x30 if character < 0x3A else character - 0x41
        total += value if place % 2 else _ODD_VALUES[value]
    if total % 26 != number[15] - 0x41 or number[8] not in _FISCAL_MONTHS:
        return False
    day = number[9:11].translate(_FISCAL_DIGITS)
    return day.isdigit() and 1 <= int(day) % 40 <= 31


def nl_bsn(number: bytes) -> bool:
    """Eleven proof, the last digit counted negatively."""
    return anything(number) and weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def be_national(number: bytes) -> bool:
    """97 minus the first nine digits modulo 97, with a 2 in front for those born from 2000 on."""
    month = int(number[2:4])
    if month % 20 > 12 or int(number[4:6]) > 31:
        return False
    check = int(number[9:])
    return check in {97 - int(number[:9]) % 97, 97 - int(b"2" + number[:9]) % 97}


def lu_matricule(number: bytes) -> bool:
    """Year, month, day, then a Luhn digit and a Verhoeff digit over the first eleven."""
    born = 1850 <= int(number[:4]) <= 2099 and is_date(int(number[4:6]), int(number[6:8]))
    return born and luhn(number[:12]) and verhoeff(number[:11] + number[12:])


def se_personal(number: bytes) -> bool:
    """Date with 60 added to the day for coordination numbers, Luhn over the last ten digits."""
    return number[-8:-4] in _COORDINATED and luhn(number[-10:])


def no_birth(number: bytes) -> bool:
    """Two check digits modulo 11; D-numbers add 40 to the day, H-numbers 40 to the month."""
    day, month = int(number[:2]) % 40, int(number[2:4]) % 40
    if not is_date(month, day):
        return False
    first = weighted(number, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    return first == 0 and weighted(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def begins_with_day(number: bytes) -> bool:
    """DDMMYY in front, and no check digit that always holds."""
    return number[:4] in _DAYS


def begins_with_year(number: bytes) -> bool:
    """YYMMDD in front."""
    return number[2:6] in _DATES


def fi_personal(number: bytes) -> bool:
    """The letter at the nine digits modulo 31; what stands for the century is between them."""
    plain = number[:6] + number[-4:-1]
    return begins_with_day(number) and b"0123456789ABCDEFHJKLMNPRSTUVWXY"[int(plain) % 31] == number[-1]


def is_kennitala(number: bytes) -> bool:
    """Weighted sum modulo 11 over the first nine digits; companies add 40 to the day."""
    return number[:4] in _COMPANY_DAYS and weighted(number, (3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def pl_pesel(number: bytes) -> bool:
    """Weighted sum modulo 10; the century is added to the month in steps of 20."""
    month = int(number[2:4]) % 20
    return is_date(month, int(number[4:6])) and weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def cz_birth(number: bytes) -> bool:
    """Women's months are 50 higher, overflow adds 20; ten digits are divisible by 11, or end in 0 for a rest of 10."""
    if not is_date(int(number[2:4]) % 50 % 20, int(number[4:6])):
        return False
    return len(number) == 9 or int(number[:9]) % 11 % 10 == number[9] - 0x30


def ro_cnp(number: bytes) -> bool:
    """Weighted sum modulo 11, where 10 counts as 1."""
    if number[:1] == b"0" or not is_date(int(number[3:5]), int(number[5:7])):
        return False
    check = weighted(number[:12], (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return (1 if check == 10 else check) == number[12] - 0x30


def bg_egn(number: bytes) -> bool:
    """Weighted sum modulo 11 modulo 10; the century is added to the month in steps of 20."""
    if not is_date(int(number[2:4]) % 20, int(number[4:6])):
        return False
    return weighted(number[:9], (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == number[9] - 0x30


def yu_jmbg(number: bytes) -> bool:
    """Slovenia, Croatia, Serbia and neighbours: day, month, last three digits of the year, sum modulo 11."""
    if not begins_with_day(number):
        return False
    return -weighted(number[:12], (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11 % 10 == number[12] - 0x30


def baltic_personal(number: bytes) -> bool:
    """Estonia and Lithuania: two rows of weights, the second where the first leaves ten."""
    if not 1 <= number[0] - 0x30 <= 8 or not is_date(int(number[3:5]), int(number[5:7])):
        return False
    check = weighted(number[:10], (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(number[:10], (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return check == number[10] - 0x30


def lv_personal(number: bytes) -> bool:
    """Sum modulo 11 modulo 10; from 2017 on numbers begin with 32 and hold no date."""
    if number[:2] != b"32" and not begins_with_day(number):
        return False
    return (1 + weighted(number[:10], (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11 % 10 == number[10] - 0x30


def ie_pps(number: bytes) -> bool:
    """The letter at the weighted sum modulo 23; a second letter counts nine times."""
    total = weighted(number[:7], (8, 7, 6, 5, 4, 3, 2))
    if len(number) == 9 and number[8] in b"ABH":
        total += 9 * (number[8] - 0x40)
    return b"WABCDEFGHIJKLMNOPQRSTUV"[total % 23] == number[7]


def gr_amka(number: bytes) -> bool:
    """Date of birth and a Luhn digit."""
    return begins_with_day(number) and luhn(number)


def tr_identity(number: bytes) -> bool:
    """Two check digits over odd and even places."""
    values = digits(number)
    tenth = (7 * sum(values[0:9:2]) - sum(values[1:8:2])) % 10
    return values[0] != 0 and values[9] == tenth and values[10] == sum(values[:10]) % 10


def br_cpf(number: bytes) -> bool:
    """Two check digits modulo 11; numbers of one digit alone are never given out."""
    if not anything(number):
        return False
    first = -weighted(number[:9], range(10, 1, -1)) % 11
    second = -weighted(number[:10], range(11, 1, -1)) % 11
    return [first % 10 if first == 10 else first, second % 10 if second == 10 else second] == digits(number[9:])


def cl_rut(number: bytes) -> bool:
    """Weights 2 to 7 from the right, K for ten."""
    total = sum(digit * (2 + place % 6) for place, digit in enumerate(reversed(digits(number[:-1]))))
    return b"0123456789K0"[-total % 11] == number[-1]


def mx_curp(number: bytes) -> bool:
    """Places 18 to 2 times the values of the characters, modulo 10."""
    if not is_date(int(number[6:8]), int(number[8:10])):
        return False
    total = sum(_CURP_VALUES[character] * (18 - place) for place, character in enumerate(number[:17]))
    return -total % 10 == number[17] - 0x30


def cn_resident(number: bytes) -> bool:
    """Region, date of birth, and ISO 7064 MOD 11-2."""
    born = 1880 <= int(number[6:10]) <= 2099 and is_date(int(number[10:12]), int(number[12:14]))
    return born and (1 - 2 * int(number[:17], 13)) % 11 == (10 if number[17:] == b"X" else number[17] - 0x30)


def jp_individual(number: bytes) -> bool:
    """My Number: weighted sum modulo 11, rests of 10 and 11 count as 0."""
    return -weighted(number[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11 % 10 == number[11] - 0x30


def kr_resident(number: bytes) -> bool:
    """Date, sex and century 1 to 8; numbers from October 2020 on have no check digit, so none is asked for."""
    return begins_with_year(number) and number[6] in b"12345678"


def za_identity(number: bytes) -> bool:
    """Date of birth, citizenship 0 or 1, Luhn."""
    return begins_with_year(number) and number[10] in b"012" and luhn(number)


def my_identity(number: bytes) -> bool:
    """Date of birth and a place code other than 00; no check digit."""
    return begins_with_year(number) and number[6:8] not in {b"00", b"17", b"18", b"19", b"20", b"69", b"70"}


def th_identity(number: bytes) -> bool:
    """Weights 13 to 2, modulo 11, modulo 10."""
    return (11 - weighted(number[:12], range(13, 1, -1)) % 11) % 10 == number[12] - 0x30


def sg_identity(number: bytes) -> bool:
    """S and T for residents, F, G and M for foreigners, each with its letters."""
    total = weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2)) + {b"T": 4, b"G": 4, b"M": 3}.get(number[:1], 0)
    if number[:1] in b"ST":
        return b"JZIHGFEDCBA"[total % 11] == number[8]
    if number[:1] == b"M":
        return b"XWUTRQPNJLK"[total % 11] == number[8]
    return b"XWUTRQPNMLK"[total % 11] == number[8]


def hk_identity(number: bytes) -> bool:
    """One or two letters counted from A as 10, a blank as 36; A stands for a check digit of ten."""
    values = [36] * (9 - len(number)) + [int(chr(character), 36) for character in number]
    return sum(value * (9 - place) for place, value in enumerate(values)) % 11 == 0


def tw_identity(number: bytes) -> bool:
    """The letter of the county counts as two digits."""
    county = b"ABCDEFGHJKLMNPQRSTUVXYWZIO".index(number[0]) + 10
    total = county // 10 + county % 10 * 9 + weighted(number[1:9], range(8, 0, -1)) + number[9] - 0x30
    return number[1] in b"1289" and total % 10 == 0


def ru_snils(number: bytes) -> bool:
    """Weights 9 to 1, modulo 101; 100 counts as 00."""
    return weighted(number[:9], range(9, 0, -1)) % 101 % 100 == int(number[9:])


def ru_inn(number: bytes) -> bool:
    """Two check digits, modulo 11 modulo 10."""
    tenth = weighted(number[:10], (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    return digits(number[10:]) == [tenth, weighted(number[:11], (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10]


def ua_tax(number: bytes) -> bool:
    """Weighted sum modulo 11 modulo 10, the first weight negative."""
    return weighted(number[:9], (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10 == number[9] - 0x30


def at_social_security(number: bytes) -> bool:
    """The fourth digit checks the others; a date follows, with months above 12 once the numbers of a day ran out."""
    return number[:1] != b"0" and weighted(number, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11 == number[3] - 0x30


def ch_social_security(number: bytes) -> bool:
    """756 in front and an EAN-13 check digit."""
    return weighted(number, (1, 3) * 6 + (1,)) % 10 == 0


def ec_identity(number: bytes) -> bool:
    """Province 01 to 24, 30 or 50, and a Luhn digit."""
    return (1 <= int(number[:2]) <= 24 or number[:2] in {b"30", b"50"}) and luhn(number)


def gr_tax(number: bytes) -> bool:
    """Powers of two from the right, modulo 11 modulo 10."""
    return anything(number) and weighted(number, (256, 128, 64, 32, 16, 8, 4, 2)) % 11 % 10 == number[8] - 0x30


def au_medicare(number: bytes) -> bool:
    """The ninth digit checks the first eight; a card's issue number follows."""
    return weighted(number, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == number[8] - 0x30
