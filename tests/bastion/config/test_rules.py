"""Roles and rules: what they may say, and the one line a wrong one gets."""

from datetime import timedelta

import pytest

from bastion.config.schema import AccessRequestConfig, Selector, SQLCondition
from bastion.model import Action, ChannelKind, ControlRight, Kind, TimeLimits
from tests.bastion.configs import RULE, WEB, config, findings

ROLE = '[roles.engineer]\ngroups = ["eng"]\n'
SELECTOR = 'must be a target\'s name or labels, as in { env = "prod" }'

WRONG = [
    ("[[roles]]\ngroups = ['a']", "roles: must be a table, not a list"),
    ("[roles.r]", "roles.r.groups: is missing or empty; name the groups that have this role"),
    ("[roles.r]\ngroups = []", "roles.r.groups: is missing or empty; name the groups that have this role"),
    ("[roles.r]\ngroups = 'eng'", "roles.r.groups: must be a list in brackets, not text"),
    ("[roles.r]\ngroups = ['']", "roles.r.groups[0]: must not be empty"),
    (
        "[roles.r]\ngroups = ['*']",
        'roles.r.groups[0]: groups are exact names and "*" is nobody\'s; name each group',
    ),
    (
        "[roles.'a/b']\ngroups = ['g']",
        ("roles.\"a/b\": \"a/b\" cannot be a name: use letters, digits, '.', '_' and '-', a letter or digit first"),
    ),
    (f"{ROLE}targets = 'web-1'", "roles.engineer.targets: must be a list in brackets, not text"),
    (f"{ROLE}targets = ['web1']", 'roles.engineer.targets[0]: no target named "web1"; did you mean "web-1"?'),
    (
        f"{ROLE}targets = ['web-1', 'db']",
        'roles.engineer.targets[1]: no target named "db"',
    ),
    (
        f"{ROLE}targets = ['WEB-*']",
        ("roles.engineer.targets[0]: \"WEB-*\" cannot match a target's name: those hold a-z, 0-9, '.', '_' and '-'"),
    ),
    (f"{ROLE}targets = [1]", f"roles.engineer.targets[0]: {SELECTOR}, not a number"),
    (
        f"{ROLE}targets = [{{}}]",
        'roles.engineer.targets[0]: picks nothing; write labels, as in { env = "prod" }, or "*" for every target',
    ),
    (
        f"{ROLE}targets = [{{ env = ['prod'] }}]",
        "roles.engineer.targets[0]: a label's value must be text in quotes, not a list",
    ),
    (
        f"{ROLE}logins = ['-oProxyCommand=x']",
        (
            'roles.engineer.logins[0]: "-oProxyCommand=x" cannot be a login: '
            "use letters, digits, '_', '.', '+' and '-', or \"*\" for any"
        ),
    ),
    *(
        (
            f"{ROLE}logins = ['{login}']",
            (
                f'roles.engineer.logins[0]: "{login}" cannot be a login: '
                "use letters, digits, '_', '.', '+' and '-', or \"*\" for any"
            ),
        )
        for login in ("a%b", "a@b", "a b", "a;b", "$(id)", "..", "{name}", "dep*")
    ),
    (
        f'{ROLE}logins = ["a\\n"]',
        "roles.engineer.logins[0]: must be one line without control or invisible characters",
    ),
    (
        f"{ROLE}channels = ['scp']",
        f'roles.engineer.channels[0]: "scp" is not known; use one of {", ".join(ChannelKind)}',
    ),
    (f"{ROLE}control = ['aprove']", 'roles.engineer.control[0]: "aprove" is not known; did you mean "approve"?'),
    (f"{ROLE}default = true", "roles.engineer.default: must be text, not a boolean"),
    (f"{ROLE}request = true", "roles.engineer.request: must be a table, not a boolean"),
    (
        f"{ROLE}request = {{ max = '4h' }}",
        "roles.engineer.request.approvers: is missing or empty; name the groups that may agree",
    ),
    (
        f"{ROLE}request = {{ approvers = ['sre'] }}",
        'roles.engineer.request.max: is missing; write the longest time to grant, as in "4h"',
    ),
    (
        f"{ROLE}request = {{ approvers = ['sre'], max = '4h', min = '1h' }}",
        "roles.engineer.request.min: is not a known key; known here: approvers, max",
    ),
    (
        f"{ROLE}idle_limit = 15",
        'roles.engineer.idle_limit: must be text with a unit, as in "8h" or "90d", not a number',
    ),
    (f"{ROLE}time_limit = '0s'", "roles.engineer.time_limit: must be above zero and at most 100 years"),
    (
        f"{ROLE}idle_limit = '2h'\ntime_limit = '1h'",
        "roles.engineer.idle_limit: must not be longer than time_limit",
    ),
    (f"{ROLE}end_at_expiry = 'yes'", "roles.engineer.end_at_expiry: must be true or false, not text"),
    (f"{ROLE}chanels = []", 'roles.engineer.chanels: is not a known key; did you mean "channels"?'),
    ("[rules]\nname = 'r'", "rules: must be an array of tables: write [[rules]], not [rules]"),
    ("rules = ['r']", "rules[0]: must be a table, not text"),
    ("[[rules]]\naction = 'deny'", "rules[0].name: is missing; messages and the journal name the rule"),
    ("[[rules]]\nname = 'r'", "rules[0].action: is missing; one of allow, approve, deny"),
    (
        "[[rules]]\naction = 'deny'\nname = 'two words'",
        (
            'rules[0].name: "two words" cannot be a name: '
            "use letters, digits, '.', '_' and '-', a letter or digit first"
        ),
    ),
    (f"{RULE}{RULE}", 'rules[1].name: "r" is that of rules[0] too; each rule needs its own'),
    (
        "[[rules]]\nname = 'r'\naction = 'block'",
        'rules[0].action: "block" is not known; use one of allow, approve, deny',
    ),
    ("[[rules]]\nname = 'r'\naction = 'Deny'", 'rules[0].action: "Deny" is not known; did you mean "deny"?'),
    (
        "[[rules]]\nname = 'r'\naction = 'approve'",
        "rules[0].approvers: is missing or empty; name the groups that may approve",
    ),
    (
        "[[rules]]\nname = 'r'\naction = 'approve'\napprovers = ['g']\napprovals = 0",
        "rules[0].approvals: must be between 1 and 20",
    ),
    (
        "[[rules]]\nname = 'r'\naction = 'approve'\napprovers = ['g']\ntimeout = '0s'",
        "rules[0].timeout: must be above zero and at most 100 years",
    ),
    (f"{RULE}commands = 'rm'", "rules[0].commands: must be a list in brackets, not text"),
    (f"{RULE}commands = ['rm', ' ']", "rules[0].commands[1]: must not be empty"),
    (
        f'{RULE}commands = ["echo \'a"]',
        'rules[0].commands[0]: "echo \'a" has a quote that is not closed',
    ),
    (
        f"{RULE}commands = ['rm && reboot']",
        'rules[0].commands[0]: "rm && reboot" holds "&&": a pattern is one command; write one pattern for each',
    ),
    (
        f"{RULE}commands = ['| sh']",
        'rules[0].commands[0]: "| sh" has nothing on one side of a pipe',
    ),
    (
        f"{RULE}commands = ['curl ** |']",
        'rules[0].commands[0]: "curl ** |" has nothing on one side of a pipe',
    ),
    (f"{RULE}regex = ['']", "rules[0].regex[0]: must not be empty"),
    (
        f"{RULE}regex = ['a(']",
        'rules[0].regex[0]: "a(" is not a linear-time regex (re2): missing ): a(',
    ),
    (
        f"{RULE}regex = ['(?=a)']",
        'rules[0].regex[0]: "(?=a)" is not a linear-time regex (re2): invalid perl operator: (?=',
    ),
    (
        f"{RULE}regex = ['(a)\\1']",
        'rules[0].regex[0]: "(a)\\\\1" is not a linear-time regex (re2): invalid escape sequence: \\1',
    ),
    (f"{RULE}sql = 'drop'", "rules[0].sql: must be a table, not text"),
    (f"{RULE}sql = {{ unbounded = false }}", "rules[0].sql: says nothing; write statements, tables or unbounded"),
    (f"{RULE}sql = {{}}", "rules[0].sql: says nothing; write statements, tables or unbounded"),
    (
        f"{RULE}sql = {{ statements = ['dropp'] }}",
        'rules[0].sql.statements[0]: "dropp" is not known; did you mean "drop"?',
    ),
    (f"{RULE}sql = {{ unbounded = 'yes' }}", "rules[0].sql.unbounded: must be true or false, not text"),
    (f"{RULE}sql = {{ table = ['a'] }}", 'rules[0].sql.table: is not a known key; did you mean "tables"?'),
    (
        f"{RULE}opaque = 'yes'",
        'rules[0].opaque: must be true, false or a list of reasons, as in ["network-code"], not text',
    ),
    (f"{RULE}opaque = []", 'rules[0].opaque: is empty; write false, or reasons as in ["network-code"]'),
    (f"{RULE}opaque = ['netwrk-code']", 'rules[0].opaque: "netwrk-code" is not known; did you mean "network-code"?'),
    (f"{RULE}commands = ['ls >']", 'rules[0].commands[0]: "ls >" names no file behind >'),
    (f"{RULE}kinds = ['people']", 'rules[0].kinds[0]: "people" is not known; use one of human, agent, workload'),
    (f"{RULE}targets = ['web-2']", 'rules[0].targets[0]: no target named "web-2"; did you mean "web-1"?'),
    (f'{RULE}reason = "a\\u001b[2J"', "rules[0].reason: must be one line without control or invisible characters"),
    (f"{RULE}comands = ['rm']", 'rules[0].comands: is not a known key; did you mean "commands"?'),
]


