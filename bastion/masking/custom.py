"""Detectors of one's own: numbers by layout, and lists of words that must not be shown (names of customers, projects).

Layouts are templates (see `shapes`), not regular expressions: what they match has a known length and is found in linear
time, so neither can run away. Words match in any ASCII case, where no letter or digit touches them. A detector is
checked when it is made; what would match nearly everything is refused with the reason.
"""

import re
from dataclasses import dataclass

from bastion.errors import ConfigError
from bastion.masking.engine import Trigger
from bastion.masking.rows import Probe, Row, Span
from bastion.masking.shapes import NUMBERS, anywhere, behind, layout, parts

_NAME = re.compile(r"[a-z][a-z0-9-]{1,30}")
_LONGEST = 48
_LEAST = 6  # characters of a layout that must be there
_WORD = (3, 64)  # least and most bytes of a word
_WORDS = 10_000
_TEMPLATE = re.compile(r"[0-9A-Za-z \-./()+_:~<>]|\[[^\]\[]+\]")
_COUNT = re.compile(r"\?|\{([0-9]{1,2})(?:,([0-9]{1,2}))?\}")


@dataclass(frozen=True, slots=True)
class CustomDetector:
    """One detector of the configuration. Its name is the kind of what it finds, and the tag: `[CUSTOMER-NO]`.

    `layouts` are templates such as `CU-999999`; they count anywhere, or behind one of `context` (plain words) if
    there are any. `words` are found as they stand.
    """

    name: str
    layouts: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def rows_of(detector: CustomDetector, taken: tuple[str, ...]) -> list[Row]:
    """Return the rows of a detector; `taken` are names that it can't have.

    Raises ConfigError where it would find nothing, or nearly everything.
    """
    where = f"masking.custom.{detector.name}"
    if _NAME.fullmatch(detector.name) is None or detector.name in taken:
        raise ConfigError(
            f"{where}: take another name: lower-case letters, digits and hyphens, not one of {', '.join(taken)}"
        )
    if not detector.layouts and not detector.words:
        raise ConfigError(f"{where}: has nothing to look for; write layouts or words")
    rows = []
    if detector.layouts:
        for template in detector.layouts:
            _check_layout(f"{where}.layouts", template)
        shapes = b"|".join(layout(template) for template in detector.layouts)
        spoken = "|".join(re.escape(word) for word in detector.context)
        probe = behind(spoken, shapes, _anything) if spoken else anywhere(shapes, _anything)
        rows.append(Row(detector.name, detector.name, (probe,), NUMBERS, (), ()))
    if detector.words:
        rows.append(_deny_list(where, detector))
    return rows


def _anything(number: bytes) -> bool:
    return bool(number)


def _check_layout(where: str, template: str) -> None:
    """Refuse a template that can't be read, has no bound, or is so short or open that it matches nearly everything."""
    least, most = 0, 0
    optional = 0
    for part in parts(template):
        atom = part if _TEMPLATE.fullmatch(part) else re.split(r"(?<=.)[?{]", part, maxsplit=1)[0]
        count = _COUNT.fullmatch(part[len(atom) :]) if len(part) > len(atom) else None
        if _TEMPLATE.fullmatch(atom) is None or (len(part) > len(atom) and count is None):
            raise ConfigError(
                f"{where}: {template!r} holds {part!r}, which is no part of a layout; see the list of signs"
            )
        optional += {"<": 1, ">": -1}.get(atom, 0)
        if atom in "<>":
            continue
        low, high = (
            (1, 1) if count is None else (0, 1) if part.endswith("?") else (int(count[1]), int(count[2] or count[1]))
        )
        most += 3 * high if atom in " ~-" else high
        least += 0 if optional or atom in " ~" else low
    if optional:
        raise ConfigError(f"{where}: {template!r} has '<' and '>' that don't belong together")
    if least < _LEAST:
        raise ConfigError(
            f"{where}: {template!r} would match nearly everywhere; at least {_LEAST} characters must be there"
        )
    if most > _LONGEST:
        raise ConfigError(
            f"{where}: {template!r} may be {most} bytes long; at most {_LONGEST} can be told from cut text"
        )


class _WordOpening:
    """The end of the text, where it begins like a word of the list. Nothing of it is shown before it is decided."""

    def __init__(self, words: frozenset[bytes]) -> None:
        self.limit = max(map(len, words)) + 1
        self.firsts = bytes(sorted({byte for word in words for byte in word[:1] + word[:1].upper()}))
        self._heads = frozenset(word[:length] for word in words for length in range(1, len(word) + 1))

    def start(self, text: bytes, end: int) -> int:
        """Return where the first word that may still come begins."""
        low = max(0, end - self.limit)
        tail = text[low:end].lower()
        for place in range(len(tail)):
            if tail[place:] in self._heads:
                return low + place
        return end

    def free(self, text: bytes, start: int) -> int:
        """Return the start: a word is hidden whole or not at all."""
        del text
        return start


def _deny_list(where: str, detector: CustomDetector) -> Row:
    words = frozenset(word.encode().lower() for word in detector.words)
    if len(words) > _WORDS:
        raise ConfigError(f"{where}.words: {len(words)} are too many; at most {_WORDS} are looked for")
    for word in words:
        if not _WORD[0] <= len(word) <= _WORD[1] or word.strip() != word or b"\n" in word:
            raise ConfigError(
                f"{where}.words: {word.decode()!r} must have {_WORD[0]} to {_WORD[1]} bytes, no blanks around"
            )
    lengths = sorted({len(word) for word in words}, reverse=True)

    def locate(text: bytes, hit: int) -> Span | None:
        for length in lengths:
            start = hit - length
            if start >= 0 and text[start:hit].lower() in words:
                apart = not text[max(0, start - 1) : start].isalnum() and not text[hit : hit + 1].isalnum()
                if apart:
                    return start, hit
        return None

    probes = tuple(
        Probe(Trigger(rb"(?i)(?:" + b"|".join(map(_literal, layer)) + rb")"), locate) for layer in _layers(words)
    )
    return Row(f"{detector.name}-words", detector.name, probes, _WordOpening(words), (), ())


def _layers(words: frozenset[bytes]) -> list[list[bytes]]:
    """Return the words in groups in which none begins another, so that every engine reports each of them."""
    layers: dict[int, list[bytes]] = {}
    for word in sorted(words):
        layers.setdefault(sum(word[:length] in words for length in range(1, len(word))), []).append(word)
    return list(layers.values())


def _literal(word: bytes) -> bytes:
    return b"".join(re.escape(bytes([byte])) if byte < 0x80 else b"\\x%02x" % byte for byte in word)
