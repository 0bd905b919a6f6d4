"""Whether a user texts any number, or only those known to be mobile."""

from kereru.migrations.sql_files import run

revision = "0022"
down_revision = "0012"


def upgrade() -> None:
    """Any number, as it was."""
    run("0022_any_number")