@pytest.mark.parametrize(("text", "line"), WRONG)
def test_a_wrong_role_or_rule_gets_one_line(text: str, line: str) -> None:
    assert findings(f"{text}\n{WEB}") == [line]


def test_everything_a_role_can_say() -> None:
    role = config(
        f"""{ROLE}
        targets = ["web-1", "web-*", {{ env = "prod", tier = "1" }}]
        logins = ["deploy", "*"]
        channels = ["shell", "forward"]
        control = ["approve", "kill"]
        default = "deny"
        request = {{ approvers = ["sre"], max = "4h" }}
        {WEB}"""
    ).roles["engineer"]
    assert role.groups == ("eng",)
    assert role.targets == (
        Selector(name="web-1"),
        Selector(name="web-*"),
        Selector(labels=(("env", "prod"), ("tier", "1"))),
    )
    assert role.logins == ("deploy", "*")
    assert role.channels == {ChannelKind.SHELL, ChannelKind.FORWARD}
    assert role.control == {ControlRight.APPROVE, ControlRight.KILL}
    assert role.default is Action.DENY
    assert role.request == AccessRequestConfig(("sre",), timedelta(hours=4))


def test_a_role_grants_nothing_that_it_does_not_name() -> None:
    role = config(ROLE).roles["engineer"]
    assert (role.targets, role.logins, role.channels, role.control) == ((), (), frozenset(), frozenset())
    assert role.request is None


