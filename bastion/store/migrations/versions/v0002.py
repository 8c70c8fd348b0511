"""Several processes on one database: which of them live, where a session lives, and orders to all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables and the column; sessions that are open belong to nobody, and the next start ends them."""
    op.add_column("sessions", sa.Column("worker", sa.String(64), nullable=False, server_default=""))
    op.create_table(
        "workers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("space", sa.String(128), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("born", sa.String(32), nullable=False),
        sa.Column("seen", TIME, nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("given", TIME, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("orders_given", "orders", ["given"])
