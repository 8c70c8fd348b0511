"""Reading a program's options as getopt does: which words are options, their values, and what is left.

A spec is written as one text: first the letters, a colon behind those that take a value (`ab:c` is -a, -b VALUE, -c;
`-` for none, a semicolon where a value is only taken when attached), then long names, with `=` where they take a
value and `=?` where a value is only taken when attached.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from bastion.policy.fields import merge
from bastion.policy.understanding import Word, literal


@dataclass(frozen=True, slots=True)
class Spec:
    """The options a program takes. `words`: long names with a single dash, as `find` and Java programs have."""

    letters: frozenset[str]
    valued: frozenset[str]
    optional: frozenset[str]
    names: frozenset[str]
    valued_names: frozenset[str]


@lru_cache(maxsize=512)
def spec(text: str) -> Spec:
    """Return the spec that a line of text describes."""
    letters: set[str] = set()
    valued: set[str] = set()
    optional: set[str] = set()
    names: set[str] = set()
    valued_names: set[str] = set()
    for index, word in enumerate(text.split()):
        if index == 0:
            for place, char in enumerate(word):
                kind = {":": valued, ";": optional}.get(word[place + 1 : place + 2], letters)
                if char not in ":;-":
                    kind.add(char)
        elif word.endswith("="):
            valued_names.add(word[:-1])
        elif word:
            names.add(word.removesuffix("=?"))
    return Spec(frozenset(letters), frozenset(valued), frozenset(optional), frozenset(names), frozenset(valued_names))


@dataclass(slots=True)
class Options:
    """What was found: options with their values in order, what is left, and the word that could not be read."""

    found: list[tuple[str, Word | None]]
    rest: list[Word]
    unsure: Word | None = None

    def values(self, *names: str) -> list[Word]:
        """Return the values given to any of these options."""
        return [value for name, value in self.found if name in names and value is not None]

    def has(self, *names: str) -> bool:
        """Whether any of these options is given."""
        return any(name in names for name, _ in self.found)


def read(description: str, words: Sequence[Word], *, permute: bool = False) -> Options:
    """Read options from the front of `words`; with `permute`, options behind operands too."""
    known = spec(description)
    result = Options([], [])
    place = 0
    while place < len(words):
        word = words[place]
        text = word.text
        if text == "--":
            result.rest.extend(words[place + 1 :])
            return result
        if not may_be_option(word) or text == "-":
            if not permute:
                break
            result.rest.append(word)
            place += 1
            continue
        used = _option(known, word, words[place + 1 : place + 2], result)
        if used == 0:
            result.unsure = word
            break
        place += used
    result.rest.extend(words[place:])
    return result


def may_be_option(word: Word) -> bool:
    """Whether a word starts with a dash, or may do so."""
    first = word.parts[0] if word.parts else ""
    if isinstance(first, str):
        return first.startswith("-") or (word.many and not first)
    return first.hole.value in {"any", "number"} or word.many


def _option(known: Spec, word: Word, following: Sequence[Word], result: Options) -> int:
    """Read one option; return how many words it took, 0 where it cannot be read."""
    head = word.parts[0]
    if not isinstance(head, str) or word.many:
        return 0
    if head.startswith("--"):
        return _long(known, head, word, following, result)
    for place, char in enumerate(head[1:], start=1):
        if char in known.valued:
            attached = Word(merge((head[place + 1 :], *word.parts[1:])))
            if attached.parts:
                result.found.append((char, attached))
                return 1
            result.found.append((char, following[0] if following else None))
            return 2
        if char in known.optional:
            attached = Word(merge((head[place + 1 :], *word.parts[1:])))
            result.found.append((char, attached if attached.parts else None))
            return 1
        if char not in known.letters:
            return 0
        result.found.append((char, None))
    return 1 if len(word.parts) == 1 else 0


def _long(known: Spec, head: str, word: Word, following: Sequence[Word], result: Options) -> int:
    name, equals, value = head[2:].partition("=")
    full = complete(known, name)
    if full is None or (len(word.parts) > 1 and not equals):
        return 0
    if equals:
        result.found.append((full, Word(merge((value, *word.parts[1:])))))
        return 1
    if full in known.valued_names:
        result.found.append((full, following[0] if following else literal("")))
        return 2
    result.found.append((full, None))
    return 1


def complete(known: Spec, name: str) -> str | None:
    """Return the long option a name stands for, perhaps shortened; None if there is none or several that differ."""
    if name in known.names | known.valued_names:
        return name
    matches = [full for full in known.names | known.valued_names if full.startswith(name)]
    if len(matches) == 1 and name:
        return matches[0]
    return None
