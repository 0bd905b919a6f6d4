"""Search over everybody's own conversations."""

from kereru.migrations.sql_files import run

revision = "0011"
down_revision = "0013"


def upgrade() -> None:
    """Say of every text whose it is, and make the index of its words."""
    run("0018_search")
