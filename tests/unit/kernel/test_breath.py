"""Rounds that follow closely gather; the first after a pause waits for nothing."""

import asyncio
import itertools

from kereru.kernel.breath import Breath


async def test_rounds_begin_no_closer_than_asked() -> None:
    breath = Breath(0.01)
    loop = asyncio.get_running_loop()
    begun: list[float] = []
    for _ in range(4):
        await breath.take()
        begun.append(loop.time())
    assert all(later - earlier >= 0.009 for earlier, later in itertools.pairwise(begun))


async def test_the_first_round_and_one_after_a_pause_begin_without_waiting() -> None:
    breath = Breath(60.0)
    async with asyncio.timeout(5):
        await breath.take()
    rested = Breath(0.01)
    await rested.take()
    await asyncio.sleep(0.02)
    waiting = asyncio.ensure_future(rested.take())
    # One turn of the loop is enough for who need not wait.
    await asyncio.sleep(0)
    assert waiting.done()
