"""Reads the sections of bastion.toml that name targets: `[roles.NAME]` and `[[rules]]`."""

from collections.abc import Mapping
from datetime import timedelta

from bastion import environment
from bastion.config.masking import read_choice
from bastion.config.schema import SQL_STATEMENTS, AccessRequestConfig, Role, Rule, Selector, SQLCondition, Target
from bastion.config.table import Reader, Table
from bastion.config.times import time_window
from bastion.config.values import (
    BadValueError,
    boolean,
    command_pattern,
    duration,
    env_pattern,
    group,
    integer,
    is_glob,
    login,
    member,
    noun,
    path_pattern,
    plain_name,
    quoted,
    regex,
    selector,
    suggestion,
    text,
    word,
)
from bastion.instances import instance
from bastion.model import TRANSFERS, Action, ChannelKind, ControlRight, Kind, ShellGate, TimeLimits
from bastion.policy import pack
from bastion.policy.understanding import Reason

_MOST_APPROVALS = 20
_UNSAID: bool | None = None
_NO_LIMIT: timedelta | None = None
_NOT_OPAQUE: bool | frozenset[str] = False
_APPROVE_ONLY = ("approvers", "approvals", "timeout")


def read_roles(root: Table, targets: Mapping[str, Target]) -> dict[str, Role]:
    """Return all roles by name; `targets` are those that may be named, by name. Findings go to the table."""
    return {name: _role(name, table, targets) for name, table in root.tables("roles", plain_name).items()}


def _role(name: str, table: Table, targets: Mapping[str, Target]) -> Role:
    role = Role(
        name=name,
        groups=table.some("groups", group, "name the groups that have this role"),
        targets=table.several("targets", _known_selector(targets)),
        logins=table.several("logins", login),
        channels=frozenset(table.several("channels", member(ChannelKind))),
        control=frozenset(table.several("control", member(ControlRight))),
        default=table.take("default", member(Action), Action.ALLOW),
        request=_request(table),
        env=table.several("env", env_pattern, environment.DEFAULT),
        shell=table.take("shell", member(ShellGate), ShellGate.MISTAKES),
        pty=table.take("pty", boolean, _UNSAID),
        masking=read_choice(table, is_target=False),
        limits=_limits(table),
    )
    table.finish()
    return role


def _limits(role: Table) -> TimeLimits:
    idle = role.take("idle_limit", duration, _NO_LIMIT)
    total = role.take("time_limit", duration, _NO_LIMIT)
    if idle is not None and total is not None and idle > total:
        role.error("idle_limit", "must not be longer than time_limit")
    return TimeLimits(idle, total, at_expiry=role.take("end_at_expiry", boolean, False))


def _request(role: Table) -> AccessRequestConfig | None:
    if "request" not in role:
        role.table("request")
        return None
    table = role.table("request")
    request = AccessRequestConfig(
        approvers=table.some("approvers", group, "name the groups that may agree"),
        max=table.need("max", duration, timedelta(), 'write the longest time to grant, as in "4h"'),
    )
    table.finish()
    return request


def _known_selector(targets: Mapping[str, Target]) -> Reader[Selector]:
    """Return a reader of selectors whose plain names must be those of targets, or match a pattern of them."""
    patterns = [target for target in targets.values() if target.pattern]

    def read(value: object) -> Selector:
        found = selector(value)
        name = found.name
        if not name or is_glob(name) or name in targets:
            return found
        if not any(instance(pattern, name) for pattern in patterns):
            raise BadValueError(f"no target named {quoted(name)}{suggestion(name, targets)}")
        return found

    return read


def read_rules(root: Table, targets: Mapping[str, Target]) -> tuple[Rule, ...]:
    """Return all rules in the file's order; `targets` are those that may be named. Findings go to the table."""
    tables = root.array("rules")
    rules = tuple(_rule(table, targets) for table in tables)
    seen: dict[str, str] = {}
    for table, rule in zip(tables, rules, strict=True):
        first = seen.setdefault(rule.name, table.path)
        if rule.name and first != table.path:
            table.error("name", f"{quoted(rule.name)} is that of {first} too; each rule needs its own")
    return rules


def _rule(table: Table, targets: Mapping[str, Target]) -> Rule:
    action = table.need("action", member(Action), Action.DENY, "one of allow, approve, deny")
    if action is not Action.APPROVE and "action" in table:
        for key in _APPROVE_ONLY:
            if key in table:
                table.warn(key, f'does nothing in a rule whose action is "{action}"')
    rule = Rule(
        name=table.need("name", plain_name, "", "messages and the journal name the rule"),
        action=action,
        commands=table.several("commands", command_pattern),
        regex=table.several("regex", regex),
        sql=_sql(table),
        packs=table.several("packs", word(pack.names())),
        opaque=table.take("opaque", _opaque, _NOT_OPAQUE),
        paths=table.several("paths", path_pattern),
        transfer=frozenset(ChannelKind(way) for way in table.several("transfer", word(sorted(TRANSFERS)))),
        targets=table.several("targets", _known_selector(targets)),
        groups=table.several("groups", group),
        kinds=frozenset(table.several("kinds", member(Kind))),
        logins=table.several("logins", login),
        times=table.several("times", time_window),
        reason=table.take("reason", text, ""),
        approvers=_approvers(table, action),
        approvals=table.take("approvals", integer(1, _MOST_APPROVALS), 1),
        timeout=table.take("timeout", duration, timedelta(minutes=10)),
    )
    table.finish()
    return rule


def _approvers(table: Table, action: Action) -> tuple[str, ...]:
    if action is Action.APPROVE:
        return table.some("approvers", group, "name the groups that may approve")
    return table.several("approvers", group)


def _sql(rule: Table) -> SQLCondition | None:
    table = rule.table("sql")
    condition = SQLCondition(
        statements=table.several("statements", word(SQL_STATEMENTS)),
        tables=table.several("tables", text),
        unbounded=table.take("unbounded", boolean, False),
    )
    table.finish()
    if "sql" not in rule:
        return None
    if table.is_sound and condition == SQLCondition():
        rule.error("sql", "says nothing; write statements, tables or unbounded")
    return condition


def _opaque(value: object) -> bool | frozenset[str]:
    if isinstance(value, bool):
        return value
    if value == []:
        raise BadValueError('is empty; write false, or reasons as in ["network-code"]')
    if not isinstance(value, list):
        raise BadValueError(f'must be true, false or a list of reasons, as in ["network-code"], not {noun(value)}')
    read = member(Reason)
    return frozenset(read(reason).value for reason in value)
