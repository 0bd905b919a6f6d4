"""What was set aside can be taken in after a repair."""

from kereru.migrations.sql_files import run

revision = "0013"
down_revision = "0010"


def upgrade() -> None:
    """A column, and the function that fills it."""
    run("0020_set_aside")
