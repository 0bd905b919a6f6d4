"""The self-check of a platform (P73): what is wrong between us and the carrier, in words, each with what to do next. It changes nothing."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from kereru.carriers.contract import CarrierAdapter, PlatformAccess, Problem
from kereru.carriers.numbering import display
from kereru.kernel.db import ProviderScope
from kereru.kernel.http_client import Answered, NotSent, Outgoing
from kereru.kernel.secrets import CannotOpen
from kereru.provisioning.desk import Desk
from kereru.provisioning.errors import NoSuchPlatform
from kereru.provisioning.numbers import store as numbers_store
from kereru.provisioning.numbers.watching import astray_in_words, look
from kereru.provisioning.platforms import store
from kereru.provisioning.platforms.model import ingress_url, open_access, open_token

CLOCK_LIMIT_S = 10.0
NUMBERS_MOST = 200
AT_ONCE = 4
_PROBE_S = 10.0
_NAMED_MOST = 10


class Check(msgspec.Struct, frozen=True):
    """The outcome of one check: `note` does not keep texts from travelling, `wrong` does. `advice` says what to do next."""

    code: Literal["credentials", "clock", "webhook", "receipts", "numbers", "number_webhooks"]
    state: Literal["good", "note", "wrong"]
    text: str
    advice: str = ""


class SelfCheck(msgspec.Struct, frozen=True):
    """All checks of a platform at one moment."""

    at: datetime
    ok: bool
    checks: tuple[Check, ...]


class _Facts(msgspec.Struct, frozen=True):
    adapter: CarrierAdapter
    access: PlatformAccess
    hook: str
    numbers: tuple[str, ...]


async def check_platform(desk: Desk, provider_id: int, platform_id: int) -> SelfCheck:
    """Ask the carrier and ourselves. Raises NoSuchPlatform; whatever the carrier does is an outcome."""
    try:
        facts = await _facts(desk, provider_id, platform_id)
    except CannotOpen:
        unreadable = Check(
            "credentials", "wrong", "The stored credentials cannot be read with this installation's key.", "Enter them anew, or restore the key file."
        )
        return SelfCheck(desk.clock.now(), ok=False, checks=(unreadable,))
    checks = await asyncio.gather(
        _credentials(facts), _clock(desk, facts), _webhook(desk, facts), _receipts(facts), _numbers(facts), _number_webhooks(desk, facts)
    )
    return SelfCheck(desk.clock.now(), ok=not any(check.state == "wrong" for check in checks), checks=tuple(checks))


async def _facts(desk: Desk, provider_id: int, platform_id: int) -> _Facts:
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await store.access(tx, platform_id)
        if row is None:
            raise NoSuchPlatform
        token = open_token(desk.sealer, provider_id, platform_id, await store.token_sealed(tx, provider_id, platform_id))
        numbers = [one.e164 for one in await numbers_store.live_of_platform(tx, platform_id)]
    adapter = desk.carriers.of(row.carrier)
    hook = ingress_url(desk.base_url, row.carrier, token) + adapter.inbound_path()
    return _Facts(adapter, open_access(row, desk.sealer), hook, tuple(numbers))


async def _credentials(facts: _Facts) -> Check:
    verdict = await facts.adapter.verify_credentials(facts.access)
    if isinstance(verdict, Problem):
        advice = "Try again in a moment." if verdict.temporary else "Enter the details of the carrier account anew."
        return Check("credentials", "wrong", verdict.reason, advice)
    return Check("credentials", "good", f"{facts.adapter.title} accepts the details of the account.")


async def _clock(desk: Desk, facts: _Facts) -> Check:
    """Our clock against the Date header of the carrier's answer, whatever it answers."""
    base = next(iter({**facts.adapter.endpoints, **facts.access.endpoints}.values()))
    before = desk.clock.now()
    result = await desk.door.send(Outgoing("GET", base, "/", {"Accept": "application/json"}, deadline_s=_PROBE_S))
    date = result.headers.get("date") if isinstance(result, Answered) else None
    try:
        theirs = parsedate_to_datetime(date) if date else None
        # A date without a zone cannot be compared.
        off = None if theirs is None else (before - theirs).total_seconds()
    except (ValueError, TypeError):
        off = None
    if off is None:
        return Check("clock", "note", f"{facts.adapter.title} did not say what time it is, so the clocks could not be compared.")
    if abs(off) > CLOCK_LIMIT_S:
        direction = "ahead of" if off > 0 else "behind"
        words = f"This installation's clock is {abs(off):.0f} s {direction} that of {facts.adapter.title}."
        return Check("clock", "wrong", words, "Switch on time synchronisation on the machine that runs Kererū.")
    return Check("clock", "good", f"The clocks of {facts.adapter.title} and of this installation agree.")


