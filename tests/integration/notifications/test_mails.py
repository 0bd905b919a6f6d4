"""Alert mails really sent by SMTP: addressed once, tried again, never lost, never written by somebody else (R12, R13, R15; bad input 20)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
from aiosmtpd.smtp import SMTP, Envelope

from kereru.messaging.commands import release_withheld
from kereru.notifications.jobs import MailRoom, alert_opt_in
from kereru.provisioning.opt_in import commands
from kereru.provisioning.opt_in.model import Answer, Witness
from tenant import Tenant


@dataclass
class MoodyServer:
    """A mail server that answers with `moods` in turn, then takes everything."""

    moods: list[str]
    taken: list[Envelope] = field(default_factory=list)
    offers: int = 0

    async def handle_DATA(self, _server: SMTP, _session: object, envelope: Envelope) -> str:  # noqa: N802 - the name aiosmtpd calls
        self.offers += 1
        if self.moods:
            return self.moods.pop(0)
        self.taken.append(envelope)
        return "250 OK"


@contextlib.asynccontextmanager
async def moody(tenant: Tenant, *moods: str) -> AsyncIterator[MoodyServer]:
    """The tenant's mail goes to such a server."""
    server = MoodyServer(list(moods))
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: SMTP(server, loop=loop, enable_SMTPUTF8=True), "127.0.0.1", 0)
    _mail_to(tenant, listening.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listening.close()


def _mail_to(tenant: Tenant, port: int) -> None:
    tenant.settings = msgspec.structs.replace(tenant.settings, smtp_port=port)


async def say_no(tenant: Tenant) -> None:
    await tenant.platform("restcomm")
    assigned = await tenant.assign(tenant.ana)
    async with tenant.database.transaction(tenant.scope) as tx:
        await commands.answer(tx, tenant.provider_id, tenant.ana.id, assigned.number_id, Answer.NO, Witness("test"), release_withheld)


def hurry(tenant: Tenant) -> None:
    """Let the back-off be over."""
    tenant.sql("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE task_name = 'notifications.send_mail'")


async def test_a_mail_waits_for_its_server(tenant: Tenant) -> None:
    """Nobody listens: the mail is kept with its trouble in words, and sent once somebody does."""
    await say_no(tenant)
    _mail_to(tenant, 1)
    await tenant.run_jobs()
    assert tenant.sql("SELECT state, problem <> '' AS troubled FROM mail") == [(1, True)]
    async with moody(tenant) as server:
        hurry(tenant)
        await tenant.run_jobs()
    assert [envelope.rcpt_tos for envelope in server.taken] == [["olive@southern.example"]]
    assert tenant.sql("SELECT state, problem, sent_at IS NOT NULL AS sent FROM mail") == [(2, "", True)]


async def test_come_again_is_tried_again_and_never_is_final(tenant: Tenant) -> None:
    """4xx: tried again with back-off. 5xx: kept as refused, with the server's words, and not offered again."""
    await say_no(tenant)
    async with moody(tenant, "451 greylisted", "550 no such mailbox") as server:
        await tenant.run_jobs()
        assert server.offers == 1
        waits = tenant.sql("SELECT extract(epoch FROM scheduled_at - now()) AS s FROM procrastinate_jobs WHERE task_name = 'notifications.send_mail'")
        assert 1 < waits[0].s < 10
        for _ in range(3):
            hurry(tenant)
            await tenant.run_jobs()
        assert (server.offers, server.taken) == (2, [])
    row = tenant.sql("SELECT state, problem FROM mail")[0]
    assert row.state == 3
    assert "no such mailbox" in row.problem


async def test_the_job_may_run_twice_and_the_mail_comes_once(tenant: Tenant) -> None:
    """A worker that dies after addressing: the second run addresses nobody anew."""
    await say_no(tenant)
    event = tenant.sql("SELECT id FROM opt_in_event")[0].id
    room = MailRoom(tenant.database, tenant.settings)
    for _ in range(2):
        await alert_opt_in(room, {"provider": tenant.provider_id, "event": event})
    await tenant.run_jobs()
    assert len(tenant.mails()) == 1


async def test_names_cannot_write_headers(tenant: Tenant) -> None:
    """Bad input 20: line breaks in stored names reach no header; markup in them is shown, not obeyed."""
    await say_no(tenant)
    tenant.sql("UPDATE end_user SET name = E'Ana\\r\\nBcc: thief@elsewhere.example\\r\\n\\r\\n<script>x</script>' WHERE id = %(u)s", u=tenant.ana.id)
    tenant.sql("UPDATE portal_role SET name = E'Olive\\nX-Evil: 1' WHERE send_alerts AND level = 1")
    async with moody(tenant) as server:
        await tenant.run_jobs()
    envelope = server.taken[0]
    assert envelope.rcpt_tos == ["olive@southern.example"]
    head, _, body = bytes(envelope.original_content or b"").partition(b"\r\n\r\n")
    names = {line.split(b":")[0].lower() for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))}
    assert names == {b"subject", b"from", b"to", b"date", b"message-id", b"auto-submitted", b"mime-version", b"content-type"}
    assert b"<script>" not in body.partition(b"text/html")[2]
    assert b"&lt;script&gt;" in body


async def test_times_are_the_recipients_own(tenant: Tenant) -> None:
    """R145: somebody who is a user too reads his own zone; others read UTC, said so."""
    await say_no(tenant)
    tenant.sql("UPDATE portal_role SET send_alerts = true, sign_in_id = %(s)s WHERE name = 'Quiet Quinn'", s=tenant.ben.sign_in_id)
    tenant.sql("UPDATE end_user SET timezone = 'Pacific/Auckland' WHERE id = %(u)s", u=tenant.ben.id)
    await tenant.run_jobs()
    texts = {mail["to"][0]: mail["text"] for mail in tenant.mails()}
    assert "(Pacific/Auckland)" in texts["ben@bluedoor.example"]
    assert "(UTC)" in texts["olive@southern.example"]


async def test_a_wrong_password_at_the_mail_server_loses_nothing(tenant: Tenant) -> None:
    """The operator's mistake is waited out; the password is in no record."""
    await say_no(tenant)
    async with moody(tenant):
        good = tenant.settings
        tenant.settings = msgspec.structs.replace(good, smtp_user="kereru", smtp_password="hush-hush-hush")
        await tenant.run_jobs()
        row = tenant.sql("SELECT state, problem FROM mail")[0]
        assert row.state == 1
        assert "hush" not in row.problem
        tenant.settings = good
        hurry(tenant)
        await tenant.run_jobs()
    assert tenant.sql("SELECT state FROM mail")[0].state == 2
