"""MMS through a real sender and the simulated carriers: handed over once, with links in their place where they are refused. P27; G10, G11."""

import asyncio
import itertools

import pytest
from desk import Desk, person

from kereru.kernel.db import ProviderScope
from kereru.kernel.faults import Faults
from kereru.messaging import commands
from kereru.messaging.commands import Draft, Sender
from kereru.messaging.model import Message
from world import PHONE, Owner

_keys = itertools.count(1)
BASE = "https://text.southern.example"


def sender(owner: Owner) -> Sender:
    plain = person(owner)
    return Sender(plain.provider_id, plain.user_id, plain.habits, BASE, reachable=True)


async def drafted(desk: Desk, owner: Owner, text: str, *types: str) -> Draft:
    """A text with files that `owner` uploaded before."""
    async with desk.app.transaction(ProviderScope(owner.provider_id)) as tx:
        files = [
            await tx.value(
                """INSERT INTO file (provider_id, id, user_id, state, name, content_type, bytes, link)
                VALUES (scope_provider(), new_id(), %(user)s, 2, 'a', %(kind)s, 1000, decode(md5(random()::text), 'hex')) RETURNING id""",
                {"user": owner.user_id, "kind": kind},
            )
            for kind in types
        ]
    return Draft(owner.number_id, PHONE, text, tuple(str(file) for file in files))


async def sends(desk: Desk, owner: Owner, text: str = "Look", *types: str) -> Message:
    """`owner` sends it."""
    message, _ = await commands.send(desk.app, sender(owner), f"mms-key-{next(_keys)}", await drafted(desk, owner, text, *types))
    return message


async def handed_over(desk: Desk, carrier: str) -> list[str]:
    """What the carrier was asked to send, as it stands in its ledger."""
    return [str(item.body) for item in await desk.carrier.ledger(carrier) if item.method == "POST"]


@pytest.mark.parametrize(("who", "carrier"), [("ana", "restcomm"), ("ben", "inteliquent")])
async def test_an_mms_is_handed_over_once_with_its_files(desk: Desk, who: str, carrier: str) -> None:
    """R136, G10: one request with the addresses of the pictures; the PDF's link stands in its text."""
    await desk.carrier.set_modes("restcomm", mms=True)
    owner = getattr(desk.world, who)
    message = await sends(desk, owner, "Look", "image/jpeg", "application/pdf", "image/png")
    assert message.kind == "mms"
    async with desk.sending():
        await desk.until(message, 3, 4)
    [body] = await handed_over(desk, carrier)
    assert (body.count(f"{BASE}/m/"), body.count(".jpg"), body.count(".png"), body.count(".pdf")) == (3, 1, 1, 1)


async def test_a_refused_mms_goes_as_links_and_says_so(desk: Desk) -> None:
    """P27, G10: the carrier surely did not take it, so the same text goes with links, once; the screen learns how it went."""
    await desk.carrier.add_fault("inteliquent", "refuse", count=1)
    message = await sends(desk, desk.world.ben, "Look", "image/jpeg")
    async with desk.sending():
        row = await desk.until(message, 3, 4)
    assert row.kind == 3
    first, second = await handed_over(desk, "inteliquent")
    assert "mediaUrls" in first
    assert "mediaUrls" not in second
    assert f"Look\\n{BASE}/m/" in second.replace("\n", "\\n")
    assert [file.as_media for file in desk.world.sql("SELECT as_media FROM file")] == [False]
    [held] = [text for text in await desk.carrier.phone_messages(PHONE) if text.direction == "in"]
    assert held.text.startswith(f"Look\n{BASE}/m/")


