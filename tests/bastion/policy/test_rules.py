"""Rules: who they concern, that the strictest wins whatever the order, and what an allow list lets through."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bastion.config.schema import Address, Credential, Rule, Selector, SQLCondition, Target, TimeWindow
from bastion.errors import ConfigError
from bastion.model import Action, ChannelKind, Identity, Kind, Verdict, utcnow
from bastion.policy.explain import explain
from bastion.policy.rules import CommandContext, RuleSet
from bastion.policy.understanding import Understanding
from bastion.reading import CommandReader

WIPE = Rule("wipe", Action.DENY, commands=("rm -rf /", "** | sh"), reason="destroys the host")
ASK = Rule("ask", Action.APPROVE, commands=("systemctl stop *",), approvers=("sre",), timeout=timedelta(minutes=5))
ASK_TWO = Rule("two", Action.APPROVE, commands=("systemctl **",), approvers=("lead",), approvals=2)
UNCLEAR = Rule("unclear", Action.APPROVE, opaque=True, approvers=("sre",))
LISTED = Rule("listed", Action.ALLOW, commands=("ls **", "cat /var/log/*", "grep **", "cd **", "systemctl stop x"))


def context(**changes: object) -> CommandContext:
    values: dict[str, object] = {"kind": Kind.HUMAN, "groups": ("eng",), "login": "deploy", "env": "prod", **changes}
    identity = Identity("alice", "corp", "1", tuple(values["groups"]), Kind(str(values["kind"])), 1, utcnow())  # type: ignore[arg-type]  # a test's table
    labels = (("env", str(values["env"])),)
    target = Target("web-1", "ssh", Address("127.0.0.1", 22), Credential("certificate"), labels=labels)
    return CommandContext(identity, target, str(values["login"]), ChannelKind.EXEC)


async def decide(
    reader: CommandReader, rules: tuple[Rule, ...], line: str, default: Action = Action.ALLOW, **changes: object
) -> Verdict:
    raw = line.encode()
    return RuleSet(rules).decide(context(**changes), await reader.understand(raw), raw, default)


@pytest.mark.parametrize(
    ("line", "action", "rule"),
    [
        ("rm -rf /", Action.DENY, "wipe"),
        ("systemctl stop nginx", Action.APPROVE, "two"),
        ("systemctl stop nginx; rm -rf /", Action.DENY, "wipe"),
        ("systemctl stop x", Action.APPROVE, "two"),
        ("ls", Action.ALLOW, "listed"),
        ("make", Action.ALLOW, ""),
        ("python3 x.py", Action.APPROVE, "unclear"),
        ("if", Action.APPROVE, "unclear"),
        ("curl x | sh", Action.DENY, "wipe"),
    ],
)
async def test_the_strictest_wins_whatever_the_order(
    reader: CommandReader, line: str, action: Action, rule: str
) -> None:
    for order in itertools.permutations((WIPE, ASK, ASK_TWO, UNCLEAR, LISTED)):
        verdict = await decide(reader, order, line)
        assert (verdict.action, verdict.rule) == (action, rule)


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("ls -l", True),
        ("ls -l | grep x", True),
        ("cd /var/log && cat x", True),
        ("ls 2>/dev/null", True),
        ("", True),
        ("a=1", True),
        ("# nothing", True),
        ("ls > /etc/x", False),
        ("> /etc/x", False),
        ("ls; make", False),
        ("ls $(make)", False),
        ("ls -l | sh", False),
        ("cat /var/log/../../etc/shadow", False),
        ("cat $X", False),
        ("$X", False),
        ("ls; if", False),
        ("PATH=/tmp ls", False),
        ("sudo ls", False),
        ("f() { make; }; f", False),
        ("ls\nmake", False),
    ],
)
async def test_with_a_strict_default_only_what_is_listed_runs(reader: CommandReader, line: str, allowed: bool) -> None:
    denied = await decide(reader, (LISTED,), line, Action.DENY)
    asked = await decide(reader, (LISTED, ASK), line, Action.APPROVE)
    assert (denied.action is Action.ALLOW, asked.action is Action.ALLOW) == (allowed, allowed)
    if not allowed:
        assert (denied.action, denied.rule) == (Action.DENY, "default")
        assert (asked.action, asked.approvers, asked.timeout) == (Action.APPROVE, ("sre",), 600.0)


async def test_a_default_that_asks_needs_somebody_to_ask(reader: CommandReader) -> None:
    verdict = await decide(reader, (LISTED,), "make", Action.APPROVE)
    assert verdict.action is Action.DENY
    assert "approvers" in verdict.reason
    rules = RuleSet((LISTED,), approvers=("lead",))
    verdict = rules.decide(context(), await reader.understand(b"make"), b"make", Action.APPROVE)
    assert (verdict.action, verdict.approvers) == (Action.APPROVE, ("lead",))


@pytest.mark.parametrize(
    ("rule", "changes", "applies"),
    [
        (Rule("r", Action.DENY), {}, True),
        (Rule("r", Action.DENY, groups=("eng", "x")), {}, True),
        (Rule("r", Action.DENY, groups=("x",)), {}, False),
        (Rule("r", Action.DENY, kinds=frozenset({Kind.AGENT})), {}, False),
        (Rule("r", Action.DENY, kinds=frozenset({Kind.AGENT})), {"kind": "agent"}, True),
        (Rule("r", Action.DENY, logins=("root",)), {}, False),
        (Rule("r", Action.DENY, logins=("dep*",)), {}, True),
        (Rule("r", Action.DENY, targets=(Selector(name="web-*"),)), {}, True),
        (Rule("r", Action.DENY, targets=(Selector(name="db"),)), {}, False),
        (Rule("r", Action.DENY, targets=(Selector(labels=(("env", "prod"),)),)), {}, True),
        (Rule("r", Action.DENY, targets=(Selector(labels=(("env", "prod"),)),)), {"env": "dev"}, False),
    ],
)
async def test_whom_a_rule_concerns(
    reader: CommandReader, rule: Rule, changes: dict[str, object], applies: bool
) -> None:
    rules = RuleSet((rule,))
    assert rules.applies(context(**changes)) is applies
    verdict = rules.decide(context(**changes), await reader.understand(b"ls"), b"ls", Action.ALLOW)
    assert (verdict.action is Action.DENY) is applies


def test_what_needs_no_understanding() -> None:
    assert not RuleSet(()).needs_understanding(context())
    assert not RuleSet((Rule("r", Action.DENY),)).needs_understanding(context())
    assert not RuleSet((Rule("r", Action.DENY, regex=("x",)),)).needs_understanding(context())
    assert not RuleSet((LISTED,)).needs_understanding(context())
    assert RuleSet((LISTED,)).needs_understanding(context(), Action.DENY)
    assert RuleSet((WIPE,)).needs_understanding(context())
    other = Rule("r", Action.DENY, commands=("ls",), groups=("nobody",))
    assert not RuleSet((other,)).needs_understanding(context())


def test_patterns_and_regexes_that_cannot_be_read_are_all_named() -> None:
    bad = Rule("bad", Action.DENY, commands=("'x", "a |"), regex=("(",))
    with pytest.raises(ConfigError) as caught:
        RuleSet((bad,))
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "rules.bad.commands",
        "rules.bad.commands",
        "rules.bad.regex",
    ]


async def test_opaque_reasons_are_told_apart(reader: CommandReader) -> None:
    network = Rule("network", Action.DENY, opaque=frozenset({"network-code"}))
    assert (await decide(reader, (network,), "curl x | bash")).action is Action.DENY
    assert (await decide(reader, (network,), "bash x.sh")).action is Action.ALLOW
    assert (await decide(reader, (network, UNCLEAR), "bash x.sh")).rule == "unclear"


@pytest.mark.parametrize(
    "line",
    [
        "# padding\n" * 20_000 + "rm -rf /",
        "echo hello\n" * 2_100 + "rm -rf /",
        "a;" * 30_000 + "rm -rf /",
        "sh -c '" + "echo hello\n" * 2_100 + "rm -rf /'",
        "eval " * 40 + "rm -rf /",
    ],
    ids=["long", "many", "dense", "inside", "deep"],
)
async def test_padding_does_not_get_past_a_rule(reader: CommandReader, line: str) -> None:
    """What is too much to be read is decided by the strictest rule on commands; who hits a rule for sure reads that."""
    denied = await decide(reader, (WIPE, ASK, ASK_TWO), line)
    assert (denied.action, denied.rule) == (Action.DENY, "wipe")
    assert denied.reason.startswith("destroys the host; not read to the end: ")
    asked = await decide(reader, (ASK, ASK_TWO), line)
    assert (asked.action, asked.rule, asked.approvers) == (Action.APPROVE, "two", ("lead",))
    regex = Rule("regex", Action.DENY, regex=("shutdown",))
    assert (await decide(reader, (regex, LISTED), line)).action is Action.ALLOW


async def test_padding_of_what_is_read_changes_nothing(reader: CommandReader) -> None:
    padded = "# padding\n" * 12_000
    assert (await decide(reader, (WIPE,), padded + "rm -rf /")).reason == "destroys the host"
    assert (await decide(reader, (WIPE,), padded + "ls")).action is Action.ALLOW
    heard = await decide(reader, (WIPE,), "touch f{1..99999}")
    assert heard.action is Action.ALLOW, "too many words of a command that is known"


async def test_a_regex_is_searched_in_the_raw_text(reader: CommandReader) -> None:
    rule = Rule("raw", Action.DENY, regex=(r"secret-\d+",))
    assert (await decide(reader, (rule,), "echo secret-12")).rule == "raw"
    assert (await decide(reader, (rule,), "echo secret")).action is Action.ALLOW
    allow = Rule("raw", Action.ALLOW, regex=(r"echo \w+",))
    assert (await decide(reader, (allow,), "echo a", Action.DENY)).action is Action.ALLOW
    assert (await decide(reader, (allow,), "echo a; rm x", Action.DENY)).action is Action.DENY


SQL = Rule("sql", Action.DENY, sql=SQLCondition(("drop", "truncate", "delete"), ("users",), unbounded=True))


@pytest.mark.parametrize(
    ("line", "hit"),
    [
        ("psql -c 'drop table users'", True),
        ("psql -c 'DROP TABLE IF EXISTS public.users CASCADE'", True),
        ("psql -c 'delete from users'", True),
        ("psql -c 'delete from users where true'", True),
        ("psql -c 'delete from users where id = 5'", False),
        ("psql -c 'select * from users'", False),
        ("psql -c 'drop table orders'", False),
        ("psql -c 'select 1; truncate users'", True),
        ("psql -c 'with d as (delete from users returning *) select * from d'", True),
        ("psql -c 'explain analyze delete from users'", True),
        ("psql <<< 'drop table users'", True),
        ("echo 'drop table users' | psql db", True),
        ("mysql -e 'drop table users' db", True),
        ("mysql -pdrop -e 'select 1'", False),
        ("sqlite3 x.db 'drop table users'", True),
        ("sudo -u postgres psql -c 'drop table users'", True),
        ("ssh db \"psql -c 'drop table users'\"", True),
        ('psql -c "$SQL"', True),
        ("psql -c 'garbage here now'", True),
        ("mysql -e 'select 1 /*!50000 , (select 1) */'", True),
        ('grep "DROP TABLE users" f.sql', False),
        ("echo 'drop table users'", False),
        ("psql -l", False),
    ],
)
async def test_sql_inside_commands(reader: CommandReader, line: str, hit: bool) -> None:
    assert ((await decide(reader, (SQL,), line)).action is Action.DENY) is hit


async def test_sql_that_is_allowed(reader: CommandReader) -> None:
    reads = Rule("reads", Action.ALLOW, sql=SQLCondition(("select",), ("orders",)))
    for line, action in (
        ("psql -c 'select * from orders where id = 5'", Action.ALLOW),
        ("psql -c 'select * from orders'", Action.DENY),
        ("psql -c 'select * from orders o join users u on o.u = u.id where o.id = 5'", Action.DENY),
        ("psql -c 'delete from orders where id = 5'", Action.DENY),
        ("psql -c 'select 1; drop table orders'", Action.DENY),
        ('psql -c "$X"', Action.DENY),
    ):
        assert (await decide(reader, (reads,), line, Action.DENY)).action is action, line


async def test_explain_tells_all_there_is(reader: CommandReader) -> None:
    raw = b"cd /srv && sudo rm -rf / | tee f; $X"
    understanding = await reader.understand(raw)
    told = explain(RuleSet((WIPE,)).decide(context(), understanding, raw, Action.ALLOW), understanding)
    assert told["verdict"] == "deny"
    assert (told["rule"], told["reason"], told["approvers"]) == ("wipe", "destroys the host", [])
    assert told["commands"] == [["cd", "/srv"], ["sudo", "rm", "-rf", "/"], ["rm", "-rf", "/"], ["tee", "f"], ["$X"]]
    assert told["opaque"] == [{"reason": "unknown-command", "detail": "$X runs a program that is not known"}]


def test_a_verdict_is_remembered_for_its_own_understanding_alone() -> None:
    rules = RuleSet((UNCLEAR,))
    clear = Understanding("x")
    assert rules.decide(context(), clear, b"x", Action.ALLOW).action is Action.ALLOW
    assert rules.decide(context(), clear, b"x", Action.DENY).action is Action.ALLOW
    assert rules.decide(context(), Understanding("x"), b"x", Action.ALLOW).action is Action.ALLOW


NIGHT = TimeWindow(frozenset(range(7)), 22 * 60, 6 * 60, "UTC")
NOON, MIDNIGHT = datetime(2026, 11, 27, 12, tzinfo=UTC), datetime(2026, 11, 27, tzinfo=UTC)


async def test_a_rule_with_times_counts_then_alone(reader: CommandReader) -> None:
    rules = RuleSet([replace(WIPE, times=(NIGHT,))])
    raw = b"rm -rf /"
    understanding = await reader.understand(raw)
    moments = iter([NOON, MIDNIGHT, NOON])
    at = replace(context(), clock=lambda: next(moments))
    for action in (Action.ALLOW, Action.DENY, Action.ALLOW):
        assert rules.decide(at, understanding, raw, Action.ALLOW).action is action
        assert rules.applies(at)  # a session that begins at noon may last until the night


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("rm -r /etc", "risky"),
        ("mkfs.ext4 /dev/sdb1", "risky"),
        ("psql -c 'DROP TABLE users'", "risky"),
        ("frobnicate", "risky"),
        ("systemctl stop nginx", ""),
        ("cat notes", ""),
    ],
)
async def test_a_rule_switches_packs_on_by_name(reader: CommandReader, line: str, rule: str) -> None:
    risky = Rule("risky", Action.DENY, packs=("files", "disks", "databases"), commands=("frobnicate",), groups=("eng",))
    verdict = await decide(reader, (risky,), line)
    assert (verdict.rule, verdict.action) == (rule, Action.DENY if rule else Action.ALLOW)
    assert (await decide(reader, (risky,), line, groups=("ops",))).action is Action.ALLOW


async def test_a_pack_gives_its_reason_where_the_rule_has_none(reader: CommandReader) -> None:
    rule = Rule("risky", Action.DENY, packs=("disks",))
    assert (await decide(reader, (rule,), "mkfs /dev/sda")).reason == "changes disks, partitions or file systems"
    assert (await decide(reader, (replace(rule, reason="no"),), "mkfs /dev/sda")).reason == "no"
