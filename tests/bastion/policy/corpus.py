"""Reads the corpora of command lines, and compares what was foreseen with what ran."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bastion.policy.globs import Symbol, can_meet, word_symbols
from bastion.policy.understanding import Command, Hole, Unknown, Word
from tests.bastion.policy.sandbox import HOME

FOLDER = Path(__file__).parents[2] / "corpus" / "commands"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line (or several) and the opaque reasons it must give."""

    place: str
    text: str
    reasons: frozenset[str]


def entries(name: str) -> Iterator[Entry]:
    """Yield the entries of a file: `%% reasons`, then the text; lines of `##` are comments."""
    text: list[str] = []
    reasons: list[str] | None = None
    start = 0
    for number, line in enumerate((FOLDER / name).read_text().split("\n"), 1):
        if line.startswith("%%"):
            if reasons is not None:
                yield Entry(f"{name}:{start}", "\n".join(text), frozenset(reasons))
            text, reasons, start = [], line[2:].split(), number + 1
        elif not line.startswith("##"):
            text.append(line)
    if reasons is not None:
        yield Entry(f"{name}:{start}", "\n".join(text).rstrip("\n"), frozenset(reasons))


def covers(command: Command, run: Sequence[str]) -> bool:
    """Whether a command foreseen may have been this run: same program, words that fit."""
    name = command.argv[0].text
    if name is not None and name.rsplit("/", 1)[-1] != run[0]:
        return False
    return _fits(command.argv[1:], run[1:])


def _fits(words: Sequence[Word], texts: Sequence[str]) -> bool:
    places = {0}
    for word in words:
        several = word.many or any(
            isinstance(part, Unknown) and part.hole in {Hole.STAR, Hole.ONE} for part in word.parts
        )
        following: set[int] = set()
        for place in places:
            if several:
                following.update(range(place, len(texts) + 1))
            elif place < len(texts) and can_meet(_symbols(word), tuple(texts[place])):
                following.add(place + 1)
        places = following
    return len(texts) in places


def _symbols(word: Word) -> tuple[str | Symbol, ...]:
    parts: list[str | Unknown] = []
    for part in word.parts:
        home = isinstance(part, Unknown) and part.hole is Hole.HOME
        parts.append(HOME if home else part)
    return word_symbols(Word(tuple(parts)))


def exact(command: Command) -> list[str] | None:
    """Return the run that a command stands for, if all of it is known."""
    words = [
        Word(tuple(HOME if isinstance(p, Unknown) and p.hole is Hole.HOME else p for p in w.parts), w.many)
        for w in command.argv
    ]
    texts = [word.text for word in words]
    if None in texts:
        return None
    known = [text for text in texts if text is not None]
    return [known[0].rsplit("/", 1)[-1], *known[1:]]
