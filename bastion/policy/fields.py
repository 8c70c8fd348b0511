"""From the pieces of an expanded word to the words a command gets: splitting, file name patterns, gluing together."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bastion.policy.understanding import Hole, Part, Unknown, Word

_GLOB = re.compile(r"[*?\[]")
_CLASS = re.compile(r"\[[!^]?\]?(?:\[:\w+:\]|[^\]])*\]")


# Characters of a private area, refused in texts, that stand for holes while code is parsed
_PLACEHOLDERS = {Hole.HOME: "\uf8ff", Hole.NUMBER: "\uf8fe"}
_GUESS = "\uf8fd"
_REVEALED: dict[str, Part] = {
    _GUESS: Unknown(Hole.ANY, "…"),
    "\uf8ff": Unknown(Hole.HOME, "~"),
    "\uf8fe": Unknown(Hole.NUMBER, "#"),
}
PLACEHOLDERS = frozenset(_REVEALED)
_REVEALING = re.compile("([\uf8fd\uf8fe\uf8ff])")


class Piece(NamedTuple):
    """A part of a word on its way; `part` None ends a word, as between the members of "$@"."""

    part: Part | None
    quoted: bool  # no file name pattern, and a word even when empty
    split: bool = False  # result of an unquoted expansion


BREAK = Piece(None, quoted=False)


class _Builder:
    """Glues pieces together to words."""

    def __init__(self, separators: str | None) -> None:
        self.words: list[Word] = []
        self._separators = separators
        self._current: list[tuple[Part, bool]] = []
        self._exists = False
        self._many = False

    def add(self, piece: Piece) -> None:
        if piece.part is None:
            self.finish()
        elif isinstance(piece.part, Unknown):
            self._current.append((piece.part, True))
            self._exists = True
            if piece.split and piece.part.hole in {Hole.ANY, Hole.STAR, Hole.NUMBERS}:
                self._many = True
        elif piece.split and piece.part:
            self._split(piece.part)
        else:
            self._text(piece.part, quoted=piece.quoted)

    def finish(self) -> None:
        if self._exists or self._current:
            self.words.append(Word(_patterns(self._current), self._many))
        self._current, self._exists, self._many = [], False, False

    def _text(self, text: str, *, quoted: bool) -> None:
        if text:
            self._current.append((text, quoted))
        self._exists = self._exists or quoted or bool(text)

    def _split(self, text: str) -> None:
        if self._separators is None:
            self._text(text, quoted=False)
            self._many = True
            return
        for kind, chunk in split(text, self._separators):
            if kind == "text":
                self._text(chunk, quoted=False)
            elif kind == "hard":
                self._exists = True
                self.finish()
            else:
                self.finish()


def split(text: str, separators: str) -> list[tuple[str, str]]:
    """Return text cut at separators: ("text", t), ("soft", "") for blanks, ("hard", "") for other separators."""
    if not separators:
        return [("text", text)]
    blank = "".join(char for char in separators if char in " \t\n")
    hard = "".join(char for char in separators if char not in " \t\n")
    choices = [f"(?P<text>[^{re.escape(separators)}]+)"]
    if hard:
        soft = f"[{re.escape(blank)}]*" if blank else ""
        choices.append(f"(?P<hard>{soft}[{re.escape(hard)}]{soft})")
    if blank:
        choices.append(f"(?P<soft>[{re.escape(blank)}]+)")
    return [
        (str(match.lastgroup), match[0] if match.lastgroup == "text" else "")
        for match in re.finditer("|".join(choices), text)
    ]


def assemble(pieces: Iterable[Piece], separators: str | None) -> list[Word]:
    """Return the words that pieces make; `separators` None: not known."""
    builder = _Builder(separators)
    for piece in pieces:
        builder.add(piece)
    builder.finish()
    return builder.words


def join_pieces(pieces: Iterable[Piece]) -> Word:
    """Return the one word that pieces make where nothing is split, as in an assignment."""
    return Word(merge(piece.part for piece in pieces if piece.part is not None))


def _patterns(items: Sequence[tuple[Part, bool]]) -> tuple[Part, ...]:
    """Return the parts of a word with unquoted `*`, `?` and `[...]` as holes."""
    if not any(isinstance(part, str) and not quoted and _GLOB.search(part) for part, quoted in items):
        return merge(part for part, _ in items)
    symbols: list[tuple[Part, bool]] = []
    for part, quoted in items:
        if isinstance(part, str):
            symbols.extend((char, quoted) for char in part)
        else:
            symbols.append((part, True))
    return merge(_holes(symbols))


def _holes(symbols: Sequence[tuple[Part, bool]]) -> Iterable[Part]:
    position = 0
    while position < len(symbols):
        part, quoted = symbols[position]
        end = position + 1
        if quoted or not isinstance(part, str):
            yield part
        elif part == "*":
            while end < len(symbols) and symbols[end] == ("*", False):
                end += 1
            # `**` crosses slashes once globstar is on
            yield Unknown(Hole.STAR, "*") if end == position + 1 else Unknown(Hole.ANY, "**")
        elif part == "?":
            yield Unknown(Hole.ONE, "?")
        elif part == "[" and (close := _close(symbols, position)) is not None:
            inside = [item for item, _ in symbols[position : close + 1]]
            hole = Hole.ONE if all(isinstance(item, str) for item in inside) else Hole.ANY
            yield Unknown(hole, "".join(item if isinstance(item, str) else item.shown for item in inside))
            end = close + 1
        else:
            yield part
        position = end


def _close(symbols: Sequence[tuple[Part, bool]], start: int) -> int | None:
    flat = "".join(part if isinstance(part, str) and not (quoted and part == "]") else "x" for part, quoted in symbols)
    match = _CLASS.match(flat, start)
    return match.end() - 1 if match else None


def as_code(word: Word) -> str | None:
    """Return a word as the text of code: homes and numbers, which hold nothing special, as placeholders."""
    if word.many:
        return None
    texts = [part if isinstance(part, str) else _PLACEHOLDERS.get(part.hole) for part in word.parts]
    return None if None in texts else "".join(text for text in texts if text is not None)


def as_guess(word: Word) -> str | None:
    """Return code of which parts are not known, with placeholders for them, to see what it runs beside them."""
    if word.many or not any(isinstance(part, str) and part.strip() for part in word.parts):
        return None
    return "".join(part if isinstance(part, str) else _PLACEHOLDERS.get(part.hole, _GUESS) for part in word.parts)


def _revealed(parts: Iterable[Part]) -> Iterable[Part]:
    """Yield parts with the placeholders of `as_code` as holes again."""
    for part in parts:
        if isinstance(part, str) and not PLACEHOLDERS.isdisjoint(part):
            for piece in _REVEALING.split(part):
                yield _REVEALED.get(piece, piece)
        else:
            yield part


def merge(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Return parts with neighbouring texts joined."""
    merged: list[Part] = []
    for part in _revealed(parts):
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return tuple(merged)
