"""What is odd about a set of rules, though each of them can be read: ones that never matter, repeat or hide others.

Findings are warnings for people. They are only given where they are certain, so that none of them is noise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bastion.config.schema import Rule
from bastion.model import Action
from bastion.policy import pack
from bastion.policy.globs import Item, Symbol
from bastion.policy.matching import matches
from bastion.policy.patterns import CommandPattern, OperandPattern, PatternError, Stage, compile_pattern
from bastion.policy.understanding import Command, Hole, Part, Unknown, Word

_STRICTER = {Action.ALLOW: (Action.DENY, Action.APPROVE), Action.APPROVE: (Action.DENY,), Action.DENY: ()}


@dataclass(frozen=True, slots=True)
class Finding:
    """A warning about the rule at `index`."""

    index: int
    message: str


def review(rules: Sequence[Rule]) -> list[Finding]:
    """Return what is odd, in the order of the rules."""
    found: list[Finding] = []
    for index, rule in enumerate(rules):
        found += (Finding(index, message) for message in _alone(rule))
        for earlier, other in enumerate(rules[:index]):
            if _content(rule) == _content(other) and _where(rule) == _where(other) and rule.action is other.action:
                found.append(Finding(index, f"says the same as rules[{earlier}] ({other.name})"))
        found += (Finding(index, message) for message in _hidden(rule, index, rules))
    return found


def _content(rule: Rule) -> tuple[object, ...]:
    return (
        set(rule.commands),
        set(rule.regex),
        rule.sql,
        set(rule.packs),
        rule.opaque,
        set(rule.paths),
        rule.transfer,
    )


def _where(rule: Rule) -> tuple[object, ...]:
    return (set(rule.targets), set(rule.groups), rule.kinds, set(rule.logins), set(rule.times))


def _alone(rule: Rule) -> Iterator[str]:
    """Yield what keeps a rule's patterns from ever matching, or makes them needless."""
    patterns = list(_patterns(rule))
    for place, pattern in enumerate(patterns):
        for stage in pattern.stages:
            yield from (f"the pattern {pattern.text!r} can never match: {why}" for why in _impossible(stage))
        for other in patterns[:place]:
            if other.stages == pattern.stages:
                yield f"the pattern {pattern.text!r} is there twice"
            elif _covers(other, pattern):
                yield f"the pattern {pattern.text!r} is part of {other.text!r}"
    if rule.sql is not None and rule.sql == type(rule.sql)():
        yield "sql names no statement, table or bound, so that any statement matches"


def _patterns(rule: Rule) -> Iterator[CommandPattern]:
    for text in rule.commands:
        try:
            yield compile_pattern(text)
        except PatternError:
            continue  # reported where patterns are read


def _impossible(stage: Stage) -> Iterator[str]:
    if stage.program is not None and any(item in {" ", "\t"} for item in stage.program):
        yield "the program's name holds a blank; quote words one by one"
    for operand in stage.operands:
        if operand.path and operand.glob[:3] in ((".", ".", "/"), (".", ".")):
            yield "paths are compared after .. is resolved; write the whole path"


def _hidden(rule: Rule, index: int, rules: Sequence[Rule]) -> Iterator[str]:
    """Yield the stricter rules that match whatever this one matches."""
    for place, other in enumerate(rules):
        if place == index or other.action not in _STRICTER[rule.action] or not _wider(other, rule):
            continue
        if other.whatever:
            yield f"never matters: rules[{place}] ({other.name}) matches everything and is stricter"
            continue
        wide = [pattern for part in pack.parts(other) for pattern in _patterns(part)]
        covered = [pattern.text for pattern in _patterns(rule) if any(_covers(one, pattern) for one in wide)]
        for text in covered:
            yield f"the pattern {text!r} never matters: rules[{place}] ({other.name}) is stricter and matches it"


def _wider(other: Rule, rule: Rule) -> bool:
    """Whether a rule applies wherever another one does, as far as that is plain."""
    for name in ("targets", "groups", "kinds", "logins", "times"):
        wide, narrow = set(getattr(other, name)), set(getattr(rule, name))
        if wide and (not narrow or not narrow <= wide):
            return False
    return True


def _covers(wide: CommandPattern, narrow: CommandPattern) -> bool:
    """Whether every command that `narrow` matches surely is matched by `wide`; only for single commands."""
    if len(wide.stages) != 1 or len(narrow.stages) != 1 or wide.stages[0].files or narrow.stages[0].files:
        return False
    example = _example(narrow.stages[0])
    return example is not None and bool(matches(wide, [example], certain=True))


def _example(stage: Stage) -> Command | None:
    """Return a command that stands for all that a stage matches; its globs are holes."""
    if stage.program is None or not all(isinstance(item, str) and len(item) == 1 for item in stage.program):
        return None
    if any(option.value is not None for option in stage.options):
        return None
    name = Word(("".join(str(item) for item in stage.program),))
    options = [Word((option.text,)) for option in stage.options]
    operands = [_operand(operand) for operand in stage.operands]
    return Command((name, *options, *operands))


def _operand(operand: OperandPattern) -> Word:
    if operand.rest:
        return Word((Unknown(Hole.ANY, "**"),), many=True)
    return Word(tuple(_part(item) for item in operand.glob))


def _part(item: Item) -> Part:
    if isinstance(item, str) and len(item) == 1:
        return item
    return Unknown(Hole.ANY if item is Symbol.STAR else Hole.ONE, str(item))
