"""What people set for their screens, and what they have begun to write."""

from kereru.migrations.sql_files import run

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    """A column for each; who and what is there already has the defaults."""
    run("0017_drafts")
