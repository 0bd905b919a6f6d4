"""Fixtures every test may use."""

pytest_plugins = ("postgres_fixture", "demo_fixture")
