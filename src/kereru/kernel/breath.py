"""Natural batching with a breath: rounds that follow one another closely begin at least so far apart, so that more gathers for each.

A round of database work costs nearly the same for one item as for ten (docs/reference/performance.md). Whoever comes after a pause waits for nothing.
"""

import asyncio


class Breath:
    """One for each loop that does rounds."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._last = float("-inf")

    async def take(self) -> None:
        """Wait until the next round may begin, and begin it."""
        loop = asyncio.get_running_loop()
        wait_s = self._last + self._every_s - loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        self._last = loop.time()
