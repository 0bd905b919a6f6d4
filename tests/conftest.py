"""Fixtures every test may use, and failures named as they happen."""

from typing import Any

import pytest

pytest_plugins = ("postgres_fixture", "demo_fixture")


class _AsTheyCome:
    """With several workers pytest tells what failed when everything has ended, which may be a quarter of an hour later."""

    def __init__(self, terminal: Any) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """On the process that gathers what the workers did."""
        if report.failed:
            self._terminal.ensure_newline()
            self._terminal.write_line(f"FAILED {report.nodeid} ({report.when})", red=True)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Only where there are workers, and only in the process that started them."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and getattr(config.option, "numprocesses", None):
        config.pluginmanager.register(_AsTheyCome(terminal), "failures-as-they-come")
