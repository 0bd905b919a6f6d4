"""Who a caller is, by one statement."""

from kereru.migrations.sql_files import run

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Nothing that was stored changes."""
    run("0026_who")
