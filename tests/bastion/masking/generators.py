"""Texts for property tests: values of all detectors, whole, cut, glued and with terminal sequences inside."""

import itertools
import os
import re
from pathlib import Path

from hypothesis import strategies as st

from bastion.masking.detectors import ROWS
from bastion.masking.masker import DETECTORS, finder_for
from bastion.masking.stream import StreamMasker
from bastion.masking.styles import FixedStyle, GeneralStyle, PartialStyle, PseudonymStyle, Style, TagStyle

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"

# Regions whose example numbers phonenumbers gives
REGIONS = [
    "US",
    "GB",
    "DE",
    "FR",
    "ES",
    "IT",
    "NL",
    "BE",
    "CH",
    "AT",
    "SE",
    "NO",
    "DK",
    "FI",
    "PL",
    "PT",
    "BR",
    "IN",
    "JP",
    "KR",
    "CN",
    "RU",
    "TR",
    "ZA",
    "AU",
    "NZ",
    "IL",
    "MX",
]

ELEMENTS = [
    b"<password>~hunter2~</password>",
    b"<db:Password>~two words~</db:Password>",
    b'<property name="password">~hunter22~</property>',
    b'<add key="ApiKey" value="~hunter22~"/>',
    b'<user name="x" password="~hunter2~"/>',
    b"<api_key type='x'>~hunter2~</api_key>",
    b'<entry key="db.password">~hunter22~</entry>',
]
"""Secrets in XML between tildes; samples, which have their values between angle brackets, can't be."""
VALUES = [re.sub("[<>]", "", sample).encode() for row in ROWS for sample in row.samples]
VALUES += [element.replace(b"~", b"") for element in ELEMENTS]
VALUES += [near_miss.encode() for row in ROWS for near_miss in row.near_misses]
VALUES += [
    b"john.doe@example.com",
    b"a@b.io",
    b"x" * 70 + b"@long.example",
    b"4111 1111 1111 1111",
    b"+49 30 1234567",
] * 20

PLAIN_GLUE = [
    *(bytes([byte]) for byte in b" \n\t,@.-'\"=:;/()[]{}|_+x7A*"),
    b"\r\n",
    b" - ",
    b"[EMAIL]",
    b"ssn ",
    b"tel: ",
    b"2026-11-22 ",
    "é".encode(),
    "联".encode(),
    b"\xc3",
    b"\xbc",
    b"\xff",
    b"\xc2\xa0",
    b"a" * 300,
    b"12 " * 40,
    b"::",
    b"password=",
]
ESCAPES = [
    b"\x08",
    b"\x08\x08",
    b"_\x08",
    b"\x1b[31m",
    b"\x1b[K",
    b"\x1b[C",
    b"\x1b[2J",
    b"\x1b",
    b"\x1b]0;t",
    b"\x07",
    b"\x1b\\",
    b"\x1b]8;;mailto:a@b.io",
    b"\0",
    b"\0a\0",
    b"\0" * 9,
    b"\x80\x07",
    b"\x1b]52;c;",
    b"\x1b[01;31m\x1b[K",
    b"\x1b[m",
    b"\x0e",
    b"\x1b(B",
]


@st.composite
def texts(draw: st.DrawFn, *, escapes: bool = True) -> bytes:
    """Return up to eight values and separators in a row."""
    glue = st.sampled_from(PLAIN_GLUE + ESCAPES if escapes else PLAIN_GLUE)
    values = st.sampled_from(VALUES)
    parts: list[bytes] = []
    for _ in range(draw(st.integers(1, 8))):
        what = draw(st.integers(0, 6))
        if what == 0:
            value = draw(values)
            low = draw(st.integers(0, len(value)))
            parts.append(value[low : draw(st.integers(low, len(value)))])
        elif what == 1:
            value = draw(values)
            cut = draw(st.integers(0, len(value)))
            parts += [value[:cut], draw(glue), value[cut:]]
        elif what == 2:
            value = draw(values)
            parts.append(draw(glue).join(value[place : place + 1] for place in range(len(value))))
        elif what == 3:
            parts.append(draw(values))
        else:
            parts.append(draw(glue))
    return b"".join(parts)


def new_masker(style: Style | None = None, *, interactive: bool = False, engine: str = "hyperscan") -> StreamMasker:
    """Return a masker with all detectors."""
    return StreamMasker(finder_for(DETECTORS, engine), style or TagStyle(), interactive=interactive)


def mask(text: bytes, cuts: list[int] | None = None, style: Style | None = None, *, engine: str = "hyperscan") -> bytes:
    """Return the masked text, fed in pieces cut at the positions (modulo its length)."""
    masker = new_masker(style, engine=engine)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts or []), len(text)]
    return b"".join(masker.feed(text[low:high]) for low, high in itertools.pairwise(edges)) + masker.end()


STYLES: list[Style] = [TagStyle(), FixedStyle(), PartialStyle(), GeneralStyle(), PseudonymStyle(b"k" * 32)]

CORPUS_NEGATIVES = (Path(__file__).parents[2] / "corpus" / "masking" / "negatives.txt").read_bytes()
