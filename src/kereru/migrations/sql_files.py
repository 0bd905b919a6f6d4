"""Runs the SQL file of a migration on Alembic's connection."""

from importlib.resources import files

from alembic import op


def run(name: str) -> None:
    """Execute `sql/NAME.sql` as it stands: no parameters, several statements."""
    run_text((files("kereru.migrations") / "sql" / f"{name}.sql").read_text(encoding="utf-8"))


def run_text(text: str) -> None:
    """Execute SQL as it stands: no parameters, several statements."""
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))
