"""Personal data of a real database reaches nobody in clear, however `psql` in a shell lays it out."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.e2e.conftest import PROMPT, open_shell
from tests.lab.bastion import Bastion, World
from tests.lab.client import Client
from tests.lab.postgres import USER, Postgres

PEOPLE = 60
NAMES = [f"{first} {last}" for first in ("Anna", "Bernd", "Carla", "Dilek", "Emil", "Frida") for last in
         ("Abel", "Brandt", "Claasen", "Dorn", "Ebert", "Fink", "Graf", "Hahn", "Iven", "Jahn")]  # fmt: skip
TABLE = f"""
create table people (id int primary key, name text, email text, phone text, birth_date date, iban text, password text);
insert into people select n, (string_to_array('{",".join(NAMES)}', ','))[n], 'p' || n || '@example.com',
    '+49 30 1234' || lpad(n::text, 3, '0'), date '1980-01-01' + n * 37, 'DE89370400440532013000', 'hunter2-' || n
    from generate_series(1, {PEOPLE}) n;
"""
VALUES = re.compile(
    r"p\d+@example|\+?49 30 1234|DE8937|hunter2-\d|19[89]\d-\d\d-\d\d|" + "|".join(name.split()[1] for name in NAMES)
)


@pytest.fixture(scope="module")
def database(world: World) -> Iterator[Postgres]:
    database = Postgres(world.account)
    try:
        database.sql(TABLE)
        yield database
    finally:
        database.stop()


@pytest.fixture(scope="module")
def bastion(world: World) -> Iterator[Bastion]:
    """One that masks all there is to mask."""
    folder = world.folder / "bastion-psql"
    shutil.copytree(world.bastion.folder / "hostkeys", folder / "hostkeys")
    text = world.config()
    bastion = Bastion(folder, text[: text.index("[masking]")] + '[masking]\nstyle = "tag"\n')
    yield bastion
    bastion.stop()


@pytest.fixture(scope="module")
def alice(world: World, bastion: Bastion) -> Client:
    alice = Client(world.folder / "psql" / "alice", bastion, "alice", world.login)
    alice.sign_in(world.people.token("alice"))
    return alice


@pytest.fixture
def psql(alice: Client, world: World, database: Postgres) -> "Iterator[pexpect.spawn[str]]":
    """A shell on the target with psql in it, ready for a statement."""
    shell = open_shell(alice, "-J", "bastion", f"{world.login}@web-1", rows=20, columns=160)
    shell.sendline(f"PSQLRC=/dev/null LESS=-S PAGER=less psql -h {database.socket} -U {USER} postgres")
    shell.expect_exact("postgres=# ")
    yield shell
    shell.close()


def shown(psql: "pexpect.spawn[str]", line: str) -> str:
    """Return what a line shows up to the next prompt."""
    psql.sendline(line)
    psql.expect(r"postgres=# \Z")
    return psql.before or ""


def kept_in_clear(bastion: Bastion) -> list[Path]:
    kept = [bastion.server.log, *bastion.files()]
    assert any(path.suffix == ".cast" for path in kept)
    return [path for path in kept if VALUES.search(path.read_bytes().decode(errors="replace"))]


def test_every_format(psql: "pexpect.spawn[str]", bastion: Bastion) -> None:
    shown(psql, r"\pset pager off")
    for setting in (r"\pset format aligned", r"\x on", r"\x off", r"\pset format csv", r"\pset format unaligned",
                    r"\pset linestyle unicode", r"\pset format wrapped"):  # fmt: skip
        shown(psql, setting)
        out = shown(psql, "select * from people order by id limit 40;")
        assert VALUES.search(out) is None, (setting, VALUES.search(out), out[:2000])
        assert out.count("[EMAIL]") == 40, setting
    out = shown(psql, r"\copy people to stdout csv header")
    assert VALUES.search(out) is None, out[:1000]
    psql.sendline(r"\q")
    psql.expect_exact(PROMPT)
    assert kept_in_clear(bastion) == []


def test_through_a_pager(psql: "pexpect.spawn[str]", bastion: Bastion) -> None:
    psql.sendline("select * from people order by id;")
    seen = ""
    for key in (" ", " ", "b", "G", "g", "/p33@\r", "q"):
        psql.expect(r"(?::|\(END\)|\.\.\.skipping.*|not found.*)[^:]*\Z")
        seen += (psql.before or "") + (psql.after or "")
        psql.send(key)
    psql.expect(r"postgres=# \Z")
    seen += psql.before or ""
    assert "[EMAIL]" in seen
    assert VALUES.search(seen) is None, VALUES.findall(seen)[:20]
    psql.sendline(r"\q")
    psql.expect_exact(PROMPT)
    assert kept_in_clear(bastion) == []
