"""From an older schema to the newest: what was kept stays."""

from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import make_url

from bastion.errors import ConfigError
from bastion.store import migrations
from bastion.store.database import Database
from bastion.store.opening import open_store, upgrade
from tests.bastion.store.rows import LATER, session

COLUMNS = {
    "id": "1",
    "connection": "c1",
    "identity": "alice",
    "issuer": "corp",
    "kind": "human",
    "target": "web-1",
    "login": "deploy",
    "channel": "exec",
    "command": "uptime",
    "started": "2026-11-22 20:49:00.123456",
    "verdict": "",
    "bytes_in": 0,
    "bytes_out": 0,
    "recording": "",
    "sha256": "",
    "masked": "{}",
}


def test_from_the_first_schema(tmp_path: Path) -> None:
    """A session that is open then belongs to no worker."""
    url = f"sqlite:///{tmp_path}/bastion.db"
    database = Database(make_url(url))
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with closing(database), database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        names, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
        connection.exec_driver_sql(f"INSERT INTO sessions ({names}) VALUES ({marks})", tuple(COLUMNS.values()))
    (tmp_path / "bastion.db").chmod(0o600)
    with pytest.raises(ConfigError, match=r'has schema 0001, .* run "bastion db upgrade -c FILE"'):
        open_store(url)
    assert upgrade(url) == "0001"
    with closing(open_store(url)) as store:
        assert store.sessions.get("1") == session()
        assert [row.id for row in store.sessions.close_orphans(LATER, [""])] == ["1"]
