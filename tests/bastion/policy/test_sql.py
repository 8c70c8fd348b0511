"""What is known of SQL statements: kind, tables, whether something bounds them, and when nothing is known."""

import pytest

from bastion.config.schema import SQL_STATEMENTS, SQLCondition
from bastion.policy.sql import StatementFacts, satisfies, statements

KNOWN = [
    ("postgres", "select * from users", {"select"}, {"users"}, True),
    ("postgres", "select * from users limit 5", {"select"}, {"users"}, False),
    ("postgres", "select * from users where id = 5", {"select"}, {"users"}, False),
    ("postgres", "select * from users where id in (1, 2)", {"select"}, {"users"}, False),
    ("postgres", "select * from users where true", {"select"}, {"users"}, True),
    ("postgres", "select * from users where 1 = 1", {"select"}, {"users"}, True),
    ("postgres", "select * from users where id = id", {"select"}, {"users"}, True),
    ("postgres", "select * from users where id = 5 or true", {"select"}, {"users"}, True),
    ("postgres", "select 1", {"select"}, set(), False),
    ("postgres", "select * from a join public.b on a.x = b.x where a.y = 1", {"select"}, {"a", "public.b"}, False),
    ("postgres", 'delete from "Users"', {"delete"}, {"users"}, True),
    ("postgres", "delete from users where id = 1", {"delete"}, {"users"}, False),
    ("postgres", "update users set a = 1", {"update"}, {"users"}, True),
    ("postgres", "truncate users, orders", {"truncate"}, {"users", "orders"}, True),
    ("postgres", "drop table users", {"drop"}, {"users"}, True),
    ("postgres", "with d as (delete from users returning *) select * from d", {"select", "delete"}, {"users"}, True),
    ("postgres", "insert into a values (1)", {"insert"}, {"a"}, False),
    ("postgres", "insert into a select * from users", {"insert"}, {"a", "users"}, True),
    ("postgres", "create table x as select * from users", {"create"}, {"x", "users"}, True),
    ("postgres", "copy users to stdout", {"copy"}, {"users"}, True),
    ("postgres", "explain analyze delete from users", {"explain", "delete"}, {"users"}, True),
    ("postgres", "explain (analyze, buffers) select * from users limit 1", {"explain", "select"}, {"users"}, False),
    ("postgres", "vacuum full users", {"vacuum"}, set(), True),
    ("postgres", "begin", {"begin"}, set(), False),
    ("postgres", "/* drop table x */ select 1 -- drop", {"select"}, set(), False),
    ("postgres", "select $$drop table users$$", {"select"}, set(), False),
    ("mysql", "show tables", {"show"}, set(), False),
    ("mysql", "select * from `users` limit 1", {"select"}, {"users"}, False),
    ("sqlite", "pragma table_info(x)", {"pragma"}, set(), False),
    ("sqlite", "attach 'x' as y", {"attach"}, set(), True),
]
UNKNOWN = [
    ("postgres", "garbage here now"),
    ("postgres", "select 'unclosed"),
    ("postgres", "do $$begin delete from users; end$$"),
    ("postgres", "prepare p as delete from users"),
    ("postgres", "execute p"),
    ("postgres", "call f()"),
    ("postgres", "checkpoint"),
    ("postgres", "listen x"),
    ("postgres", "copy users from program 'id'"),
    ("mysql", "select 1 /*!50000 union select 2 */"),
    ("mysql", "select 1 /*M! union select 2 */"),
    ("mysql", "flush tables"),
    ("mysql", "select * from users into outfile 'x'"),
    ("oracle", "select 1"),
    ("postgres", "select " + "(" * 500 + "1" + ")" * 500),
    ("postgres", "select 1 " * 20_000),
]


@pytest.mark.parametrize(("dialect", "text", "kinds", "tables", "unbounded"), KNOWN)
def test_known(dialect: str, text: str, kinds: set[str], tables: set[str], unbounded: bool) -> None:
    (statement,) = statements(dialect, text)
    assert statement.known
    assert (set(statement.kinds), set(statement.tables), statement.unbounded) == (kinds, tables, unbounded)
    assert statement.kinds <= set(SQL_STATEMENTS)


@pytest.mark.parametrize(("dialect", "text"), UNKNOWN, ids=range(len(UNKNOWN)))
def test_unknown(dialect: str, text: str) -> None:
    assert not all(statement.known for statement in statements(dialect, text))


def test_several_statements() -> None:
    found = statements("postgres", "select 1; drop table users; ; delete from a;")
    assert [next(iter(statement.kinds)) for statement in found] == ["select", "drop", "delete"]


def test_what_is_not_known_may_be_anything_and_surely_is_nothing() -> None:
    (statement,) = statements("postgres", "garbage here now")
    condition = SQLCondition(("drop",), ("users",), unbounded=True)
    assert satisfies(StatementFacts(0, statement), condition, certain=False)
    assert not satisfies(StatementFacts(0, statement), condition, certain=True)


def test_names_of_tables_are_globs_on_the_last_or_the_whole_name() -> None:
    (statement,) = statements("postgres", "select * from app.users_2024")
    for glob, expected in (
        ("users*", True),
        ("app.*", True),
        ("*.users_*", True),
        ("users", False),
        ("APP.USERS*", True),
    ):
        fact = StatementFacts(0, statement)
        assert satisfies(fact, SQLCondition(tables=(glob,)), certain=False) is expected, glob
