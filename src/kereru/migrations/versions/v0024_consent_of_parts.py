"""Consent words in texts that come as files of an MMS."""

from kereru.migrations.sql_files import run

revision = "0024"
down_revision = "0022"


def upgrade() -> None:
    """Nothing that was stored changes."""
    run("0024_consent_of_parts")
