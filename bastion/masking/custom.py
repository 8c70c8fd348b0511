"""Detectors of one's own: values by a pattern, and lists of words that must not be shown (customers, projects).

Patterns are regular expressions that `expressions` accepts: of a bounded length, in linear time. A value is not touched
by letters or digits. Words match in any ASCII case, where no letter or digit touches them. What would match nearly
everything is refused with the reason, when the configuration is read.
"""

import re
from collections.abc import Callable

import re2

from bastion.config.schema import CustomDetector
from bastion.errors import ConfigError
from bastion.masking.engine import Trigger
from bastion.masking.expressions import Expression, ExpressionError, read
from bastion.masking.rows import Probe, Row, RunOpening, Span

_NAME = re.compile(r"[a-z][a-z0-9-]{1,30}")
_WORD = (3, 64)  # least and most bytes of a word
_WORDS = 10_000
_CONTEXTS = 50
_FIELD = bytes(set(range(256)) - set(b"0123456789\n,;{}[]*"))  # what may stand between a context word and a value
_CONTEXT_REACH = 72
_NEAR = 30
_EDGE = bytes(set(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))


def findings(detector: CustomDetector, taken: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return what is wrong with a detector, as (key, finding); an empty key is the detector itself.

    `taken` are names that it can't have.
    """
    found = []
    if _NAME.fullmatch(detector.name) is None or detector.name in taken:
        names = ", ".join(taken)
        found.append(("", f"take another name: lower-case letters, digits and hyphens, not one of {names}"))
    if not detector.patterns and not detector.words:
        found.append(("", "has nothing to look for; write patterns or words"))
    for pattern in detector.patterns:
        try:
            read(pattern, in_context=bool(detector.context))
        except ExpressionError as error:
            found.append(("patterns", f"{pattern!r} {error}"))
    if len(detector.context) > _CONTEXTS or any(len(word) < 2 for word in detector.context):
        found.append(("context", f"must be at most {_CONTEXTS} words of two letters or more"))
    if len(detector.words) > _WORDS:
        found.append(("words", f"{len(detector.words)} are too many; at most {_WORDS} are looked for"))
    for word in detector.words:
        if not _WORD[0] <= len(word.encode()) <= _WORD[1] or word.strip() != word or not word.isprintable():
            low, high = _WORD
            found.append(("words", f"{word!r} must have {low} to {high} bytes, no blanks around"))
    return found


def rows_of(detector: CustomDetector, taken: tuple[str, ...]) -> list[Row]:
    """Return the rows of a detector. Raises ConfigError where it would find nothing, or nearly everything."""
    where = f"masking.custom.{detector.name}"
    if wrong := findings(detector, taken):
        raise ConfigError("\n".join(f"{where}{f'.{key}' if key else ''}: {finding}" for key, finding in wrong))
    rows = []
    for number, pattern in enumerate(detector.patterns):
        expression = read(pattern, in_context=bool(detector.context))
        rows.append(_pattern(f"{detector.name}-{number}", detector, expression))
    if detector.words:
        rows.append(_deny_list(detector))
    return rows


def _pattern(name: str, detector: CustomDetector, expression: Expression) -> Row:
    body, firsts = bytes(sorted(expression.body)), bytes(sorted(expression.firsts))
    opening = RunOpening(body, firsts, expression.most + 2)
    probe = Probe(Trigger(expression.source), _locator(expression, _speaker(detector.context)))
    spoken = f"behind a word such as {detector.context[0]}" if detector.context else ""
    return Row(name, detector.name, (probe,), opening, (), (), spoken)


def _locator(expression: Expression, spoken: Callable[[bytes, int], bool]) -> Callable[[bytes, int], Span | None]:
    """Return what finds the longest value that ends at a hit or behind it, whichever end an engine reports."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.longest_match = True
    whole = re2.compile(expression.source, options)
    until = re2.compile(b"(?:" + expression.source + rb")\z", options)

    def locate(text: bytes, hit: int) -> Span | None:
        low = max(0, hit - expression.most)
        while (found := until.search(text[low:hit])) is not None:
            start = low + found.start()
            if not _touched(text, start) and spoken(text, start):
                for end in range(start + whole.match(text[start : start + expression.most]).end(), start, -1):
                    if not _touched(text, end) and whole.fullmatch(text[start:end]) is not None:
                        return start, end
            low = start + 1
        return None

    return locate


def _touched(text: bytes, place: int) -> bool:
    """Return whether letters or digits stand on both sides of a place."""
    return 0 < place < len(text) and text[place - 1] in _EDGE and text[place] in _EDGE


def _speaker(context: tuple[str, ...]) -> Callable[[bytes, int], bool]:
    """Return what tells whether one of the words stands before a place, in the same field; true without words."""
    if not context:
        return lambda _text, _start: True
    words = "|".join(re.escape(word) for word in context).encode()
    word = re.compile(rb"(?<![A-Za-z])(?i:" + words + rb")(?![a-z])[^0-9\n,;{}\[\]*]{0,%d}\Z" % _NEAR)

    def spoken(text: bytes, start: int) -> bool:
        low = max(0, start - _CONTEXT_REACH)
        low += len(text[low:start].rstrip(_FIELD))
        return word.search(text, low, start) is not None

    return spoken


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


def _deny_list(detector: CustomDetector) -> Row:
    words = frozenset(word.encode().lower() for word in detector.words)
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
