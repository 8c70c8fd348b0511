"""The tables, as SQLAlchemy Core sees them. Migrations create them (`bastion.store.migrations`); a test compares both.

Columns are the fields of the rows in `bastion.store.base`. Certificate serials are text, as they fill 64 bits unsigned.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

SCHEMA = "0004"
"""The schema this code works with: the newest migration. Versions are numbers of four digits, in order."""

metadata = MetaData()


class UTCDateTime(TypeDecorator[datetime]):
    """Aware datetimes, kept as UTC; SQLite stores them without zone, in an order that text comparison follows."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the value in UTC."""
        if value is not None and value.tzinfo is None:
            raise ValueError("the store takes aware datetimes only")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the value with its zone."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Line(TypeDecorator[str]):
    """Text from outside. What a database cannot hold (NUL, lone surrogates) is kept as its escape."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the storable form of the text."""
        return None if value is None else storable(value)


def storable(value: str) -> str:
    r"""Return a text that every database can hold: NUL becomes `\x00`, a lone surrogate its escape."""
    return value.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("connection", Line, nullable=False),
    Column("identity", Line, nullable=False),
    Column("issuer", Line, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("target", Line, nullable=False),
    Column("login", Line, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("command", Line, nullable=False),
    Column("started", UTCDateTime, nullable=False),
    Column("ended", UTCDateTime),
    Column("exit_status", Line),
    Column("verdict", Line, nullable=False),
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("recording", Line, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("masked", Text, nullable=False),  # JSON object: type of value -> how many
    Column("worker", String(64), nullable=False, server_default=""),
    Index("sessions_started", "started", "id"),
    Index("sessions_identity", "identity", "issuer", "started"),
    Index("sessions_live", "id", sqlite_where=text("ended IS NULL"), postgresql_where=text("ended IS NULL")),
)

LIVE = text("state IN ('pending', 'approved')")

approvals = Table(
    "approvals",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("rule", Line, nullable=False),
    Column("requester", Line, nullable=False),
    Column("issuer", Line, nullable=False),
    Column("subject", Line, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("target", Line, nullable=False),
    Column("login", Line, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("command", LargeBinary, nullable=False),
    Column("reason", Line, nullable=False),
    Column("approvals", Integer, nullable=False),
    Column("scope", String(16), nullable=False),
    Column("connection", String(64), nullable=False),
    Column("session", String(64), nullable=False, server_default=""),
    Column("masked", LargeBinary, nullable=False, server_default=""),
    Column("created", UTCDateTime, nullable=False),
    Column("expires", UTCDateTime, nullable=False),
    Column("revision", BigInteger, nullable=False),
    # of one digest at most one may be live: the last word on races
    Index("approvals_live", "digest", unique=True, sqlite_where=LIVE, postgresql_where=LIVE),
    Index("approvals_expires", "expires", sqlite_where=LIVE, postgresql_where=LIVE),
    Index("approvals_created", "created", "id"),
    Index("approvals_requester", "issuer", "subject"),
    Index("approvals_revision", "revision"),
)

approval_approvers = Table(
    "approval_approvers",
    metadata,
    Column("approval", ForeignKey("approvals.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", Line, nullable=False),
    Index("approval_approvers_name", "name"),
)

approval_decisions = Table(
    "approval_decisions",
    metadata,
    Column("approval", ForeignKey("approvals.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("who", Line, nullable=False),
    Column("issuer", Line, nullable=False),
    Column("subject", Line, nullable=False),
    Column("approve", Boolean, nullable=False),
    Column("reason", Line, nullable=False),
    Column("time", UTCDateTime, nullable=False),
    UniqueConstraint("approval", "issuer", "subject", name="approval_decisions_person"),
)

# One row. Writers of approvals take it first, so that revisions are committed in their order.
approval_clock = Table(
    "approval_clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("time", String(32), nullable=False),
    Column("node", Text, nullable=False),
    Column("type", String(64), nullable=False),
    Column("identity", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("data", Text, nullable=False),  # canonical JSON
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("journal_type", "type", "seq"),
)

# One row: where the chain ends. Triggers keep both tables append-only (see the migration).
journal_head = Table(
    "journal_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

certificates = Table(
    "certificates",
    metadata,
    Column("serial", String(20), primary_key=True),
    Column("identity", Line, nullable=False),
    Column("issuer", Line, nullable=False),
    Column("subject", Line, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("fingerprint", Line, nullable=False),
    Column("issued", UTCDateTime, nullable=False),
    Column("expires", UTCDateTime, nullable=False),
    Column("revoked", UTCDateTime),
    Index("certificates_issued", "issued"),
    Index("certificates_identity", "identity", "issued"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("node", Line, nullable=False),
    Column("space", String(128), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("born", String(32), nullable=False),
    Column("seen", UTCDateTime, nullable=False),
)

# Numbers are never used again, not even those of orders that are forgotten: a worker remembers the last one it saw.
orders = Table(
    "orders",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("by", Line, nullable=False),
    Column("reason", Line, nullable=False),
    Column("given", UTCDateTime, nullable=False),
    Index("orders_given", "given"),
    sqlite_autoincrement=True,
)
