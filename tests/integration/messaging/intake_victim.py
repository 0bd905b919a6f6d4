"""A web process's intake, made to die: `python intake_victim.py URL ROOT POINT NTH OWNER`.

It takes numbered texts without carrier ids and kills itself with SIGKILL the nth time it reaches the failpoint POINT. The database counts as silent
for the first ten texts; then the log is replayed. Each text that was answered for is printed.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
from arrivals import batch, text

from kereru.carriers.arrivals import ArrivalBatch
from kereru.carriers.ingress import NotDurable
from kereru.carriers.intake.log import IntakeLog, take_slot
from kereru.carriers.intake.sink import LoggedSink
from kereru.kernel.db import Database
from kereru.kernel.faults import Faults
from kereru.messaging.inbound.sink import Sink, has_consent_word
from role_databases import without_user
from world import Owner

TEXTS = 20


async def main(url: str, root: Path, point: str, nth: int, owner: Owner) -> None:
    """Take texts until the end comes."""
    faults = Faults()
    left = nth

    async def die() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    faults.arm(point, die)
    silent = True

    async with Database(without_user(url), "kereru_ingest", size=4, faults=faults) as database:
        real = Sink(database)

        class Inner:
            """The database, silent at first."""

            async def put(self, one: ArrivalBatch) -> None:
                """As InboundSink."""
                if silent:
                    raise NotDurable
                await real.put(one)

        async def answers() -> bool:
            return not silent

        log = IntakeLog(take_slot(root).folder, segment_bytes=1500, faults=faults)
        sink = LoggedSink(Inner(), log, database_answers=answers, urgent=has_consent_word, look_every_s=0.02, faults=faults)
        sink.start()
        for number in range(TEXTS):
            if number == TEXTS // 2:
                silent = False
            await sink.put(batch(owner, text(owner, f"text {number}", cid="")))
            print(number, flush=True)
        while sink.holding.open:
            await asyncio.sleep(0.01)
        await sink.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), msgspec.json.decode(sys.argv[5], type=Owner)))
