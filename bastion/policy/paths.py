"""Paths as words of a command may spell them: `//`, `.`, `..`, a relative path, `~`, parts that are not known.

`spellings` returns every sequence of symbols (see `globs`) a word can stand for once it is normalised. A part that
can be any text may hold `/..`, so everything before it counts as unknown too. Symbolic links are not seen.
"""

import itertools
from collections.abc import Iterable, Sequence
from functools import lru_cache

from bastion.policy.fields import merge
from bastion.policy.globs import Item, Symbol, word_symbols
from bastion.policy.understanding import Hole, Part, Unknown, Word

MAX_SPELLINGS = 16

_HOMES: tuple[tuple[Part, ...], ...] = (("/root",), ("/home/", Unknown(Hole.STAR, "*")))


@lru_cache(maxsize=4096)
def spellings(word: Word, directories: tuple[Word, ...]) -> Sequence[tuple[Item, ...]]:
    """Return what a word can mean as a path, relative ones read in each of the directories as well."""
    results: dict[tuple[Item, ...], None] = {}
    for place, parts in enumerate(itertools.islice(_located(word, directories), MAX_SPELLINGS)):
        # a relative path is read in the directories known; without any, `..` may lead anywhere
        as_written = place == 0 and bool(directories)
        for choice in _parent_choices(parts):
            results[_normalise(choice, as_written=as_written)] = None
    return tuple(results)


def _located(word: Word, directories: Sequence[Word]) -> Iterable[tuple[Part, ...]]:
    """Yield a word with `~` and the working directory put in front where they apply."""
    parts = word.parts
    first = parts[0] if parts else ""
    if isinstance(first, Unknown) and first.hole is Hole.HOME:
        yield ("~", *parts[1:])
        for home in _HOMES:
            yield (*home, *parts[1:])
        return
    yield parts
    if isinstance(first, str) and first.startswith("/"):
        return
    for directory in directories:
        yield from _located(Word(merge((*directory.parts, "/", *parts))), ())


def _parent_choices(parts: Sequence[Part]) -> list[Sequence[Part]]:
    """Return the parts, and again with `.*` read as `..`, which older shells do."""
    for place, part in enumerate(parts[:-1]):
        following = parts[place + 1]
        if not isinstance(part, str) or part.rsplit("/", 1)[-1] != ".":
            continue
        if isinstance(following, Unknown) and following.hole in {Hole.STAR, Hole.ONE}:
            return [parts, [*parts[:place], part + ".", *parts[place + 2 :]]]
    return [parts]


def _normalise(parts: Sequence[Part], *, as_written: bool) -> tuple[Item, ...]:
    symbols = word_symbols(Word(tuple(parts)))
    if Symbol.STAR in symbols:
        last = len(symbols) - 1 - symbols[::-1].index(Symbol.STAR)
        return (Symbol.STAR, *_components(symbols[last + 1 :], rooted=False, open_start=True, widen=True))
    return tuple(_components(symbols, rooted=symbols[:1] == ("/",), open_start=False, widen=not as_written))


_WILD = frozenset({Symbol.STAR_NAME, Symbol.ONE_NAME})


def _components(symbols: Sequence[Item], *, rooted: bool, open_start: bool, widen: bool) -> Sequence[Item]:
    kept: list[tuple[Item, ...]] = []
    above = 0
    pieces = _split(symbols)
    named = [piece for piece in pieces if piece not in {(), (".",)}]
    if rooted and named and all(Symbol.STAR_NAME in piece and set(piece) <= _WILD for piece in named):
        return ("/", Symbol.STAR_NAME)  # everything below the root is as good as the root itself, `/?*` no less
    for place, piece in enumerate(pieces):
        if open_start and place == 0:
            kept.append(piece)  # glued to what is not known
        elif piece in {(), (".",)}:
            continue
        elif piece == (".", "."):
            if kept and kept[-1] != (".", ".") and not (open_start and len(kept) == 1):
                kept.pop()
            elif open_start:
                return ()
            elif not rooted and not widen:
                kept.append(piece)
            else:
                above += not rooted
        else:
            kept.append(_visible(piece))
    if above:
        # above a directory that is not known: could be anywhere
        return (Symbol.STAR, *_joined(kept, "/" if kept else ""))
    if rooted:
        return ("/", *_joined(kept, ""))
    return _joined(kept, "") or (() if open_start else (".",))


def _visible(piece: tuple[Item, ...]) -> tuple[Item, ...]:
    """Return a name with the pattern at its start read as the shell does: it stands for no hidden file, nor nothing."""
    if piece[0] is Symbol.BELOW:
        return (Symbol.ONE_NAME, *piece)
    if piece[0] is Symbol.ONE_NAME:
        return (Symbol.VISIBLE, *piece[1:])
    if piece[0] is Symbol.STAR_NAME and (len(piece) == 1 or piece[1] == "." or isinstance(piece[1], Symbol)):
        return (Symbol.VISIBLE, *piece)
    return piece


def _split(symbols: Sequence[Item]) -> list[tuple[Item, ...]]:
    pieces: list[tuple[Item, ...]] = []
    current: list[Item] = []
    for item in symbols:
        if item == "/":
            pieces.append(tuple(current))
            current = []
        else:
            current.append(item)
    pieces.append(tuple(current))
    return pieces


def _joined(pieces: Sequence[tuple[Item, ...]], start: str) -> tuple[Item, ...]:
    result: list[Item] = list(start)
    for place, piece in enumerate(pieces):
        result.extend("/" if place else "")
        result.extend(piece)
    return tuple(result)


def normal_pattern(pattern: str) -> str:
    """Return a rule's glob with its path normalised, as far as it is literal."""
    if "/" not in pattern:
        return pattern
    rooted = pattern.startswith("/")
    kept: list[str] = []
    for piece in pattern.split("/"):
        if piece == ".." and kept and "*" not in kept[-1] and kept[-1] != "..":
            kept.pop()
        elif piece not in {"", "."} and not (piece == ".." and rooted and not kept):
            kept.append(piece)
    return ("/" if rooted else "") + "/".join(kept) if kept or rooted else "."
