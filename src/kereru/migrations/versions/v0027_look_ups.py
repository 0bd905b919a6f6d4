"""To learn that nothing is to be asked of carriers costs one look into an index."""

from kereru.migrations.sql_files import run

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Nothing that was stored changes."""
    run("0027_look_ups")
