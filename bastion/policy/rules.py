"""Rules: what happens to a command, by who asks, where, and what it would run.

Deny beats approve beats allow; the order of rules never matters. Within a rule the conditions on people and targets
must all hold; of `commands`, `regex`, `sql`, `packs` and `opaque` one is enough, and a rule with none of them matches
every command. A rule that denies or asks matches what may be so; one that allows, only what is certain. A text that was
not read to its end, as it is too long or too intricate, may hold any command: the strictest of the rules that speak of
commands decides on it.
"""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

import re2

from bastion.config.schema import Rule, Target
from bastion.errors import ConfigError
from bastion.model import Action, ChannelKind, Identity, Verdict, utcnow
from bastion.policy import pack
from bastion.policy.matching import matches
from bastion.policy.patterns import CommandPattern, PatternError, compile_pattern
from bastion.policy.sql import StatementFacts, facts, satisfies
from bastion.policy.times import within
from bastion.policy.understanding import Understanding
from bastion.selectors import selects

MAX_REMEMBERED = 2_048  # verdicts kept
MAX_REMEMBERED_BYTES = 4_096

BY_DEFAULT = "default"
"""The name verdicts give as their rule where none decided."""

NOBODY = "no rule allows it, and no approvers are configured; add a rule with approvers, or an allow rule"


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Who wants to run a command, and where. `clock` tells the time when it is decided, for rules with `times`."""

    identity: Identity
    target: Target
    login: str
    channel: ChannelKind
    clock: Callable[[], datetime] = utcnow


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A rule with its patterns read; `named` holds those that start with a plain program name, by that name."""

    rule: Rule
    named: dict[str, tuple[CommandPattern, ...]]
    other: tuple[CommandPattern, ...]
    regexes: tuple[object, ...]

    @property
    def everything(self) -> bool:
        """Whether the rule says nothing about the command itself."""
        return self.rule.whatever

    @property
    def needs_understanding(self) -> bool:
        rule = self.rule
        return bool(rule.commands or rule.sql or rule.opaque)

    def patterns(self, names: Sequence[str] | None) -> Iterable[CommandPattern]:
        """Return the patterns that programs of these names can match; None: a name is not known."""
        if names is None:
            return itertools.chain(self.other, *self.named.values())
        return itertools.chain(self.other, *(self.named.get(name, ()) for name in names))


@dataclass(slots=True)
class _Covered:
    """What allow rules cover together."""

    commands: set[int] = field(default_factory=set)
    opaque: set[int] = field(default_factory=set)
    rules: list[str] = field(default_factory=list)
    all: bool = False


class RuleSet:
    """All rules of a configuration, read once.

    Raises ConfigError for a pattern or regular expression that cannot be read. `approvers` are asked where a
    command needs approval by default and no rule names anybody.
    """

    def __init__(self, rules: Iterable[Rule], approvers: Iterable[str] = ()) -> None:
        self.rules = tuple(rules)
        problems: list[str] = []
        self._compiled = tuple(_compile(part, problems) for rule in self.rules for part in pack.parts(rule))
        if problems:
            raise ConfigError("\n".join(problems))
        named = [group for rule in self.rules if rule.action is Action.APPROVE for group in rule.approvers]
        self._approvers = tuple(dict.fromkeys([*approvers, *named]))
        self._decided: OrderedDict[tuple[object, ...], tuple[Understanding, Verdict]] = OrderedDict()

    def needs_understanding(self, context: CommandContext, default: Action = Action.ALLOW) -> bool:
        """Whether a command's text must be read to decide here; if not, `decide` may get an empty understanding."""
        applicable = list(self._applicable(context))
        if default is not Action.ALLOW:
            return any(item.rule.action is Action.ALLOW and not item.everything for item in applicable) or any(
                item.needs_understanding for item in applicable
            )
        return any(item.needs_understanding and item.rule.action is not Action.ALLOW for item in applicable)

    def applies(self, context: CommandContext) -> bool:
        """Whether any rule has a say here at all, now or at another time: a session may last until then."""
        return any(applies_to(item.rule, context, ever=True) for item in self._compiled)

    def decide(self, context: CommandContext, understanding: Understanding, raw: bytes, default: Action) -> Verdict:
        """Return what happens to a command; `raw` are its exact bytes, for rules with `regex`."""
        applicable = list(self._applicable(context))
        key = (raw, default, *(id(item) for item in applicable))
        known = self._decided.get(key)
        if known is not None and known[0] is understanding:
            self._decided.move_to_end(key)
            return known[1]
        verdict = self._decide(applicable, understanding, raw, default)
        if len(raw) <= MAX_REMEMBERED_BYTES:
            self._decided[key] = (understanding, verdict)
            if len(self._decided) > MAX_REMEMBERED:
                self._decided.popitem(last=False)
        return verdict

    def _decide(
        self, applicable: list[_Compiled], understanding: Understanding, raw: bytes, default: Action
    ) -> Verdict:
        tables: list[StatementFacts] | None = None
        if any(item.rule.sql for item in applicable):
            tables = facts(understanding)
        for action in (Action.DENY, Action.APPROVE):
            hits = [
                item.rule
                for item in applicable
                if item.rule.action is action and _may_match(item, understanding, raw, tables or [])
            ]
            if hits:
                return _verdict(_strictest(hits))
            unread, might = understanding.unread, [item.rule for item in applicable if _reads(item.rule, action)]
            if unread is not None and might:
                return _verdict(_strictest(might), f"not read to the end: {unread.detail}")
        return self._otherwise(applicable, understanding, raw, tables or [], default)

    def _applicable(self, context: CommandContext) -> Iterable[_Compiled]:
        return (item for item in self._compiled if applies_to(item.rule, context))

    def _otherwise(
        self,
        applicable: list[_Compiled],
        understanding: Understanding,
        raw: bytes,
        tables: list[StatementFacts],
        default: Action,
    ) -> Verdict:
        covered = _covered(applicable, understanding, raw, tables)
        complete = covered.all or (
            len(covered.commands) == len(understanding.commands) and len(covered.opaque) == len(understanding.opaque)
        )
        if complete:
            return Verdict(Action.ALLOW, covered.rules[0] if covered.rules else "")
        if default is Action.ALLOW:
            return Verdict(Action.ALLOW)
        if default is Action.APPROVE and self._approvers:
            return Verdict(Action.APPROVE, "default", "no rule allows it", self._approvers, 1, DEFAULT_TIMEOUT)
        reason = NOBODY if default is Action.APPROVE else "no rule allows it"
        return Verdict(Action.DENY, "default", reason)


