"""Consent of remote parties: HELP, wishes to review, what carriers learned, and telling the whole group."""

from kereru.migrations.sql_files import run

revision = "0007"
down_revision = "0001"


def upgrade() -> None:
    """Add to what there is; nothing that is stored changes."""
    run("0007_consent")
