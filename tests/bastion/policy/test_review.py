"""What is odd about rules is found, and the shipped ones are sound."""

import pytest

from bastion.config.schema import Rule
from bastion.model import Action, Kind
from bastion.policy import pack
from bastion.policy.review import review
from bastion.policy.rules import RuleSet


def deny(name: str, *commands: str, groups: tuple[str, ...] = ()) -> Rule:
    return Rule(name, Action.DENY, commands=commands, groups=groups)


def allow(name: str, *commands: str, groups: tuple[str, ...] = ()) -> Rule:
    return Rule(name, Action.ALLOW, commands=commands, groups=groups)


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([deny("a", "rm -rf /"), allow("b", "ls **")], []),
        ([deny("a", "rm -rf /", "rm -rf  '/'")], [(0, "twice")]),
        ([deny("a", "rm **", "rm -rf /")], [(0, "is part of 'rm **'")]),
        ([deny("a", "rm -f **", "rm --force x")], [(0, "is part of")]),
        ([deny("a", "cat ../x")], [(0, "can never match")]),
        ([deny("a", "'rm -rf' /")], [(0, "can never match")]),
        ([allow("a", "ls *"), allow("b", "ls *")], [(1, "says the same as rules[0] (a)")]),
        ([allow("a", "ls *"), allow("b", "ls *", groups=("x",))], []),
        ([deny("a", "rm **"), allow("b", "rm -i *", "ls")], [(1, "'rm -i *' never matters")]),
        ([deny("a", "rm **", groups=("x",)), allow("b", "rm -i *")], []),
        ([deny("a", "rm **", groups=("x", "y")), allow("b", "rm -i *", groups=("x",))], [(1, "never matters")]),
        ([deny("a", "rm -rf /"), allow("b", "rm **")], []),
        ([Rule("a", Action.DENY), allow("b", "ls")], [(1, "matches everything and is stricter")]),
        ([Rule("a", Action.DENY, kinds=frozenset({Kind.AGENT})), allow("b", "ls")], []),
        ([deny("a", "a | b"), allow("b", "a | b")], []),
    ],
)
def test_findings(rules: list[Rule], found: list[tuple[int, str]]) -> None:
    findings = review(rules)
    assert [finding.index for finding in findings] == [index for index, _ in found]
    assert all(part in finding.message for finding, (_, part) in zip(findings, found, strict=True))


@pytest.mark.parametrize("name", pack.names())
def test_each_shipped_rule_is_sound(name: str) -> None:
    rule = pack.rule(name, approvers=("sre",))
    RuleSet((rule,))
    assert (rule.name, rule.action, rule.approvers) == (name, Action.APPROVE, ("sre",))
    assert rule.reason == pack.reason(name)
    assert not [finding for finding in review([rule]) if "never" in finding.message]


def test_there_is_a_rule_for_every_kind_of_danger() -> None:
    wanted = (
        "files disks services users firewall databases kubernetes clouds git-history secrets exfiltration persistence"
    )
    assert set(wanted.split()) <= set(pack.names())
