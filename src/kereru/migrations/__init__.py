"""The database's shape: Alembic as the runner, SQL files as the content (design §4). One ordered list for all slices."""
