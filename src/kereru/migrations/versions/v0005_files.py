"""Files: what people send and what comes with MMS."""

from kereru.migrations.sql_files import run

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make their tables and functions."""
    run("0005_files")
