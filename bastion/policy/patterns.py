"""Command patterns of rules: `rm -rf /`, `systemctl stop *`, `** | sh`, `** > /etc/**`.

Only reading and checking them; `bastion.policy.matching` compares. A pattern is words with quotes; quoted glob
characters stand for themselves. Beyond the contract, `> GLOB` and `< GLOB` name a file a command is redirected to or
from.
"""

import re
from dataclasses import dataclass

from bastion.policy.globs import Item, compile_glob
from bastion.policy.paths import normal_pattern

_TOKEN = re.compile(r"""\s+|'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)|(\|+|>+|<+)|([^\s'"\\|<>]+)""", re.DOTALL)
_SPECIAL = re.compile(r"([*?\[\\])")


class PatternError(ValueError):
    """A pattern that cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class OptionPattern:
    """An option a pattern names: `text` as written with its dashes, `value` a glob behind `=`."""

    text: str
    value: tuple[Item, ...] | None = None


@dataclass(frozen=True, slots=True)
class OperandPattern:
    """An operand: a glob, compared as a path when it holds a slash. `rest` is `**`: any number of operands."""

    glob: tuple[Item, ...]
    path: bool = False
    rest: bool = False


@dataclass(frozen=True, slots=True)
class FilePattern:
    """A redirection a pattern names."""

    writes: bool
    glob: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """One command of a pattern. `program` None is any program; `by_path` compares the program's whole path."""

    program: tuple[Item, ...] | None
    by_path: bool = False
    options: tuple[OptionPattern, ...] = ()
    operands: tuple[OperandPattern, ...] = ()
    files: tuple[FilePattern, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandPattern:
    """A whole pattern: one stage, or several joined by pipes."""

    text: str
    stages: tuple[Stage, ...]

    @property
    def program_name(self) -> str:
        """The base name of the first program, empty where the pattern is wider than one name."""
        first = self.stages[0].program
        if first is None or not all(isinstance(item, str) and len(item) == 1 for item in first):
            return ""
        return "".join(str(item) for item in first).rsplit("/", 1)[-1]


def compile_pattern(text: str) -> CommandPattern:
    """Return a pattern read from a rule. Raises PatternError."""
    stages: list[list[str]] = [[]]
    for word, operator in _tokens(text):
        if operator and word[0] == "|":
            stages.append([])
        else:
            stages[-1].append(("\0" if operator else "") + word)
    if any(not stage for stage in stages):
        raise PatternError("is empty" if len(stages) == 1 else "has nothing on one side of a pipe")
    return CommandPattern(text, tuple(_stage(words) for words in stages))


def _tokens(text: str) -> list[tuple[str, bool]]:
    """Return words as globs, and operators (marked True)."""
    result: list[tuple[str, bool]] = []
    current: str | None = None
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise PatternError("has a quote that is not closed")
        position = match.end()
        single, double, escaped, operator, bare = match.groups()
        if single is not None or double is not None or escaped is not None:
            raw = single if single is not None else escaped if escaped is not None else re.sub(r"\\(.)", r"\1", double)
            current = (current or "") + _SPECIAL.sub(r"\\\1", raw)
        elif bare is not None:
            current = (current or "") + bare
        else:
            if current is not None:
                result.append((current, False))
            current = None
            if operator is not None:
                result.append((operator, True))
    if current is not None:
        result.append((current, False))
    return result


def _stage(words: list[str]) -> Stage:
    program = words[0]
    if program.startswith("\0"):
        raise PatternError(f"starts with {program[1:]}; write ** for any program")
    options: list[OptionPattern] = []
    operands: list[OperandPattern] = []
    files: list[FilePattern] = []
    place, only_operands = 1, False
    while place < len(words):
        word = words[place]
        if word.startswith("\0"):
            place += 1
            if place == len(words) or words[place].startswith("\0"):
                raise PatternError(f"names no file behind {word[1:]}")
            files.append(FilePattern(word[1] == ">", compile_glob(normal_pattern(words[place]))))
        elif word == "--" and not only_operands:
            only_operands = True
        elif word.startswith("-") and len(word) > 1 and not only_operands:
            options.append(_option(word))
        else:
            operands.append(_operand(word))
        place += 1
    anything = program == "**"
    return Stage(
        None if anything else compile_glob(normal_pattern(program)),
        "/" in program,
        tuple(options),
        tuple(operands),
        tuple(files),
    )


def _option(word: str) -> OptionPattern:
    name, equals, value = word.partition("=")
    return OptionPattern(name, compile_glob(normal_pattern(value)) if equals else None)


def _operand(word: str) -> OperandPattern:
    path = ("/" in word and "://" not in word) or word in {".", "..", "~"}
    return OperandPattern(compile_glob(normal_pattern(word) if path else word), path, word == "**")
