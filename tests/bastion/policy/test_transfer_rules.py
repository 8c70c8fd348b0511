"""Rules on files: which transfers they match, for certain or maybe."""

from datetime import UTC, datetime

import pytest

from bastion.config.schema import Address, Credential, Rule, Target
from bastion.model import TRANSFERS, Action, ChannelKind, Identity, Kind, Verdict
from bastion.policy.rules import CommandContext
from bastion.policy.state import ANYWHERE
from bastion.policy.transfers import Files, TransferRules
from bastion.policy.understanding import Hole, Unknown, Word, literal

UP, DOWN = ChannelKind.UPLOAD, ChannelKind.DOWNLOAD
WHO = Identity("alice", "corp", "1", ("eng",), Kind.HUMAN, 1, datetime(2030, 1, 1, tzinfo=UTC))
WHERE = Target("web-1", "ssh", Address("127.0.0.1", 22), Credential("certificate"))
CONTEXT = CommandContext(WHO, WHERE, "deploy", ChannelKind.SFTP)


def files(path: str | Word, way: ChannelKind = DOWN, *, tree: bool = False) -> Files:
    word = literal(path) if isinstance(path, str) else path
    return Files(frozenset({way}), (word,), tree=tree)


def decide(rule: Rule, what: Files, default: Action = Action.ALLOW) -> Action:
    return TransferRules([rule]).decide(CONTEXT, what, default).action


DENY = Rule("r", Action.DENY, paths=("/etc/**", "**/.ssh/*"))


@pytest.mark.parametrize(
    ("path", "tree", "denied"),
    [
        ("/etc/passwd", False, True),
        ("/etc/a/b/c", False, True),
        ("/etc", False, False),
        ("/etc", True, True),
        ("/", True, True),
        ("/var", True, True),  # there may be a .ssh below it
        ("/etcetera/x", False, False),
        ("/home/x/.ssh/id", False, True),
        ("/tmp/x", False, False),
        ("../../etc/passwd", False, True),  # from a home that is not known
        (".ssh/id", False, True),
        ("notes", False, False),
        (Word(("/etc/", Unknown(Hole.STAR, "*"))), False, True),
        (Word((Unknown(Hole.ANY, "$X"),)), False, True),
        (ANYWHERE, False, True),
    ],
)
def test_what_may_be_meant_is_denied(path: str | Word, tree: bool, denied: bool) -> None:
    assert decide(DENY, files(path, tree=tree)) is (Action.DENY if denied else Action.ALLOW)


@pytest.mark.parametrize("ways", [{UP}, {DOWN}, {UP, DOWN}])
def test_ways(ways: set[ChannelKind]) -> None:
    rule = Rule("r", Action.DENY, paths=("/x",), transfer=frozenset(ways))
    for way in (UP, DOWN):
        assert decide(rule, files("/x", way)) is (Action.DENY if way in ways else Action.ALLOW)
    everywhere = Rule("r", Action.DENY, transfer=frozenset(ways))
    assert decide(everywhere, files("/y", next(iter(ways)))) is Action.DENY


def test_either_path_of_an_operation() -> None:
    what = Files(frozenset({UP}), (literal("/tmp/x"), literal("/etc/y")))
    assert decide(DENY, what) is Action.DENY


ALLOW = Rule("r", Action.ALLOW, paths=("/srv/**",), transfer=frozenset({UP}))


@pytest.mark.parametrize(
    ("what", "allowed"),
    [
        (files("/srv/a", UP), True),
        (files("/srv/a", DOWN), False),
        (files("/tmp/a", UP), False),
        (files("a", UP), False),
        (files("/srv/a", UP, tree=True), True),
        (files(Word(("/srv/", Unknown(Hole.ANY, "$X"))), UP), False),
        (Files(frozenset({UP}), (literal("/srv/a"), literal("/etc/b"))), False),
        (Files(TRANSFERS, (literal("/srv/a"),)), False),
    ],
)
def test_only_what_is_certain_is_allowed(what: Files, allowed: bool) -> None:
    expected = Action.ALLOW if allowed else Action.DENY
    assert decide(ALLOW, what, Action.DENY) is expected
    assert TransferRules([ALLOW]).allows(CONTEXT, what) is allowed


def test_a_tree_is_allowed_where_all_of_it_is() -> None:
    exact = Rule("r", Action.ALLOW, paths=("/srv/a",))
    assert decide(exact, files("/srv/a"), Action.DENY) is Action.ALLOW
    assert decide(exact, files("/srv/a", tree=True), Action.DENY) is Action.DENY


def test_deny_beats_approve_beats_allow_whatever_the_order() -> None:
    rules = [
        Rule("c", Action.ALLOW, paths=("/x",)),
        Rule("b", Action.APPROVE, paths=("/x",), approvers=("sre",)),
        Rule("a", Action.DENY, paths=("/x",), reason="no"),
    ]
    for some in (rules, rules[::-1]):
        assert TransferRules(some).decide(CONTEXT, files("/x"), Action.DENY) == Verdict(Action.DENY, "a", "no")
    verdict = TransferRules(rules[:2]).decide(CONTEXT, files("/x"), Action.DENY)
    assert (verdict.action, verdict.rule, verdict.approvers, verdict.timeout) == (Action.APPROVE, "b", ("sre",), 600)


@pytest.mark.parametrize(
    ("rules", "default", "action", "name"),
    [
        ([], Action.ALLOW, Action.ALLOW, ""),
        ([], Action.DENY, Action.DENY, "default"),
        ([], Action.APPROVE, Action.DENY, "default"),  # nobody could approve
        ([Rule("a", Action.APPROVE, commands=("x",), approvers=("sre",))], Action.APPROVE, Action.APPROVE, "default"),
        ([Rule("a", Action.DENY)], Action.ALLOW, Action.DENY, "a"),
        ([Rule("a", Action.APPROVE, approvers=("sre",))], Action.ALLOW, Action.APPROVE, "a"),
        ([Rule("a", Action.ALLOW)], Action.DENY, Action.ALLOW, ""),
        ([ALLOW], Action.DENY, Action.ALLOW, ""),  # each file is asked about
        ([Rule("a", Action.DENY, groups=("other",))], Action.ALLOW, Action.ALLOW, ""),
        ([Rule("a", Action.DENY, commands=("x",)), DENY], Action.ALLOW, Action.ALLOW, ""),
    ],
)
def test_whether_a_channel_opens(rules: list[Rule], default: Action, action: Action, name: str) -> None:
    verdict = TransferRules(rules).opening(CONTEXT, default)
    assert (verdict.action, verdict.rule) == (action, name)


def test_rules_on_commands_say_nothing_of_files() -> None:
    for rule in (Rule("a", Action.DENY), Rule("a", Action.DENY, commands=("**",)), Rule("a", Action.DENY, opaque=True)):
        assert decide(rule, files("/x")) is Action.ALLOW


def test_a_default_that_was_asked_about_as_a_whole_is_settled() -> None:
    assert decide(DENY, files("/x"), Action.DENY) is Action.ALLOW
