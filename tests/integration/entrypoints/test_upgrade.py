"""Moving the embedded database to other programs keeps everything and keeps the old folder (design §3)."""

from pathlib import Path

import psycopg
import pytest

from kereru.entrypoints.postgres import EmbeddedPostgres
from kereru.entrypoints.postgres.binaries import find_binaries
from kereru.entrypoints.problems import MachineProblem
from kereru.entrypoints.upgrade import upgrade
from kereru.kernel.settings import Settings


def test_everything_is_moved_and_the_old_folder_kept(short_folder: Path) -> None:
    """Roles, rights and rows arrive; the old folder stays as it was."""
    home = short_folder / "home"
    engine = EmbeddedPostgres(home)
    try:
        with psycopg.connect(engine.start()) as connection:
            connection.execute("CREATE ROLE kereru_app LOGIN")
            connection.execute("CREATE TABLE kept AS SELECT 'grüße 🙂' AS words")
            connection.execute("GRANT SELECT ON kept TO kereru_app")
        major = engine.version.split(".")[0]
    finally:
        engine.stop()
    kept = upgrade(Settings.load({}, home=str(home)), find_binaries("").folder)
    assert kept == home / f"postgres-{major}"
    assert (kept / "PG_VERSION").exists()
    again = EmbeddedPostgres(home)
    try:
        with psycopg.connect(again.start().replace("kereru_owner@", "kereru_app@")) as connection:
            assert connection.execute("SELECT words FROM kept").fetchone() == ("grüße 🙂",)
    finally:
        again.stop()


def test_without_a_database_it_says_so(short_folder: Path) -> None:
    """A wrong --home is named."""
    with pytest.raises(MachineProblem) as caught:
        upgrade(Settings.load({}, home=str(short_folder / "none")), find_binaries("").folder)
    assert caught.value.code == "no_database"


def test_an_interrupted_upgrade_never_starts_with_an_empty_database(short_folder: Path) -> None:
    """Only the kept folder is there: an empty database in its place would look like a total loss."""
    (short_folder / "home" / "postgres-17").mkdir(parents=True)
    engine = EmbeddedPostgres(short_folder / "home")
    with pytest.raises(MachineProblem) as caught:
        engine.start()
    assert caught.value.code == "upgrade_interrupted"
    assert not engine.data.exists()
