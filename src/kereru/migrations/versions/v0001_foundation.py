"""The foundation: tenancy, provisioning, messaging, feeds and the functions of the two hot paths."""

from kereru.kernel.jobs.schema import schema_text
from kereru.migrations.sql_files import run, run_text

revision = "0001"
down_revision = None

FILES = (
    "0001_foundation", "0002_tenancy", "0003_provisioning", "0004_messaging", "0005_feeds", "0006_ingest", "0007_delivery",
)  # fmt: skip


def upgrade() -> None:
    """Make everything."""
    for name in FILES:
        run(name)
    run_text(schema_text())
    run("0008_jobs")
    run("0009_deletion")
    run("0010_intake")
    run("0011_retention")
    run("0012_alerts")
    run("0015_figures")
