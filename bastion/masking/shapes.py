"""Numbers by their layout: from templates such as `999-99-9999` to triggers and patterns.

In a template `9` is a digit, `A` a capital letter, `X` a digit or capital letter, a space one separator (space, hyphen,
dot, or their typographic forms), `~` an optional separator, `-` a hyphen, and what stands between `<` and `>` may be
missing; `[..]` and `{..}` are as in patterns, all else stands for itself. A number never touches a letter or digit, nor
a hyphen or dot with a digit behind it.

Some layouts prove a number by themselves, with its check digits; others count only behind a word that names them
(`BSN: 111222333`), not more than thirty characters away and in the same field.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase, digits

from bastion.masking.checksums import Check
from bastion.masking.engine import Trigger
from bastion.masking.rows import Numbers, Probe, Row, Span

_LETTERS = ascii_uppercase.encode()
_DIGITS = digits.encode()

SEPARATOR = rb"(?:[ .\-]|\xc2\xa0|\xe2\x80[\x90-\x95\xaf])"
BLANK = SEPARATOR.replace(b" .", b" ")
HYPHEN = rb"(?:-|\xe2\x80[\x90-\x95])"
_ATOMS = {
    "9": rb"[0-9]",
    "A": rb"[A-Z]",
    "X": rb"[0-9A-Z]",
    " ": SEPARATOR,
    "~": SEPARATOR[:-1] + rb"|)",
    "-": HYPHEN,
    ".": rb"\.",
    "(": rb"\(",
    ")": rb"\)",
    "<": rb"(?:",
    ">": rb")?",
    "+": rb"\+",
}
LEFT = rb"(?<![0-9A-Za-z])(?<![0-9][\-.])"
RIGHT = rb"(?![0-9A-Za-z])(?![\-.][0-9])"
APART_LEFT = rb"(?:^|[^0-9A-Za-z])"
APART_RIGHT = rb"(?:[^0-9A-Za-z]|$)"

_FILLER = rb"[^0-9\n,;{}\[\]*]{0,30}"
_WORD_LEFT = rb"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
_WORD_RIGHT = rb"(?![a-z])"
_WORD_REACH = 72
_SPOKEN = bytes(set(range(256)) - set(b"0123456789\n,;{}[]*"))
_LONGEST = 160  # bytes of a number with separators of three bytes
_LEAD = 3  # capital letters, or a bracket, that may stand before the first digit of a number found by its word
_LEADS = _LETTERS + b"("
_LONGER_FILLER = _FILLER.replace(b"30", b"%d" % (30 + _LEAD))


@dataclass(frozen=True, slots=True)
class NumberOpening:
    """The run of digits, capital letters and separators at the end. Four digits of it may be shown."""

    limit: int = 64
    firsts: bytes = _DIGITS + _LETTERS + b"+("

    def start(self, text: bytes, end: int) -> int:
        """Return where the run at the end may begin a number."""
        tail = text[max(0, end - self.limit) : end]
        return end - len(tail[len(tail.rstrip(_BODY)) :].lstrip(_BETWEEN))

    def free(self, text: bytes, start: int) -> int:
        """Return the position of the fifth digit."""
        found = _FIVE_DIGITS.match(text, start)
        return len(text) if found is None else found.end() - 1


_BETWEEN = b" .-/)" + bytes([0xC2, 0xA0, 0xE2, 0x80, 0xAF, *range(0x90, 0x96)])
_BESIDE = b"+(" + _BETWEEN
_BODY = _DIGITS + _LETTERS + _BESIDE
_FIVE_DIGITS = re.compile(rb"(?:[^0-9]*[0-9]){5}")
NUMBERS = NumberOpening()


def compact(value: bytes) -> bytes:
    """Return the letters and digits of a number alone."""
    return value.translate(None, _BESIDE)


def parts(template: str) -> list[str]:
    """Return the parts of a template: characters and classes, with what repeats them."""
    return re.findall(r"(?:\[[^]]*\]|.)(?:\{[0-9,]+\}|\?)?", template)


def layout(template: str) -> bytes:
    """Return the pattern of a template."""
    out = []
    for part in parts(template):
        atom = part if part[0] == "[" else part[0]
        out.append(_ATOMS[atom] + part[1:].encode() if atom in _ATOMS else part.encode())
    return b"".join(out)


def layouts(templates: Iterable[str]) -> bytes:
    """Return the pattern of several templates."""
    return b"|".join(layout(template) for template in templates)


def anywhere(shapes: bytes, check: Check, trigger: Trigger | None = None) -> Probe:
    """Return a probe for numbers of these shapes (a pattern) that pass the check.

    `trigger` finds where they begin, where a short one is enough; the byte before may belong to it.
    """
    whole = Trigger(APART_LEFT + rb"(?:" + shapes + rb")" + APART_RIGHT, width=_LONGEST)
    return Probe(trigger or whole, _either(re.compile(LEFT + rb"(?:" + shapes + rb")" + RIGHT), check))


def behind(words: str, shapes: bytes, check: Check) -> Probe:
    """Return a probe for numbers of these shapes behind one of the words (a pattern's alternatives, in any case)."""
    number = re.compile(LEFT + rb"(?:" + shapes + rb")" + RIGHT)
    spoken = words.encode()
    context = re.compile(_WORD_LEFT + rb"(?i:" + spoken + rb")" + _WORD_RIGHT + _FILLER + rb"\Z")

    def locate(text: bytes, hit: int) -> Span | None:
        lead = text[hit - 1 - _LEAD if hit > _LEAD else 0 : hit - 1]
        for start in range(hit - 1 - len(lead) + len(lead.rstrip(_LEADS)), hit):
            found = number.match(text, start)
            if found is not None and check(compact(found[0])):
                low = start - _WORD_REACH if start > _WORD_REACH else 0
                low += len(text[low:start].rstrip(_SPOKEN))
                if context.search(text, low, start) is not None:
                    return found.span()
        return None

    return Probe(Trigger(rb"(?i)(?:" + spoken + rb")" + _LONGER_FILLER + rb"[0-9]"), locate)


def identifier(
    name: str,
    check: Check,
    *,
    plain: Sequence[str] = (),
    words: str = "",
    named: Sequence[str] = (),
    samples: tuple[str, ...],
    near_misses: tuple[str, ...] = (),
) -> Row:
    """Return the row of a national identifier: layouts that count anywhere, and layouts that need one of the words."""
    probes = (behind(words, layouts((*named, *plain)), check),) if words else ()
    numbers = Numbers(tuple(plain), check) if plain else None
    context = f"anywhere as {', '.join(plain)}" if plain else ""
    if words:
        context += f"{'; ' if context else ''}behind a word such as {words.split('|', maxsplit=1)[0]}"
    return Row(name, "national-id", probes, NUMBERS, samples, near_misses, context, numbers=numbers)


def _either(pattern: re.Pattern[bytes], check: Check) -> Callable[[bytes, int], Span | None]:
    """Return a function that matches at a hit or, since the trigger takes in the byte before, one byte behind it."""

    def locate(text: bytes, hit: int) -> Span | None:
        found = pattern.match(text, hit) or pattern.match(text, hit + 1)
        return found.span() if found is not None and check(compact(found[0])) else None

    return locate
