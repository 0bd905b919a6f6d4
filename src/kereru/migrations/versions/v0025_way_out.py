"""A text's way out in few statements."""

from kereru.migrations.sql_files import run

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Nothing that was stored changes."""
    run("0025_way_out")
