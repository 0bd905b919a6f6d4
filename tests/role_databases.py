"""Databases as the program opens them: each under its own role, where the tests' URL names the owner."""

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from kereru.kernel.db import Database


def without_user(url: str) -> str:
    """`url` for any role: the role itself then signs in."""
    parts = conninfo_to_dict(url)
    parts.pop("user", None)
    return make_conninfo(**{name: str(value) for name, value in parts.items() if value is not None})


def as_role(url: str, role: str, *, size: int = 4) -> Database:
    """The database of a test as `role`; open it with `async with`."""
    return Database(without_user(url), role, size=size)
