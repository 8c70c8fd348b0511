"""Finds telephone numbers.

International ones (`+49 30 123456`) count anywhere when their country code exists and their length can be; ranges
reserved for films or not given out yet count too. National ones count anywhere only in a layout that little else has;
any other number of seven to fifteen digits needs a word such as `phone`, `tel` or `mobil` before it.
"""

import re

from bastion.masking.engine import Trigger
from bastion.masking.rows import Numbers, Row
from bastion.masking.shapes import APART_LEFT, NUMBERS, anywhere, behind

_CODES = re.compile(
    rb"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    rb"|21[12368]|22[0-9]|23[0-9]|24[0-9]|25[0-8]|26[0-9]|29[01789]|35[0-9]|37[0-8]|38[0-35-79]|42[013]|50[0-9]|59[0-9]"
    rb"|67[02-9]|68[0-35-9]|69[0-2]|80[08]|85[02356]|87[08]|88[0-368]|96[0-8]|97[0-79]|99[2-68]"
)
_WORDS = (
    "(?:tele|cell|mobile )?phone(?:[ _-]?(?:number|no|nr))?|tel|telefon(?:o|e|nummer)?|teléfono|téléphone|telefoon"
    "|telefax|fax|mobil|mobiltelefon|mobile(?:[ _-]?(?:number|no))?|handy|handynummer|rufnummer|cell|celular"
    "|movil|móvil|gsm|cellulare|puhelin|puhelinnumero|puh|tlf|whatsapp|msisdn|telemóvel|telefonszám|komórka"
    "|телефон|тел|电话|手机|電話|携帯|전화"
)
_ZEROS = b"000000"  # so many in a row stand in dumps of memory
_AMIDST = rb"(?<![0-9a-f]{4} )(?<![0-9a-f]{4}: )"  # such a dump
_DIGIT = rb"(?:[0-9]|(?:[ .\-/()]|\xc2\xa0|\xe2\x80[\x90-\x95\xaf]){1,3}[0-9])"  # with what may stand before


def is_international(number: bytes) -> bool:
    """Return whether the digits begin with a country code and are a possible length behind it."""
    found = _CODES.match(number)
    if found is None:
        return False
    if number[:1] == b"1":  # North America: ten digits, the area code doesn't begin with 0 or 1
        return len(number) == 11 and number[1:2] not in b"01"
    return (9 if found.end() == 2 else 8) <= len(number) <= 15


def _is_escaped(number: bytes) -> bool:
    return is_international(number[2:])


def _is_dialled(number: bytes) -> bool:
    return is_international(number[2:]) and _ZEROS not in number


def _is_national(number: bytes) -> bool:
    return number.count(number[:1]) < len(number) and _ZEROS not in number


def _country(name: str, layout: str, *samples: str) -> Row:
    """Return the row of a country's own layouts (separated by commas) that count anywhere."""
    numbers = Numbers(tuple(layout.split(", ")), _is_national)
    return Row(name, "phone", (), NUMBERS, samples, (), f"anywhere as {layout}", numbers=numbers)


