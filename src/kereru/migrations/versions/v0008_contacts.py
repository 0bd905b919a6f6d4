"""People's own contacts, and the names under which they see numbers."""

from kereru.migrations.sql_files import run

revision = "0008"
down_revision = "0009"


def upgrade() -> None:
    """Three tables and the function that finds a name."""
    run("0008_contacts")
