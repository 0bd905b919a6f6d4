"""How Inteliquent calls its customer: one JSON webhook for texts and receipts (carriers.md §2A.7, §2A.8).

Promises: the entry for the number, else the company's, else the call is dropped; three tries as C.10 assumes.
"""

import asyncio
import re
from collections.abc import Sequence

import msgspec

from kereru.simulators.hooks import Call
from kereru.simulators.inteliquent.accounts import Account, hash_headers
from kereru.simulators.messages import Message, report
from kereru.simulators.phones import Picture
from kereru.simulators.receipts import BLOCKED, POLICY, Step
from kereru.simulators.times import smpp
from kereru.simulators.world import World

STATS = {"sent": "ACCEPTD", "delivered": "DELIVRD", "undelivered": "UNDELIV", "failed": "REJECTD"}
ERRORS = {None: "000", BLOCKED: "004", POLICY: "231"}
DIGITS = re.compile(r"\d+")


def digits(account: Account, e164: str) -> str | int:
    """A number as this account's webhooks write it."""
    shown = e164.removeprefix("+")
    if account.modes.hook_digits == 10 and len(shown) == 11 and shown.startswith("1"):
        shown = shown[1:]
    return int(shown) if account.modes.hook_numbers == "number" and DIGITS.fullmatch(shown) else shown


async def tell(world: World, account: Account, tn: str, what: str, payload: dict[str, object]) -> None:
    """Post one webhook, again after the configured pauses while it is not taken."""
    body = msgspec.json.encode(payload)
    for pause in world.config.hook_retry_seconds or (0.0,):
        if pause > 0:
            await asyncio.sleep(pause)
        entry = account.webhook(tn)
        if entry is None or entry.webhook_url is None:
            return
        headers = ((entry.header_name, entry.header_value or ""),) if entry.header_name else ()
        if entry.api_key:
            headers += hash_headers(entry.api_key, account.modes.hook_hash)
        call = Call("inteliquent", what, "POST", entry.webhook_url, body, "application/json", headers)
        if (await world.hooks.make(call)).good():
            return


async def tell_inbound(world: World, account: Account, message: Message, media: Sequence[Picture]) -> None:
    """Tell the customer of an inbound text, as often as the faults in force say; MMS carry a layout file beside the pictures (§2A.7)."""
    urls = [p.url for p in media]
    if urls and account.modes.layout_in_mms:
        urls.insert(0, f"{world.base_url}/media/{world.media.put_layout('inteliquent', account.id)}")
    payload: dict[str, object] = {
        "referenceId": message.id,
        "from": digits(account, message.from_),
        "text": message.text,
        "deliveryReceipt": False,
        "to": [digits(account, message.to)],
        "mediaUrls": urls,
    }
    for _ in range(world.webhook_times("inteliquent", account.id, message.to)):
        await tell(world, account, message.to[-10:], "inbound", payload)


def receipt_text(message: Message, step: Step, now: float) -> str:
    """An SMPP receipt (carriers.md §8.5)."""
    stat, error = STATS[step.word], ERRORS.get(step.error, "003")
    good = "001" if step.word == "delivered" else "000"
    times = f"submit date:{smpp(message.created)} done date:{smpp(now)}"
    return f"id:{message.id[:8]} sub:001 dlvrd:{good} {times} stat:{stat} err:{error} text:"


async def tell_receipt(world: World, account: Account, message: Message, step: Step) -> None:
    """Write a report down and tell it, when the account has receipts on; "sent" is told only out of order or when switched on (§2A.7)."""
    now = world.clock()
    report(message, step.word, now, step.error)
    world.changed("message", carrier="inteliquent")
    if account.modes.msg_delivery_receipt != "Y" or (step.word == "sent" and not step.forced and not account.modes.intermediate_receipts):
        return
    number, handset = digits(account, message.from_), digits(account, message.to)
    from_, to = (handset, number) if account.modes.receipt_from == "handset" else (number, handset)
    payload: dict[str, object] = {
        "referenceId": message.id,
        "from": from_,
        "to": [to],
        "deliveryReceipt": True,
        "text": receipt_text(message, step, now),
    }
    await tell(world, account, message.from_[-10:], "receipt", payload)
