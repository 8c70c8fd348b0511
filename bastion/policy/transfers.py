"""Rules on file transfers: which files may be read, written and changed by sftp, scp and rsync.

A rule speaks of transfers by `paths` (globs as those of operands, compared after normalising) and by `transfer`
("download", "upload"; every change of files counts as an upload). Without `paths` it means every file, without
`transfer` both ways. A rule that says nothing of what is done speaks of the channel as a whole. Deny beats approve
beats allow, as for commands. Symbolic links are not seen: a path is what the client names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bastion.config.schema import Rule
from bastion.model import Action, ChannelKind, Verdict
from bastion.policy.globs import Item, Symbol, can_meet, compile_glob
from bastion.policy.paths import normal_pattern, spellings
from bastion.policy.rules import DEFAULT_TIMEOUT, NOBODY, CommandContext, applies_to
from bastion.policy.state import HOME
from bastion.policy.understanding import Word


@dataclass(frozen=True, slots=True)
class Files:
    """Files that a transfer touches, and how.

    `ways` holds UPLOAD, DOWNLOAD or both. Relative paths are read in each of `directories`. `tree`: what lies below
    the paths is meant too.
    """

    ways: frozenset[ChannelKind]
    paths: tuple[Word, ...]
    directories: tuple[Word, ...] = (HOME,)
    tree: bool = False


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    globs: tuple[tuple[Item, ...], ...]

    @property
    def everything(self) -> bool:
        """Whether the rule says nothing of what is done."""
        return self.rule.whatever

    @property
    def on_files(self) -> bool:
        """Whether the rule speaks of transfers."""
        return bool(self.rule.paths or self.rule.transfer)


class TransferRules:
    """The rules of a configuration, as far as they concern transfers."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(
            _Compiled(rule, tuple(compile_glob(normal_pattern(path)) for path in rule.paths)) for rule in rules
        )
        named = (group for item in self._rules for group in item.rule.approvers if item.rule.action is Action.APPROVE)
        self._approvers = tuple(dict.fromkeys(named))

    def opening(self, context: CommandContext, default: Action) -> Verdict:
        """Return what happens to a channel that is for transfers alone, before any file is named.

        Where not everything is allowed by default, the default decides here, once, unless rules allow some files; then
        it decides on the others, each time.
        """
        applicable = self._applicable(context)
        whole = [item.rule for item in applicable if item.everything]
        for action in (Action.DENY, Action.APPROVE):
            if hits := [rule for rule in whole if rule.action is action]:
                return _verdict(hits)
        if default is Action.ALLOW or any(rule.action is Action.ALLOW for rule in whole):
            return Verdict(Action.ALLOW)
        if any(item.on_files and item.rule.action is Action.ALLOW for item in applicable):
            return Verdict(Action.ALLOW)
        return self._by_default(default)

    def decide(self, context: CommandContext, files: Files, default: Action) -> Verdict:
        """Return what happens to a transfer, once the channel or command as a whole may go on."""
        applicable = [item for item in self._applicable(context) if item.on_files]
        for action in (Action.DENY, Action.APPROVE):
            if hits := [item.rule for item in applicable if item.rule.action is action and _may_match(item, files)]:
                return _verdict(hits)
        allowing = [item for item in applicable if item.rule.action is Action.ALLOW]
        if default is Action.ALLOW or not allowing or _covered(allowing, files):
            return Verdict(Action.ALLOW)
        return self._by_default(default)

    def allows(self, context: CommandContext, files: Files) -> bool:
        """Whether rules allow these files by name; then the default does not matter."""
        applicable = [item for item in self._applicable(context) if item.on_files]
        return _covered([item for item in applicable if item.rule.action is Action.ALLOW], files)

    def _applicable(self, context: CommandContext) -> list[_Compiled]:
        return [item for item in self._rules if applies_to(item.rule, context)]

    def _by_default(self, default: Action) -> Verdict:
        if default is Action.APPROVE and self._approvers:
            return Verdict(Action.APPROVE, "default", "no rule allows it", self._approvers, 1, DEFAULT_TIMEOUT)
        return Verdict(Action.DENY, "default", NOBODY if default is Action.APPROVE else "no rule allows it")


@lru_cache(maxsize=8)
def transfer_rules(rules: tuple[Rule, ...]) -> TransferRules:
    """Return the compiled rules of a configuration, made once."""
    return TransferRules(rules)


def _verdict(hits: list[Rule]) -> Verdict:
    rule = min(hits, key=lambda rule: (-rule.approvals, rule.name))
    if rule.action is not Action.APPROVE:
        return Verdict(rule.action, rule.name, rule.reason)
    return Verdict(rule.action, rule.name, rule.reason, rule.approvers, rule.approvals, rule.timeout.total_seconds())


def _may_match(item: _Compiled, files: Files) -> bool:
    rule = item.rule
    if rule.transfer and not rule.transfer & files.ways:
        return False
    if not rule.paths:
        return True
    for path in files.paths:
        if path.many:
            return True
        for form in spellings(path, files.directories):
            forms = [form, _below(form)] if files.tree else [form]
            if any(can_meet(glob, one) for glob in item.globs for one in forms):
                return True
    return False


def _covered(allowing: Sequence[_Compiled], files: Files) -> bool:
    """Whether each file is surely allowed, each way, by some rule."""
    return bool(allowing) and all(
        any(_surely_matches(item, path, way, tree=files.tree) for item in allowing)
        for path in files.paths
        for way in files.ways
    )


def _surely_matches(item: _Compiled, path: Word, way: ChannelKind, *, tree: bool) -> bool:
    rule = item.rule
    if rule.transfer and way not in rule.transfer:
        return False
    if not rule.paths:
        return True
    text = path.text
    if text is None or not text.startswith("/"):
        return False
    (form,) = spellings(path, ())
    # A glob that ends in a star takes whatever lies below what it takes.
    return any(can_meet(glob, form) and (not tree or glob[-1:] == (Symbol.STAR,)) for glob in item.globs)


def _below(form: tuple[Item, ...]) -> tuple[Item, ...]:
    return (*form, Symbol.STAR) if form == ("/",) else (*form, "/", Symbol.STAR)
