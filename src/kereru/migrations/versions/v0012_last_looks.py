"""STOPs to numbers that nobody holds, and a second look before a second hand-over."""

from kereru.migrations.sql_files import run

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Two functions."""
    run("0019_last_looks")
