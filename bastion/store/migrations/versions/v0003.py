"""Which session an approval was asked in, so that an approver can look at it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of what was asked before, the session is not known."""
    op.add_column("approvals", sa.Column("session", sa.String(64), nullable=False, server_default=""))
