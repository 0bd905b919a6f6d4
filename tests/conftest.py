"""Fixtures every test may use."""

pytest_plugins = ("postgres_fixture",)