ROWS = (
    Row(
        name="international",
        kind="phone",
        probes=(
            anywhere(
                rb"\+[1-9]" + _DIGIT + rb"{6,14}",
                is_international,
                Trigger(rb"\+[1-9]" + _DIGIT + rb"{2}", width=22),
            ),
            anywhere(rb"(?<=%)2B[1-9][0-9]{6,14}", _is_escaped, Trigger(rb"%2B[1-9][0-9]{6}", width=10)),
            anywhere(
                _AMIDST + rb"00[1-9][0-9]{0,2}[ ./\-]" + _DIGIT + rb"{5,12}",
                _is_dialled,
                Trigger(APART_LEFT + rb"00[1-9][0-9]{0,2}[ ./\-]", width=7),
            ),
        ),
        opening=NUMBERS,
        samples=(
            "call <+49 30 12345678> now",
            "<+1 (555) 123-4567>",
            "tel:<+441632960123>",
            "<+33 6 39 98 12 34>,<+3934712345678>",
            "<+49 (0)30 / 1234567>",
            "<0049 30 1234567>",
            "To=%<2B12125550199>&x=%<2B493012345678>",
            "\u202a<+81\u201190\u20111234\u20115678>",
        ),
        near_misses=(
            "+1",
            "+2026-11-22",
            "a+4930123456",
            "+1 155 123 4567",
            "+999 123 456 789",
            "1+49301234567",
            "00 12 34",
            "0072020 0020 0000 1234 0012 9bca",
            "00000010: 0049 3012 3456 7890 0012 000f",
        ),
    ),
    Row(
        name="named",
        kind="phone",
        probes=(behind(_WORDS, rb"\(?[0-9]" + _DIGIT + rb"{6,14}", _is_national),),
        opening=NUMBERS,
        samples=(
            "Phone: <555 1234>",
            '"mobile_number": "<612345678>"',
            "tel. <(030) 1234567>",
            "tel. <(0 30) 1234567>",
            "Téléphone : <0142685300>",
            "fax | <22 12 34 56>",
            "handy=<01712345678>",
        ),
        near_misses=(
            "phone: 12345",
            "phones 0000000",
            "telling 5551234",
            "hotel 5551234",
            "phone: none, order 5551234",
            "root 5114 3.7 98765 43210 ?",
            "  345 1234567 words.txt",
            "138 4096 8192",
        ),
        context="behind a word such as phone, tel, mobil",
    ),
    _country(
        "us",
        "([2-9]99) [2-9]99-9999, ([2-9]99)[2-9]99-9999, [2-9]99-[2-9]99-9999, [2-9]99.[2-9]99.9999",
        "<(555) 234-4567>",
        "<212-555-0123>",
        "<415.555.2671>",
    ),
    _country("fr", "0[1-9] 99 99 99 99", "<01 42 68 53 00>", "<06.39.98.12.34>"),
    _country(
        "de",
        "0[1-9]9{1,4}/9{4,9}, (0[1-9]9{1,4}) 9{4,9}, 01[5-7]9 9{7,8}, 0[2-9]9{1,3} 9{6,8}",
        "<030/1234567>",
        "<(0221) 123456>",
        "<0171 2345678>",
        "<030 12345678>",
    ),
    _country(
        "gb",
        "07[1-9]99 999~999, 02[0-9] 9999 9999, (02[0-9]) 9999 9999, 01[1-9]99 999999, 01[1-9]9 999 9999",
        "<07700 900123>",
        "<020 7946 0123>",
        "<0161 496 0123>",
    ),
    _country("ch", "0[2-9]9 999 99 99", "<044 668 18 00>"),
    _country("at", "06[5-9]9 9{3,4} 9{3,5}, 06[5-9]9/9{7,9}", "<0664 123 4567>"),
    _country("nl", "06-9{8}, 06 9999 9999, 0[1-9]9-9{7}, 0[1-9]99-9{6}", "<06-12345678>", "<020-1234567>"),
    _country("be", "04[5-9]9 99 99 99, 04[5-9]9/99 99 99, 0[1-9]/999 99 99", "<0470 12 34 56>", "<02/123 45 67>"),
    _country("it", "3[2-9]9 999 9999, 0[26] 9999 9999", "<347 123 4567>", "<06 1234 5678>"),
    _country("es", "[679]99 99 99 99", "<612 34 56 78>"),
    _country("se", "0[1-9]9{0,2}-9{2,3} 99 99", "<070-123 45 67>", "<08-123 45 67>"),
    _country("fi", "0[45]9 9{3,4} 9{3,4}", "<040 123 4567>"),
    _country("au", "04[0-9]9 999 999, (0[2378]) 9999 9999, 0[2378] 9999 9999", "<0412 345 678>", "<(02) 5550 1234>"),
    _country("nz", "02[0-9] 9{3} 9{3,5}", "<021 123 4567>"),
    _country("br", "(99) <9>9999-9999", "<(11) 91234-5678>", "<(21) 2345-6789>"),
    _country("in", "0[6-9]9999 99999, 0[1-9]9-9999 9999, 0[1-9]9 9999 9999", "<098765 43210>", "<022-2345 6789>"),
    _country("jp", "0[789]0-9999-9999, 0[1-9]-9999-9999, 0[1-9]9-999-9999", "<090-1234-5678>", "<03-1234-5678>"),
    _country("kr", "01[016789]-9{3,4}-9999, 02-9{3,4}-9999", "<010-1234-5678>"),
    _country("cn", "1[3-9]9-9999-9999, 0[1-9]9{1,2}-9{7,8}", "<138-1234-5678>", "<010-12345678>"),
    _country("ru", "8 (9{3}) 999-99-99, 8-9{3}-999-99-99, (9{3}) 999-99-99", "<8 (495) 123-45-67>"),
    _country("tr", "0[2-5]99 999 99 99, (0[2-5]99) 999 99 99", "<0532 123 45 67>"),
    _country("za", "0[1-8]9 999 9999", "<082 123 4567>"),
    _country("il", "05[0-9]-9{7}, 05[0-9]-999-9999", "<050-1234567>"),
)
