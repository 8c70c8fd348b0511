"""What of an approval's command is kept when it is over: its masked text, no longer the exact bytes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of what is over already nothing is kept, since it can't be masked here."""
    op.add_column("approvals", sa.Column("masked", sa.LargeBinary, nullable=False, server_default=""))
    gone = sa.literal(b"(not kept)", sa.LargeBinary)
    approvals = sa.table("approvals", sa.column("command"), sa.column("masked"), sa.column("state"))
    op.execute(approvals.update().values(masked=gone))
    op.execute(approvals.update().where(approvals.c.state.not_in(["pending", "approved"])).values(command=gone))
