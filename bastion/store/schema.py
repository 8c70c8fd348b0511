"""The database's schema version: creating, checking and upgrading it. Migrations lie in `bastion/store/migrations`.

Only a database that holds nothing is created at the newest schema without asking; one with an older schema is changed
by `upgrade` alone (`bastion db upgrade`), one with a newer schema is not touched.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text

from bastion.errors import ConfigError
from bastion.store.database import Database
from bastion.store.tables import SCHEMA

_MIGRATIONS = Path(__file__).parent / "migrations"


def create_or_check(database: Database) -> None:
    """Create the tables where there is none at all, else raise ConfigError unless their schema is this code's."""
    with database.read() as connection:
        version = _version(database, connection)
    if version == "":
        with database.write() as connection:
            # another process may have been faster
            if _version(database, connection) == "":
                _run(connection)
    elif version < SCHEMA:
        raise ConfigError(
            f"the database {database.label} has schema {version}, this bastion needs {SCHEMA};"
            ' run "bastion db upgrade -c FILE"'
        )
    else:
        _refuse_newer(database, version)


def upgrade(database: Database) -> str:
    """Bring a database to the newest schema, in one transaction; return the version it had ("" for none)."""
    with database.write() as connection:
        version = _version(database, connection)
        _refuse_newer(database, version)
        if version != SCHEMA:
            _run(connection)
    return version


def _version(database: Database, connection: Connection) -> str:
    """Return the schema's version, "" where the database holds no table; raise ConfigError where it isn't ours."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return ""
    row = None
    if "alembic_version" in tables:
        row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    if row is None:
        raise ConfigError(f"the database {database.label} holds other things than a bastion's; choose another one")
    return str(row[0])


def _refuse_newer(database: Database, version: str) -> None:
    if version > SCHEMA:
        raise ConfigError(
            f"the database {database.label} was written by a newer bastion (schema {version}, this one knows {SCHEMA});"
            " run that version, or restore a backup"
        )


def _run(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
