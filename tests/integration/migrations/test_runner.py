"""The runner's own reading of versions agrees with Alembic's, which it avoids for speed."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from kereru.migrations import runner


def test_head_is_what_alembic_says() -> None:
    """Read from the files' text, without importing Alembic."""
    config = Config()
    config.set_main_option("script_location", str(Path(runner.__file__).parent))
    config.set_main_option("path_separator", "os")
    assert runner.head() == ScriptDirectory.from_config(config).get_current_head()


def test_versions_before_and_after(empty_database_url: str) -> None:
    """A database without our shape has no version; a migrated one has this program's, and migrating again changes nothing."""
    assert runner.versions(empty_database_url) == (None, runner.head())
    runner.migrate(empty_database_url)
    runner.migrate(empty_database_url)
    assert runner.versions(empty_database_url) == (runner.head(), runner.head())
