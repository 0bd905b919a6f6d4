"""Blocks that end, and consent of remote parties in the evidence."""

from kereru.migrations.sql_files import run

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add it to a database of the revision before."""
    run("0004_witnessing")
