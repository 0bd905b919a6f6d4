"""The job queue's tables, as the installed Procrastinate defines them; `0008_jobs.sql` then adapts them."""

from importlib.resources import files


def schema_text() -> str:
    """Procrastinate's own schema, for a database that has none yet. A newer release's changes are migrations of ours."""
    return (files("procrastinate.sql") / "schema.sql").read_text(encoding="utf-8")
