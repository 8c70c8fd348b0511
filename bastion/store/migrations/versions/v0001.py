"""First schema: sessions, approvals, journal, certificates.

Tables are written out here and never changed again; `bastion.store.tables` is what the newest version looks like.
"""

import sqlalchemy as sa
from alembic import op

from bastion.audit import GENESIS

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
LIVE = sa.text("state IN ('pending', 'approved')")
LIVING = sa.text("ended IS NULL")

# The journal is append-only: whoever wants to change it must take the triggers away, which the chain then shows.
# A replacing INSERT fires no delete trigger, hence the third.
TRIGGERS = """
CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_no_replace BEFORE INSERT ON journal WHEN NEW.seq <= (SELECT seq FROM journal_head)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_head_forward BEFORE UPDATE ON journal_head WHEN NEW.seq <= OLD.seq OR NEW.id <> OLD.id
BEGIN SELECT RAISE(ABORT, 'the head of the journal only moves on'); END;

CREATE TRIGGER journal_head_no_delete BEFORE DELETE ON journal_head
BEGIN SELECT RAISE(ABORT, 'the head of the journal stays'); END;

CREATE TRIGGER journal_head_no_second BEFORE INSERT ON journal_head WHEN EXISTS (SELECT 1 FROM journal_head)
BEGIN SELECT RAISE(ABORT, 'the journal has one head'); END;
"""  # SQLite's; open_store takes no other database so far


def upgrade() -> None:
    """Create everything."""
    _sessions()
    _approvals()
    _approval_people()
    _journal()
    _certificates()


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("connection", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("login", sa.Text, nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("started", TIME, nullable=False),
        sa.Column("ended", TIME),
        sa.Column("exit_status", sa.Text),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("bytes_in", sa.BigInteger, nullable=False),
        sa.Column("bytes_out", sa.BigInteger, nullable=False),
        sa.Column("recording", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("masked", sa.Text, nullable=False),
    )
    op.create_index("sessions_started", "sessions", ["started", "id"])
    op.create_index("sessions_identity", "sessions", ["identity", "issuer", "started"])
    op.create_index("sessions_live", "sessions", ["id"], sqlite_where=LIVING, postgresql_where=LIVING)


def _approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("login", sa.Text, nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("command", sa.LargeBinary, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("approvals", sa.Integer, nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("connection", sa.String(64), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("expires", TIME, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.create_index("approvals_live", "approvals", ["digest"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE)
    op.create_index("approvals_expires", "approvals", ["expires"], sqlite_where=LIVE, postgresql_where=LIVE)
    op.create_index("approvals_created", "approvals", ["created", "id"])
    op.create_index("approvals_requester", "approvals", ["issuer", "subject"])
    op.create_index("approvals_revision", "approvals", ["revision"])
    clock = op.create_table(
        "approval_clock",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(clock, [{"id": 1, "revision": 0}])


def _approval_people() -> None:
    op.create_table(
        "approval_approvers",
        sa.Column("approval", sa.String(64), sa.ForeignKey("approvals.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
    )
    op.create_index("approval_approvers_name", "approval_approvers", ["name"])
    op.create_table(
        "approval_decisions",
        sa.Column("approval", sa.String(64), sa.ForeignKey("approvals.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("approve", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("time", TIME, nullable=False),
        sa.UniqueConstraint("approval", "issuer", "subject", name="approval_decisions_person"),
    )


def _journal() -> None:
    op.create_table(
        "journal",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("time", sa.String(32), nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("prev", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("journal_type", "journal", ["type", "seq"])
    head = op.create_table(
        "journal_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": GENESIS}])
    for trigger in TRIGGERS.strip().split("\n\n"):
        op.execute(trigger)


def _certificates() -> None:
    op.create_table(
        "certificates",
        sa.Column("serial", sa.String(20), primary_key=True),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("issued", TIME, nullable=False),
        sa.Column("expires", TIME, nullable=False),
        sa.Column("revoked", TIME),
    )
    op.create_index("certificates_issued", "certificates", ["issued"])
    op.create_index("certificates_identity", "certificates", ["identity", "issued"])
