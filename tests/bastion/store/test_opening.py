"""Opening a database: what is created, what is refused, and one clear line for everything that can be wrong."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import make_url

from bastion.audit import Event, EventType
from bastion.errors import BastionError, ConfigError, UnavailableError
from bastion.store import migrations
from bastion.store.database import Database
from bastion.store.opening import open_store, upgrade
from bastion.store.tables import SCHEMA, metadata
from tests.bastion.store.threads import at_once

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "var" / "bastion.db"


@pytest.fixture
def made(file: Path) -> Path:
    open_store(url(file)).close()
    return file


def url(file: Path) -> str:
    return f"sqlite:///{file}"


def refused(file: Path, **options: float) -> BastionError:
    """Return the error of opening it, having checked what holds for all: one line that names the file."""
    with pytest.raises(BastionError) as caught:
        open_store(url(file), **options)
    message = str(caught.value)
    assert str(file) in message
    assert message[0].islower()
    assert "\n" not in message
    return caught.value


def set_version(file: Path, version: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))


def test_a_new_database_is_for_its_owner_alone(file: Path) -> None:
    old = os.umask(0)
    try:
        store = open_store(url(file))
    finally:
        os.umask(old)
    store.journal.append([Event(EventType.SERVER_START)], NOW)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()} == {0o600}
    assert {path.name for path in file.parent.iterdir()} == {"bastion.db", "bastion.db-wal", "bastion.db-shm"}
    store.close()


def test_what_was_kept_is_there_after_reopening(file: Path) -> None:
    store = open_store(url(file))
    entries = store.journal.append([Event(EventType.SERVER_START)], NOW)
    store.close()
    store = open_store(url(file))
    assert store.journal.list() == entries
    store.close()


def test_a_commit_is_on_the_disk_when_reported(made: Path) -> None:
    database = Database(make_url(url(made)))
    with database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("synchronous", "journal_mode", "foreign_keys")
        }
    database.close()
    assert pragmas == {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1}


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    file = tmp_path / "b.db"
    file.touch(mode=0o600)
    open_store(url(file)).close()
    assert file.stat().st_size > 0


def test_many_open_a_new_database_at_once(file: Path) -> None:
    stores = at_once(8, lambda _: open_store(url(file), busy_timeout=30))
    for store in stores:
        store.check()  # type: ignore[attr-defined]  # what open_store returns
        store.close()  # type: ignore[attr-defined]


def test_the_newest_migration_makes_what_the_code_uses(made: Path) -> None:
    assert ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head() == SCHEMA
    database = Database(make_url(url(made)))
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()


# schema versions


def test_an_older_schema_is_refused_until_upgraded(made: Path) -> None:
    set_version(made, "0000")
    error = refused(made)
    assert type(error) is ConfigError
    assert str(error) == (
        f'the database {made} has schema 0000, this bastion needs {SCHEMA}; run "bastion db upgrade -c FILE"'
    )


def test_a_newer_schema_is_refused_and_not_touched(made: Path) -> None:
    set_version(made, "9999")
    before = made.read_bytes()
    assert "was written by a newer bastion (schema 9999" in str(refused(made))
    with pytest.raises(ConfigError, match="newer bastion"):
        upgrade(url(made))
    assert made.read_bytes() == before


def test_upgrading_makes_a_new_database_and_leaves_a_current_one(file: Path) -> None:
    assert upgrade(url(file)) == ""
    store = open_store(url(file))
    store.journal.append([Event(EventType.SERVER_START)], NOW)
    assert upgrade(url(file)) == SCHEMA
    assert store.journal.head().seq == 1
    store.close()


def test_an_upgrade_that_fails_changes_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the last step fails
    monkeypatch.setattr("alembic.operations.Operations.create_index", _failing_at("orders_given"))
    with pytest.raises(RuntimeError, match="the power went"):
        open_store(url(file))
    monkeypatch.undo()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    open_store(url(file)).close()


def _failing_at(name: str) -> object:
    def create_index(_operations: object, index: str, *_arguments: object, **_options: object) -> None:
        if index == name:
            raise RuntimeError("the power went")

    return create_index


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "b.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE photos (id)")
    file.chmod(0o600)
    assert "holds other things than a bastion's" in str(refused(file))
    with pytest.raises(ConfigError, match="other things"):
        upgrade(url(file))


# what else is wrong


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "not a URL"),
        ("postgresql://user:secret@host/db", "no store for postgresql://"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///x.db?mode=ro", "names no file"),
        ("sqlite://host/x.db", "names no file"),
    ],
)
def test_other_urls_are_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        open_store(text)
    assert str(caught.value).startswith("store.database: ")
    assert "secret" not in caught.value.log


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"the folder {tmp_path}/a/b for the database does not exist; create it"):
        open_store(url(tmp_path / "a" / "b" / "c.db"))


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert type(refused(tmp_path / "a" / "b.db")) is ConfigError


def test_a_folder_in_the_way_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "b.db").mkdir(mode=0o700)
    assert "cannot be opened" in str(refused(tmp_path / "b.db"))


def test_a_file_open_to_everyone(made: Path) -> None:
    made.chmod(0o604)
    error = refused(made)
    assert type(error) is ConfigError
    assert f"run: chmod 600 {made}" in str(error)


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be looked at " * 100, b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_no_database(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "b.db"
    file.write_bytes(content)
    file.chmod(0o600)
    error = refused(file)
    assert isinstance(error, UnavailableError)
    assert "restore it from a backup" in str(error)


def test_a_damaged_database(made: Path) -> None:
    store = open_store(url(made))
    store.journal.append([Event(EventType.SERVER_START, data={"x": "y" * 3000})] * 50, NOW)
    store.close()
    content = bytearray(made.read_bytes())
    content[4096 * 3 :] = b"\xee" * (len(content) - 4096 * 3)
    made.write_bytes(content)
    with pytest.raises(UnavailableError, match=f"the database {made} is damaged; restore it from a backup"):
        opened_and_read(made)


def opened_and_read(file: Path) -> None:
    """Open it and read everything, whichever of both fails."""
    store = open_store(url(file))
    try:
        store.journal.list()
        store.approvals.list()
    finally:
        store.close()


@pytest.mark.parametrize("opened", [False, True])
def test_a_lock_of_another_process(made: Path, opened: bool) -> None:
    store = open_store(url(made), busy_timeout=0.05) if opened else None
    with closing(sqlite3.connect(made, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE" if opened else "PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE" if not opened else "SELECT 1")
        if store is None:
            error = refused(made, busy_timeout=0.05)
        else:
            with pytest.raises(UnavailableError) as caught:
                store.check()
            error = caught.value
            assert store.journal.list() == []  # readers don't wait for a writer
    assert str(error) == f"the database {made} is locked by another process; stop that process or try again"
    if store is not None:
        store.check()
        store.close()


def test_a_short_lock_is_waited_for(made: Path) -> None:
    store = open_store(url(made), busy_timeout=30)
    with (
        closing(sqlite3.connect(made, isolation_level=None, check_same_thread=False)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        waiting = pool.submit(store.check)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.1)
        other.execute("COMMIT")
        waiting.result(timeout=10)
    store.close()


FULL = """
import resource, signal, sys
from datetime import UTC, datetime
from bastion.audit import Event, EventType
from bastion.errors import UnavailableError
from bastion.store.opening import open_store
store = open_store(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    for n in range(1000):
        store.journal.append([Event(EventType.LOGIN, data={"x": "y" * 4000})], datetime.now(UTC))
except UnavailableError as error:
    print(n, store.journal.head().seq, error, sep="|")
"""


def test_a_file_that_cannot_grow(made: Path) -> None:
    done, kept, message = run(FULL, url(made)).split("|")
    assert 0 < int(done) < 1000
    assert kept == done
    assert message == f"the database {made} cannot be read or written (I/O error); check the disk\n"
    store = open_store(url(made))
    assert store.journal.head().seq == int(done)
    store.journal.append([Event(EventType.LOGIN)], NOW)
    store.close()


def test_a_full_disk(made: Path) -> None:
    store = open_store(url(made))
    database = store._database  # type: ignore[attr-defined]  # only SQLite itself can play a full disk here
    with database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(UnavailableError) as caught:
        store.journal.append([Event(EventType.LOGIN, data={"x": "y" * 4000})] * 10, NOW)
    assert str(caught.value) == f"the database {made} cannot grow, the disk is full; free some space"
    assert "yyyy" not in caught.value.log
    assert store.journal.head().seq == 0
    store.close()


READ = """
import os, sys
from bastion.errors import BastionError
from bastion.store.opening import open_store
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)  # root may write everywhere
try:
    open_store(sys.argv[1]).check()
except BastionError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users can go into."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


def test_a_read_only_file(public: Path) -> None:
    file = public / "b.db"
    open_store(url(file)).close()
    os.chown(file, -1, 65534) if os.getuid() == 0 else None
    file.chmod(0o440)
    public.chmod(0o555)
    message = run(READ, url(file))
    reason = "is read-only; check owner and mode of the file and its folder"
    assert message == f"UnavailableError the database {file} {reason}\n"


def test_a_file_that_others_own(public: Path) -> None:
    file = public / "b.db"
    open_store(url(file)).close()
    file.chmod(0o000)
    message = run(READ, url(file))
    reason = "cannot be opened; check owner and mode of the file and its folder"
    assert message == f"UnavailableError the database {file} {reason}\n"


def test_a_folder_that_others_own(public: Path) -> None:
    public.chmod(0o555)
    assert (
        run(READ, url(public / "b.db"))
        == f"ConfigError the database {public}/b.db cannot be opened: Permission denied\n"
    )


def run(code: str, *arguments: str) -> str:
    """Run a Python text as a process of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
