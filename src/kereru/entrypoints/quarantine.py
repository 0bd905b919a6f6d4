"""`kereru quarantine`: shows the webhooks that could not be read or stored, and takes them in once a newer version can (G5)."""

from collections import Counter
from typing import cast

from cyclopts import App

from kereru.carriers.registry import Carriers
from kereru.entrypoints.admin import Home, Json, Operator, printable, run
from kereru.kernel.clock import SystemClock
from kereru.kernel.http_client import CarrierClient
from kereru.messaging.inbound import replay

app = App(name="quarantine", help="What carriers sent and we could not read or store.", result_action="return_value")

_NOTHING = "Nothing was set aside."


@app.command
def show(*, home: Home = None, as_json: Json = False) -> int:
    """Print what was set aside, oldest first, as it came. It may hold people's texts."""

    async def work(desk: Operator) -> object:
        return {"items": [item async for item in replay.set_aside(desk.owner)]}

    return run(home, work, as_json=as_json, words=_shown)


@app.command
def take_in(*, home: Home = None, as_json: Json = False) -> int:
    """Try to read and store each again; what cannot be taken in stays. Safe beside a running server, and to repeat: nothing comes twice."""

    async def work(desk: Operator) -> object:
        # The adapters are only asked to read; nothing goes out.
        async with CarrierClient() as door:
            carriers = Carriers(door, SystemClock())
            return {"items": [item async for item in replay.take_in(desk.owner, lambda kind, request: carriers.of(kind).parse(request))]}

    return run(home, work, as_json=as_json, words=_told)


def _shown(answer: dict[str, object]) -> str:
    items = cast("list[replay.SetAside]", answer["items"])
    if not items:
        return _NOTHING
    lines: list[str] = []
    for item in items:
        lines.append(f"{item.id}  {item.at:%Y-%m-%d %H:%M:%S} UTC  {item.carrier} “{printable(item.platform_name)}”, provider {item.provider_id}")
        lines += [f"  {printable(item.reason)}", *(f"  | {printable(line)}" for line in item.raw.splitlines())]
    return "\n".join([*lines, "", f"{len(items)} in all. `kereru quarantine take-in` tries each again."])


def _told(answer: dict[str, object]) -> str:
    items = cast("list[replay.Outcome]", answer["items"])
    if not items:
        return _NOTHING
    taken = [item for item in items if item.outcome == "taken_in"]
    words = f"Taken in: {len(taken)}, with {sum(item.texts for item in taken)} texts and {sum(item.receipts for item in taken)} receipts."
    left = Counter(printable(item.reason) for item in items if item.outcome != "taken_in")
    return "\n".join([words, *(f"Left: {count}. {why}" for why, count in left.items())])