DEFAULT_TIMEOUT = 600.0  # seconds an approval stays open that no rule has asked for


def _strictest(rules: Sequence[Rule]) -> Rule:
    """Return the one of several rules with the same action that is told."""
    return min(rules, key=lambda rule: (-rule.approvals, rule.name))


def _reads(rule: Rule, action: Action) -> bool:
    """Whether a rule has this action and says something about commands, which may then be in what was not read."""
    return rule.action is action and bool(rule.commands or rule.sql)


def _verdict(rule: Rule, doubt: str = "") -> Verdict:
    asking = rule.action is Action.APPROVE
    return Verdict(
        rule.action,
        rule.name,
        "; ".join(filter(None, (rule.reason, doubt))),
        rule.approvers if asking else (),
        rule.approvals if asking else 1,
        rule.timeout.total_seconds() if asking else 0.0,
    )


def _compile(rule: Rule, problems: list[str]) -> _Compiled:
    patterns: list[CommandPattern] = []
    for text in rule.commands:
        try:
            patterns.append(compile_pattern(text))
        except PatternError as error:
            problems.append(f"rules.{rule.name}.commands: the pattern {text!r} {error}")
    regexes: list[object] = []
    options = re2.Options()
    options.log_errors = False
    for text in rule.regex:
        try:
            regexes.append(re2.compile(text.encode(), options))
        except re2.error as error:
            problems.append(f"rules.{rule.name}.regex: {text!r} cannot be read: {_text(error)}")
    named: dict[str, list[CommandPattern]] = {}
    for pattern in patterns:
        named.setdefault(pattern.program_name, []).append(pattern)
    other = tuple(named.pop("", ()))
    return _Compiled(rule, {name: tuple(found) for name, found in named.items()}, other, tuple(regexes))


def _names(understanding: Understanding) -> Sequence[str] | None:
    """Return the base names of the programs that would run, None where one is not known."""
    names = [command.argv[0].text if command.argv else "" for command in understanding.commands]
    if None in names:
        return None
    return tuple(dict.fromkeys((name or "").rsplit("/", 1)[-1] for name in names))


def _text(error: Exception) -> str:
    first = error.args[0] if error.args else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def applies_to(rule: Rule, context: CommandContext, *, ever: bool = False) -> bool:
    """Whether the conditions of a rule on people and places hold, and those on the time unless it is about `ever`."""
    if rule.kinds and context.identity.kind not in rule.kinds:
        return False
    if rule.groups and not set(rule.groups) & set(context.identity.groups):
        return False
    if rule.logins and not any(fnmatchcase(context.login, login) for login in rule.logins):
        return False
    if rule.targets and not selects(rule.targets, context.target):
        return False
    return ever or not rule.times or within(rule.times, context.clock())


def _may_match(item: _Compiled, understanding: Understanding, raw: bytes, tables: list[StatementFacts]) -> bool:
    rule = item.rule
    if item.everything or _opaque_hits(rule, understanding):
        return True
    if any(regex.search(raw) for regex in item.regexes):  # type: ignore[attr-defined]  # re2 has no types
        return True
    patterns = item.patterns(_names(understanding))
    if any(matches(pattern, understanding.commands, certain=False) for pattern in patterns):
        return True
    return rule.sql is not None and any(satisfies(fact, rule.sql, certain=False) for fact in tables)


def _opaque_hits(rule: Rule, understanding: Understanding) -> set[int]:
    if rule.opaque is False:
        return set()
    return {
        index
        for index, item in enumerate(understanding.opaque)
        if rule.opaque is True or (not isinstance(rule.opaque, bool) and item.reason.value in rule.opaque)
    }


def _covered(
    applicable: list[_Compiled], understanding: Understanding, raw: bytes, tables: list[StatementFacts]
) -> _Covered:
    covered = _Covered()
    for item in applicable:
        if item.rule.action is not Action.ALLOW:
            continue
        before = (len(covered.commands), len(covered.opaque))
        if item.everything or any(regex.fullmatch(raw) for regex in item.regexes):  # type: ignore[attr-defined]  # re2
            covered.all = True
            covered.rules.append(item.rule.name)
            continue
        for pattern in item.patterns(_names(understanding)):
            covered.commands |= matches(pattern, understanding.commands, certain=True)
        covered.opaque |= _opaque_hits(item.rule, understanding)
        if item.rule.sql is not None:
            covered.commands |= _sql_covered(item.rule, tables)
        if (len(covered.commands), len(covered.opaque)) != before:
            covered.rules.append(item.rule.name)
    return covered


def _sql_covered(rule: Rule, tables: list[StatementFacts]) -> set[int]:
    assert rule.sql is not None
    condition = rule.sql
    indices = {fact.command for fact in tables}
    return {
        index
        for index in indices
        if all(satisfies(fact, condition, certain=True) for fact in tables if fact.command == index)
    }