def test_a_role_limits_time_where_it_says_so() -> None:
    assert config(ROLE).roles["engineer"].limits == TimeLimits(None, None, at_expiry=False)
    role = config(f"{ROLE}idle_limit = '15m'\ntime_limit = '8h'\nend_at_expiry = true").roles["engineer"]
    assert role.limits == TimeLimits(timedelta(minutes=15), timedelta(hours=8), at_expiry=True)


def test_everything_a_rule_can_say() -> None:
    (rule,) = config(
        f"""
        [[rules]]
        name = "prod-change"
        action = "approve"
        targets = ["web-1"]
        groups = ["agents"]
        kinds = ["agent", "workload"]
        logins = ["deploy"]
        commands = ["systemctl stop *", "curl ** | sh", 'find ** -exec rm {{}} \\;', "echo 'a && b'"]
        regex = ["^rm"]
        sql = {{ statements = ["drop", "delete"], tables = ["users"], unbounded = true }}
        opaque = ["network-code"]
        approvers = ["sre"]
        approvals = 2
        timeout = "10m"
        reason = "changes production"
        {WEB}"""
    ).rules
    assert rule.action is Action.APPROVE
    assert rule.targets == (Selector(name="web-1"),)
    assert (rule.groups, rule.logins) == (("agents",), ("deploy",))
    assert rule.kinds == {Kind.AGENT, Kind.WORKLOAD}
    assert rule.commands == ("systemctl stop *", "curl ** | sh", "find ** -exec rm {} \\;", "echo 'a && b'")
    assert rule.regex == ("^rm",)
    assert rule.sql == SQLCondition(("drop", "delete"), ("users",), unbounded=True)
    assert rule.opaque == frozenset({"network-code"})
    assert (rule.approvers, rule.approvals, rule.timeout) == (("sre",), 2, timedelta(minutes=10))
    assert rule.reason == "changes production"


def test_rules_keep_the_order_of_the_file() -> None:
    text = "".join(RULE.replace('"r"', f'"{name}"') for name in ("c", "a", "b"))
    assert [rule.name for rule in config(text).rules] == ["c", "a", "b"]