@pytest.mark.parametrize("meanwhile", ["stop", "lease"])
async def test_the_links_of_a_refused_mms_wait_for_a_last_look(desk: Desk, meanwhile: str) -> None:
    """G13, G17: nothing is handed over after a STOP that came while the carrier thought about the MMS, nor by a process that slept past its lease."""
    faults, senders = Faults(), []

    async def change() -> None:
        if meanwhile == "lease":
            for line in senders[0]._lines.values():
                line.valid_until = 0.0
        else:
            ben = desk.world.ben
            await desk.sql(
                "INSERT INTO remote_consent (provider_id, group_id, remote, stopped) VALUES (%(p)s, %(g)s, %(r)s, true)",
                p=ben.provider_id, g=ben.group_id, r=PHONE,
            )  # fmt: skip

    faults.arm("delivery.before_links", change)
    await desk.carrier.add_fault("inteliquent", "refuse", count=1)
    message = await sends(desk, desk.world.ben, "Look", "image/jpeg")
    async with desk.sending(lease_s=600, faults=faults) as sender:
        senders.append(sender)
        row = await desk.until(message, 3, 4, 6, 7, 8)
    assert (row.kind, row.status) == (2, 6)
    assert len(await handed_over(desk, "inteliquent")) == 1


async def test_a_stop_between_two_parts_of_a_text_is_heard(desk: Desk) -> None:
    """G17: what the carrier has, it has; nothing more is handed over after a STOP that came while it thought about the first part."""
    faults, ben = Faults(), desk.world.ben

    async def stop() -> None:
        await desk.sql(
            "INSERT INTO remote_consent (provider_id, group_id, remote, stopped) VALUES (%(p)s, %(g)s, %(r)s, true)",
            p=ben.provider_id, g=ben.group_id, r=PHONE,
        )  # fmt: skip
        faults.disarm("delivery.after_handover")

    faults.arm("delivery.after_handover", stop)
    message = await sends(desk, ben, "One two three")
    # As for a carrier that takes less at once than both of today.
    desk.world.sql("UPDATE outbox SET parts = ARRAY['One ', 'two ', 'three']")
    async with desk.sending(faults=faults):
        row = await desk.until(message, 4, 6, 7, 8)
    assert row.status == 6
    assert len(await handed_over(desk, "inteliquent")) == 1
    parts = desk.world.sql("SELECT handover, reason_code FROM part ORDER BY part")
    assert (parts[0].handover, {(part.handover, part.reason_code) for part in parts[1:]}) == (3, {(4, "not_allowed")})


async def test_an_mms_that_failed_on_the_way_is_sent_again_as_links(desk: Desk) -> None:
    """P27, R79: Send again after a carrier's failed receipt does not try the MMS a second time."""
    await desk.carrier.add_fault("inteliquent", "timeout_before_accept", count=1)
    message = await sends(desk, desk.world.ben, "Look", "image/jpeg")
    desk.world.sql(
        "UPDATE message SET status = 6, reason_code = '30008'; DELETE FROM outbox; INSERT INTO attempt (provider_id, message_id, attempt, status)"
        " SELECT provider_id, id, 1, 6 FROM message"
    )
    async with desk.app.transaction(ProviderScope(desk.world.ben.provider_id)) as tx:
        again = await commands.resend(tx, sender(desk.world.ben), int(message.id), attempt=1, despite_unknown=False)
    assert (again.kind, [file.as_media for file in again.attachments]) == ("sms_link", [False])
    [row] = desk.world.sql("SELECT parts, media FROM outbox")
    assert (row.media, row.parts[0].startswith(f"Look\n{BASE}/m/")) == ([], True)


async def test_an_mms_nobody_can_tell_of_stays_unknown(desk: Desk) -> None:
    """G11: no machine sends it a second time, as links neither."""
    await desk.carrier.add_fault("inteliquent", "cut_body", count=1)
    message = await sends(desk, desk.world.ben, "Look", "image/jpeg")
    async with desk.sending():
        row = await desk.until(message, 8, 3, 4)
    assert row.kind == 2
    assert len(await handed_over(desk, "inteliquent")) == 1


async def test_a_request_that_is_repeated_while_it_runs_is_one_text_with_its_files(desk: Desk) -> None:
    """G9: the second finds the files gone, and that they went with this very text."""
    ana = desk.world.ana
    draft = await drafted(desk, ana, "Look", "image/jpeg")
    answers = await asyncio.gather(*[commands.send(desk.app, sender(ana), "the-same-key", draft) for _ in range(4)])
    assert len({message.id for message, _ in answers}) == 1
    assert sorted(new for _, new in answers) == [False, False, False, True]
    assert all(len(message.attachments) == 1 for message, _ in answers)
