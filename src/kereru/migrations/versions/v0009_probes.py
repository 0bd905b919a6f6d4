"""The batch functions read by key, also while tables are new."""

from kereru.migrations.sql_files import run

revision = "0009"
down_revision = "0005"


def upgrade() -> None:
    """Change one key and the functions' settings."""
    run("0016_probes")
