"""Webhooks are looked after, notices are forgotten in time, a user's history has an index."""

from kereru.migrations.sql_files import run

revision = "0003"
down_revision = "0007"


def upgrade() -> None:
    """Add it to a database of the revision before."""
    run("0003_watching")
