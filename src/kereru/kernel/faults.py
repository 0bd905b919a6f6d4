"""Failpoints: named places where a test may make the world go wrong. In production nothing is armed and `reach` costs one attribute test."""

from collections.abc import Awaitable, Callable


class Faults:
    """The failpoints of one process."""

    def __init__(self) -> None:
        self._armed: dict[str, Callable[[], Awaitable[None]]] = {}

    def arm(self, name: str, act: Callable[[], Awaitable[None]]) -> None:
        """Run `act` (raise, wait, kill) whenever the failpoint `name` is reached."""
        self._armed[name] = act

    def disarm(self, name: str) -> None:
        """Let `name` pass again."""
        self._armed.pop(name, None)

    async def reach(self, name: str) -> None:
        """Mark a failpoint."""
        if self._armed and (act := self._armed.get(name)):
            await act()
