"""Comparing a command pattern with the commands that would run.

Two questions are told apart. `may`: could the command be what the pattern describes? What is not known counts as yes;
rules that deny or ask use it. `must`: is it that for certain? Rules that allow use it, and then a file the command
writes by redirection must be named by the pattern too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bastion.policy.catalog import Program, program
from bastion.policy.globs import Item, Symbol, can_meet, word_symbols
from bastion.policy.paths import spellings
from bastion.policy.patterns import CommandPattern, OperandPattern, OptionPattern, Stage
from bastion.policy.understanding import Command, Hole, Unknown, Word

_HARMLESS_FILES = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"})


@dataclass(slots=True)
class _Arguments:
    """A command's arguments as the program would sort them.

    `either` are places in `operands` that may be options instead; `wild`: something may be any option; `many`:
    something may be any number of words. `sure` tells that the first operand is surely the subcommand.
    """

    letters: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    values: list[tuple[str, Word]] = field(default_factory=list)
    operands: list[Word] = field(default_factory=list)
    either: list[int] = field(default_factory=list)
    wild: bool = False
    many: bool = False
    sure: bool = True


def matches(pattern: CommandPattern, commands: Sequence[Command], *, certain: bool) -> set[int]:
    """Return the indices of the commands that a pattern covers; empty where it does not match."""
    found = _stage_matches(pattern.stages[0], commands, certain=certain)
    covered = set(found)
    for stage in pattern.stages[1:]:
        if not found:
            return set()
        behind = _stage_matches(stage, commands, certain=certain)
        reached = {index: _reachable(index, commands) & behind for index in found}
        covered |= {reader for readers in reached.values() for reader in readers}
        covered -= {index for index, readers in reached.items() if not readers}
        found = {reader for readers in reached.values() for reader in readers}
    return covered if found else set()


def _reachable(start: int, commands: Sequence[Command]) -> set[int]:
    seen: set[int] = set()
    queue = list(commands[start].feeds)
    while queue:
        index = queue.pop()
        if index not in seen:
            seen.add(index)
            queue.extend(commands[index].feeds)
    return seen


def _stage_matches(stage: Stage, commands: Sequence[Command], *, certain: bool) -> set[int]:
    return {index for index, command in enumerate(commands) if _matches(stage, command, certain=certain)}


def _matches(stage: Stage, command: Command, *, certain: bool) -> bool:
    if not command.argv or not _program(stage, command, certain=certain):
        return False
    if not _files(stage, command, certain=certain):
        return False
    if not stage.options and all(operand.rest for operand in stage.operands):
        return True
    known = program((command.argv[0].text or "").rsplit("/", 1)[-1])
    arguments = _sorted(command, known)
    missing = [option for option in stage.options if not _has(option, arguments, known, command, certain=certain)]
    if missing and (certain or not _may_supply(missing, arguments)):
        return False
    return _operands(stage, command, arguments, known, missing=bool(missing), certain=certain)


def _may_supply(missing: Sequence[OptionPattern], found: _Arguments) -> bool:
    """Whether words that are not known may be the missing options: letters share one word, others need one each."""
    if found.wild or found.many:
        return True
    words = [option.text for option in missing]
    letters = any(not word.startswith("--") and word[1:].isalpha() for word in words)
    others = sum(1 for word in words if word.startswith("--") or not word[1:].isalpha())
    return len(found.either) >= others + letters


def _program(stage: Stage, command: Command, *, certain: bool) -> bool:
    if stage.program is None:
        return True
    word = command.argv[0]
    text = word.text
    if text is None:
        if certain:
            return False
        spelled = spellings(word, command.cwd) if stage.by_path else [_base(word_symbols(word))]
        return any(can_meet(stage.program, symbols) for symbols in spelled)
    base = text.rsplit("/", 1)[-1]
    if not stage.by_path:
        return can_meet(stage.program, tuple(base))
    if "/" in text:
        return any(_accepts(stage.program, symbols, certain=certain) for symbols in spellings(word, command.cwd))
    return not certain and can_meet(_base(stage.program), tuple(base))


def _base(symbols: Sequence[Item]) -> tuple[Item, ...]:
    """Return what stands behind the last slash."""
    if "/" not in symbols:
        return tuple(symbols)
    last = len(symbols) - 1 - list(symbols)[::-1].index("/")
    if Symbol.STAR in symbols[last:]:
        return (Symbol.STAR, *symbols[last + 1 :])
    return tuple(symbols[last + 1 :])


def _accepts(glob: Sequence[Item], symbols: Sequence[Item], *, certain: bool) -> bool:
    """Whether a glob and a word can meet; with `certain`, whether the glob takes all that the word can be."""
    if not certain:
        return can_meet(glob, symbols)
    if any(isinstance(item, Symbol) for item in symbols):
        return _includes(glob, symbols)
    return can_meet(glob, symbols)


def _includes(glob: Sequence[Item], symbols: Sequence[Item]) -> bool:
    """Whether the glob surely takes every text of the word: its holes must fall into `*`."""
    places = {0}
    for item in symbols:
        places = _skip_stars(places, glob)
        if isinstance(item, Symbol):
            places = {place for place in places if place < len(glob) and glob[place] is Symbol.STAR}
        else:
            places = {place for place in places if place < len(glob) and glob[place] is Symbol.STAR} | {
                place + 1
                for place in places
                if place < len(glob) and glob[place] is not Symbol.STAR and can_meet((glob[place],), (item,))
            }
    return len(glob) in _skip_stars(places, glob)


def _skip_stars(places: set[int], glob: Sequence[Item]) -> set[int]:
    result = set(places)
    for start in places:
        place = start
        while place < len(glob) and glob[place] is Symbol.STAR:
            place += 1
            result.add(place)
    return result


def _files(stage: Stage, command: Command, *, certain: bool) -> bool:
    """Whether the redirections fit: each one named is there; with `certain`, each one that writes is named."""
    for wanted in stage.files:
        if not any(
            item.writes == wanted.writes and _path_fits(wanted.glob, item.target, command, certain=certain)
            for item in command.redirections
        ):
            return False
    if not certain:
        return True
    return all(
        not item.writes
        or item.target.text in _HARMLESS_FILES
        or any(wanted.writes and _path_fits(wanted.glob, item.target, command, certain=True) for wanted in stage.files)
        for item in command.redirections
    )


def _path_fits(glob: Sequence[Item], word: Word, command: Command, *, certain: bool) -> bool:
    if word.many and certain:
        return False
    forms = spellings(word, command.cwd)
    if certain:
        absolute = [form for form in forms if form[:1] == ("/",)] or forms
        return bool(forms) and all(_accepts(glob, form, certain=True) for form in absolute)
    return (word.many and not _is_tame(word)) or any(can_meet(glob, form) for form in forms)


def _sorted(command: Command, known: Program | None) -> _Arguments:
    """Sort arguments into options and operands, the way getopt with permutation does."""
    result = _Arguments()
    words = command.argv[1:]
    place, only_operands = 0, False
    while place < len(words):
        word = words[place]
        text = word.text
        place += 1
        if only_operands or (text is not None and (not text.startswith("-") or text == "-")):
            result.operands.append(word)
        elif text == "--":
            only_operands = True
        elif text is not None:
            place += _option(text, words[place : place + 1], known, result)
        else:
            _uncertain(word, result)
    result.operands.extend(item.target for item in command.redirections if not item.writes)
    return result


def _uncertain(word: Word, result: _Arguments) -> None:
    first = word.parts[0] if word.parts else ""
    if word.many:
        result.many = result.many or not (_is_name(word) or _is_tame(word))
        result.operands.append(word)
    elif isinstance(first, str) and first.startswith("-"):
        name, equals, value = first.partition("=")
        if equals:
            result.values.append((name.lstrip("-"), Word((*((value,) if value else ()), *word.parts[1:]))))
            result.names.add(name.lstrip("-"))
        else:
            result.wild = True
            if not first.startswith("--"):
                result.letters.update(first[1:])
        return
    else:
        if isinstance(first, Unknown) and first.hole in {Hole.ANY, Hole.NUMBER}:
            result.either.append(len(result.operands))
        result.operands.append(word)
    if not result.operands[:-1] and (word.many or result.either):
        result.sure = False


def _is_tame(word: Word) -> bool:
    """Whether words of many are all of the form written: numbers, or paths below a directory."""
    return not any(isinstance(part, Unknown) and part.hole in {Hole.ANY, Hole.STAR, Hole.ONE} for part in word.parts)


def _is_name(word: Word) -> bool:
    """Whether a word of many can hold neither slashes nor options, as the value of a file name pattern."""
    return all(
        "/" not in part if isinstance(part, str) else part.hole in {Hole.STAR, Hole.ONE} for part in word.parts
    ) and not isinstance(word.parts[0] if word.parts else "", str)


def _option(text: str, following: Sequence[Word], known: Program | None, result: _Arguments) -> int:
    name, equals, value = text.lstrip("-").partition("=")
    result.whole.add(text.partition("=")[0])
    if equals:
        result.values.append((name, Word((value,) if value else ())))
    elif following:
        result.values.append((name, following[0]))
    long = text.startswith("--") or (known is not None and known.words)
    if long:
        result.names.add(name)
    else:
        result.letters.update(text[1:])
        for place, letter in enumerate(text[1:], start=1):
            if text[place + 1 :]:
                result.values.append((letter, Word((text[place + 1 :],))))
    if known is None or not known.verbs or result.operands:
        return 0
    takes = name in known.values or (not long and text[-1] in known.values)
    if not takes and name not in known.known and not (not long and set(text[1:]) <= known.known):
        result.sure = result.sure and bool(equals)
    return 1 if takes and not equals and following else 0


def _canonical(name: str, known: Program | None) -> set[str]:
    """Return what an option may stand for: other spellings, and the long names it may be short for."""
    if known is None:
        return {name}
    if name in known.synonyms:
        return {known.synonyms[name]}
    if len(name) > 1 or name not in known.known:
        full = {known.synonyms.get(other, other) for other in known.known if len(other) > 1 and other.startswith(name)}
        if full:
            return full | {name}
    return {name}


def _has(option: OptionPattern, found: _Arguments, known: Program | None, command: Command, *, certain: bool) -> bool:
    """Whether a command surely (or, without `certain`, perhaps under another spelling) has an option."""
    del command
    name = option.text.lstrip("-")
    if option.value is not None:
        wanted = _canonical(name, known)
        return any(
            (_canonical(given, known) & wanted or (known is None and name.startswith(given)))
            and _accepts(option.value, word_symbols(value), certain=certain)
            for given, value in found.values
        )
    if option.text in found.whole:
        return True
    if known is not None and known.words:
        return name in found.names
    if option.text.startswith("--"):
        return _has_name(name, found, known, certain=certain)
    return all(_has_letter(letter, found, known, certain=certain) for letter in name)


def _has_letter(letter: str, found: _Arguments, known: Program | None, *, certain: bool) -> bool:
    if letter in found.letters:
        return True
    if known is not None and letter in known.synonyms:
        wanted = known.synonyms[letter]
        given = {known.synonyms.get(other, other) for other in found.letters}
        return wanted in given or any(wanted in _canonical(name, known) for name in found.names)
    return not certain and known is None and any(name[:1].lower() == letter.lower() for name in found.names)


def _has_name(name: str, found: _Arguments, known: Program | None, *, certain: bool) -> bool:
    if any(given == name or (given and name.startswith(given) and not _exact(given, known)) for given in found.names):
        return True
    if known is not None and (wanted := _canonical(name, known)) and (name in known.known or len(wanted) > 1):
        given = {known.synonyms.get(letter, letter) for letter in found.letters}
        return bool(wanted & given) or any(wanted & _canonical(other, known) for other in found.names)
    return not certain and known is None and any(letter.lower() == name[:1].lower() for letter in found.letters)


def _exact(name: str, known: Program | None) -> bool:
    """Whether a long option is a whole name, not one cut short."""
    return known is not None and name in known.known


def _operands(
    stage: Stage, command: Command, found: _Arguments, known: Program | None, *, missing: bool, certain: bool
) -> bool:
    """Whether the operands fit, with one uncertain word left out where it must stand for the missing options."""
    anchored = known is not None and known.verbs and not known.words and stage.operands and not stage.operands[0].rest
    if anchored and certain and not found.sure:
        return False
    anchored = bool(anchored) and found.sure
    if not missing or found.wild or found.many:
        return _sequence(stage.operands, found.operands, command, anchored=anchored, certain=certain)
    return any(
        _sequence(
            stage.operands, [word for place, word in enumerate(found.operands) if place != spare], command,
            anchored=anchored, certain=certain,
        )
        for spare in found.either
    )  # fmt: skip


def _sequence(
    wanted: Sequence[OperandPattern], words: Sequence[Word], command: Command, *, anchored: bool, certain: bool
) -> bool:
    """Whether the operands wanted are found in this order; a word that may be several can serve again."""
    place = 0
    for index, operand in enumerate(wanted):
        if operand.rest:
            continue
        start = place
        while place < len(words) and not _fits(operand, words[place], command, certain=certain):
            place += 1
        if place == len(words) or (anchored and index == 0 and place != start):
            return False
        if not _repeats(words[place]):
            place += 1
    return True


def _repeats(word: Word) -> bool:
    return word.many or any(not isinstance(part, str) and part.hole in {Hole.STAR, Hole.ONE} for part in word.parts)


def _fits(operand: OperandPattern, word: Word, command: Command, *, certain: bool) -> bool:
    if word.many and not _is_tame(word):
        return not certain and (not _is_name(word) or _slashless(operand))
    if word.many and certain:
        return False
    symbols = word_symbols(word)
    if not certain:
        forms = _forms(word, command) if operand.path else [symbols]
        return any(can_meet(operand.glob, form) for form in forms)
    if not operand.path:
        return _accepts(operand.glob, symbols, certain=True)
    return _path_fits(operand.glob, word, command, certain=True)


def _slashless(operand: OperandPattern) -> bool:
    return can_meet(operand.glob, (Symbol.STAR_NAME,))


def _forms(word: Word, command: Command) -> list[tuple[Item, ...]]:
    """Return the spellings of a word, and of what stands behind `=` in it, as in `of=/dev/sda`."""
    forms = list(spellings(word, command.cwd))
    first = word.parts[0] if word.parts else ""
    if isinstance(first, str) and "=" in first:
        key, _, value = first.partition("=")
        rest = Word((*((value,) if value else ()), *word.parts[1:]))
        forms += [(*key, "=", *form) for form in spellings(rest, command.cwd)]
    return forms
