"""SQL inside commands: kinds of statement, tables, and whether a WHERE or LIMIT bounds it. Read by sqlglot.

Only kinds on a list are believed. What sqlglot reads as a generic command, as a bare expression, with an error, or
with a MySQL version comment is not known, and then every condition may hold.
"""

import logging
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from bastion.config.schema import SQLCondition
from bastion.policy.understanding import SQLText, Understanding

logging.getLogger("sqlglot").disabled = True  # its warnings quote the statement

MAX_LENGTH = 65_536
DIALECTS = {"postgres": "postgres", "mysql": "mysql", "sqlite": "sqlite"}


@dataclass(frozen=True, slots=True)
class Statement:
    """What is known of one statement. `kinds` holds every kind in its tree; `known` False: anything may be true."""

    known: bool
    kinds: frozenset[str] = frozenset()
    tables: frozenset[str] = frozenset()
    unbounded: bool = True


@dataclass(frozen=True, slots=True)
class StatementFacts:
    """A statement and the index of the command that hands it to a database."""

    command: int
    statement: Statement


_UNKNOWN = Statement(known=False)
_KINDS: dict[type[exp.Expr], str] = {
    exp.Select: "select",
    exp.Insert: "insert",
    exp.Update: "update",
    exp.Delete: "delete",
    exp.Merge: "merge",
    exp.Drop: "drop",
    exp.TruncateTable: "truncate",
    exp.Create: "create",
    exp.Alter: "alter",
    exp.Grant: "grant",
    exp.Revoke: "revoke",
    exp.Copy: "copy",
    exp.Set: "set",
    exp.Use: "use",
    exp.Show: "show",
    exp.Describe: "describe",
    exp.Transaction: "begin",
    exp.Commit: "commit",
    exp.Rollback: "rollback",
    exp.Analyze: "analyze",
    exp.Kill: "kill",
    exp.Pragma: "pragma",
    exp.Comment: "comment",
    exp.SetOperation: "select",
    exp.Table: "select",
    exp.Values: "select",
    exp.Subquery: "select",
    exp.LoadData: "load",
    exp.Attach: "attach",
    exp.Detach: "detach",
}
# Statements that sqlglot reads no further than their first word, and that can do nothing beyond what it says
_COMMANDS = {
    "VACUUM": "vacuum", "REINDEX": "vacuum", "OPTIMIZE": "vacuum", "LOCK": "lock", "REFRESH": "refresh",
    "RENAME": "rename", "RESET": "set", "SET": "set", "REPLACE": "replace", "CALL": "call", "EXECUTE": "execute",
}  # fmt: skip
_EXPLAIN = re.compile(r"\s*(?:analy[sz]e\s+|verbose\s+|\([^)]*\)\s*)*(.*)", re.IGNORECASE | re.DOTALL)
_RUNS = frozenset({"call", "execute"})  # may do anything
_OPEN_ENDED = frozenset({"call", "execute", "replace", "rename", "lock", "refresh"})


@lru_cache(maxsize=1024)
def statements(dialect: str, text: str) -> tuple[Statement, ...]:
    """Return the statements in a text, in order."""
    if len(text) > MAX_LENGTH or dialect not in DIALECTS:
        return (_UNKNOWN,)
    if dialect == "mysql" and ("/*!" in text or "/*M!" in text):
        return (_UNKNOWN,)
    try:
        parsed = sqlglot.parse(text, read=DIALECTS[dialect])
    except (SqlglotError, RecursionError, ValueError):
        return (_UNKNOWN,)
    return tuple(_statement(tree, dialect) for tree in parsed if tree is not None)


def _statement(tree: exp.Expr, dialect: str) -> Statement:
    if isinstance(tree, exp.Command):
        return _command(tree, dialect)
    kind = _kind(tree)
    if kind is None or (kind == "copy" and "program" in tree.sql().lower()):
        return _UNKNOWN
    kinds = {found for node in tree.find_all(*_KINDS) if (found := _kind(node)) is not None and node is not tree}
    tables = {table.sql_name for table in _tables(tree)}
    return Statement(True, frozenset({kind} | (kinds - {"select"})), frozenset(tables), _unbounded(tree, kind))