async def _webhook(desk: Desk, facts: _Facts) -> Check:
    """Ask ourselves at the public address, as the carrier would. An unproved request is refused there with a code of our ingress's own."""
    shown = desk.base_url
    base, path = _split(facts.hook)
    wrong_path = path.replace("/ingress/", "/ingress/-", 1)
    known, unknown = await asyncio.gather(
        *(
            desk.own_door.send(Outgoing("POST", base, one, {"Content-Type": "application/x-www-form-urlencoded"}, deadline_s=_PROBE_S))
            for one in (path, wrong_path)
        )
    )
    if not isinstance(known, Answered):
        why = known.detail if isinstance(known, NotSent) else f"the connection ended ({known.code})"
        return Check(
            "webhook", "wrong", f"{shown} does not answer: {why}.", "Set KERERU_PUBLIC_URL to the address carriers reach, and open its port."
        )
    ours = known.status in _INGRESS_STATUSES and isinstance(unknown, Answered) and unknown.status == 404
    if not ours:
        words = f"At {shown} something else answers (status {known.status}), so texts would not arrive."
        return Check("webhook", "wrong", words, "Point the address, or the proxy behind it, at this installation.")
    if _only_here(shown):
        return Check("webhook", "note", f"{shown} answers, but only this machine can reach that address.", "Set KERERU_PUBLIC_URL for real carriers.")
    return Check("webhook", "good", f"Texts can arrive: {shown} leads here.")


_INGRESS_STATUSES = frozenset({401, 403})
"""What our ingress answers to a webhook whose token it knows and that proves nothing; an unknown carrier it answers with 404."""


async def _receipts(facts: _Facts) -> Check:
    if not facts.adapter.capabilities.has_receipt_setting:
        return Check("receipts", "good", f"{facts.adapter.title} is asked for a receipt with each text.")
    setting = await facts.adapter.receipts_on(facts.access)
    if isinstance(setting, Problem):
        return Check("receipts", "note", f"Whether receipts are on could not be found out: {setting.reason}")
    if setting is None:
        return Check("receipts", "note", f"{facts.adapter.title} does not show whether receipts are on.")
    if not setting.on:
        words = f"The account at {facts.adapter.title} sends no receipts, so texts will not show as delivered."
        return Check("receipts", "wrong", words, "Switch delivery receipts on for the account.")
    return Check("receipts", "good", "The account sends receipts.")


async def _numbers(facts: _Facts) -> Check:
    asked = facts.numbers[:NUMBERS_MOST]
    if not asked:
        return Check("numbers", "good", "No number of this platform is assigned yet.")
    gate = asyncio.Semaphore(AT_ONCE)

    async def judged(e164: str) -> str:
        async with gate:
            found = await facts.adapter.find_number(facts.access, e164)
        if found.problem is not None:
            return f"{display(e164, 'US')}: {found.problem.reason}"
        words = {"absent": "is not in the account", "without_messaging": "cannot text"}
        return f"{display(e164, 'US')} {words[found.status]}" if found.status in words else ""

    wrong = [text for text in await asyncio.gather(*map(judged, asked)) if text]
    left = f" The first {NUMBERS_MOST} of {len(facts.numbers)} were looked at." if len(facts.numbers) > NUMBERS_MOST else ""
    if wrong:
        return Check("numbers", "wrong", _listed(wrong) + left, f"Look at these numbers at {facts.adapter.title}.")
    return Check("numbers", "good", f"{_count(len(asked))} in the account and can text.{left}")


async def _number_webhooks(desk: Desk, facts: _Facts) -> Check:
    looked = await look(desk, facts.access.provider_id, facts.access.platform_id)
    if isinstance(looked, Problem):
        return Check("number_webhooks", "note", f"Whether the webhooks of the numbers stand could not be found out: {looked.reason}")
    async with desk.database.transaction(ProviderScope(facts.access.provider_id)) as tx:
        await numbers_store.put_hook_states(tx, {one.number_id: one.state for one in looked})
    words = astray_in_words(looked)
    if words:
        return Check("number_webhooks", "wrong", f"Texts do not arrive, for the webhook of {words}.", "Point the webhooks here again.")
    if not looked:
        return Check("number_webhooks", "good", "No number of this platform is in use yet.")
    return Check("number_webhooks", "good", "The webhooks of all numbers in use lead here.")


def _count(numbers: int) -> str:
    return "The assigned number is" if numbers == 1 else f"All {numbers} assigned numbers are"


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _NAMED_MOST
    return "; ".join(texts[:_NAMED_MOST]) + (f"; and {more} more" if more > 0 else "") + "."


def _split(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", parts.path


def _only_here(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return host == "localhost" or host.endswith(".localhost") or host.startswith("127.") or host == "::1"