def _command(tree: exp.Command, dialect: str) -> Statement:
    """Return what is known of a statement of which sqlglot reads the first word only."""
    name = str(tree.this).upper()
    if name == "EXPLAIN":
        inner = _EXPLAIN.fullmatch(_text(tree.args.get("expression")))
        explained = statements(dialect, inner[1]) if inner else (_UNKNOWN,)
        if len(explained) == 1 and explained[0].known:
            return replace(explained[0], kinds=explained[0].kinds | {"explain"})
        return _UNKNOWN
    kind = _COMMANDS.get(name)
    return _UNKNOWN if kind is None else Statement(kind not in _OPEN_ENDED, frozenset({kind}))


def _text(node: object) -> str:
    return node.name if isinstance(node, exp.Expression) else str(node or "")


def _kind(tree: exp.Expr) -> str | None:
    return next(
        (
            name
            for base, name in _KINDS.items()
            if type(tree) is base or (isinstance(tree, base) and base is exp.SetOperation)
        ),
        None,
    )


@dataclass(frozen=True, slots=True)
class _Table:
    sql_name: str


def _tables(tree: exp.Expr) -> list[_Table]:
    shadowed = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    found = []
    for table in tree.find_all(exp.Table):
        name = ".".join(part.name for part in table.parts).lower()
        if name and not (name in shadowed and not table.db):
            found.append(_Table(name))
    return found


def _unbounded(tree: exp.Expr, kind: str) -> bool:
    """Whether nothing narrows the statement: no WHERE that compares with a value, no LIMIT."""
    if kind in {"set", "use", "show", "describe", "begin", "commit", "rollback", "comment", "pragma"}:
        return False
    if kind == "insert":
        source = tree.args.get("expression")
        return isinstance(source, exp.Select) and source.args.get("from_") is not None and _unbounded(source, "select")
    if kind == "select" and not list(tree.find_all(exp.Table)):
        return False
    where, limit = tree.args.get("where"), tree.args.get("limit")
    if limit is not None and kind in {"select", "update", "delete"}:
        return False
    return where is None or not _narrows(where)


def _narrows(where: exp.Expr) -> bool:
    """Whether a WHERE holds a comparison of a column with a value, at its top level."""
    condition = where.this
    parts = list(condition.flatten()) if isinstance(condition, exp.And) else [condition]
    for part in parts:
        inner = part.unnest() if isinstance(part, exp.Paren) else part
        if isinstance(inner, exp.EQ | exp.In | exp.Between | exp.LT | exp.GT | exp.LTE | exp.GTE | exp.Like | exp.Is):
            columns = [column.sql() for column in inner.find_all(exp.Column)]
            if columns and not (isinstance(inner, exp.EQ) and inner.left == inner.right):
                return True
    return False


def facts(understanding: Understanding) -> list[StatementFacts]:
    """Return every statement in the commands of a text."""
    return [
        StatementFacts(index, statement)
        for index, command in enumerate(understanding.commands)
        for text in command.sql
        for statement in _of(text)
    ]


def _of(text: SQLText) -> tuple[Statement, ...]:
    return (_UNKNOWN,) if text.text is None else statements(text.dialect, text.text)


def satisfies(fact: StatementFacts, condition: SQLCondition, *, certain: bool) -> bool:
    """Whether a statement meets all parts of a condition: its kind, one of its tables, being unbounded."""
    statement = fact.statement
    wanted = {kind.lower() for kind in condition.statements}
    if not statement.known:
        if certain:
            return bool(statement.kinds) and statement.kinds <= wanted and not condition.tables
        return not (statement.kinds and wanted) or bool(statement.kinds & wanted) or statement.kinds <= _RUNS
    if certain:
        return (
            (not wanted or statement.kinds <= wanted)
            and (not condition.tables or all(_named(table, condition.tables) for table in statement.tables))
            and (condition.unbounded or not statement.unbounded)
        )
    return (
        (not wanted or bool(statement.kinds & wanted))
        and (not condition.tables or any(_named(table, condition.tables) for table in statement.tables))
        and (not condition.unbounded or statement.unbounded)
    )


def _named(table: str, globs: tuple[str, ...]) -> bool:
    last = table.rsplit(".", 1)[-1]
    return any(fnmatchcase(table, glob.lower()) or fnmatchcase(last, glob.lower()) for glob in globs)
