"""Files between the simulated carriers and the database: MMS out and in. R104, R110, R134, R136; P23 to P29; bad inputs 77, 88, 89, 92; G10, G11."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from phones import arrive, fetch, png, received

from assembled import House
from kereru.kernel.errors import Unavailable
from kereru.kernel.objects import Objects
from kereru.messaging.attachments.intake import Files, key
from kereru.messaging.attachments.jobs import TRIES, sweep
from role_databases import as_role
from tenant import PHONE


def rewrite(house: House, source: str) -> None:
    """The carrier says that its file lies somewhere else."""
    house.tenant.sql("UPDATE file SET source = %(source)s, source_credentials = true", source=source)


@pytest.mark.parametrize("carrier", ["restcomm", "inteliquent"])
@pytest.mark.parametrize("parts", [0, 1, 10])
async def test_an_mms_is_received_with_all_its_parts(house: House, carrier: str, parts: int) -> None:
    """R104, R134, P23, P25, P26: text and each picture, in order; the layout that phones add is dropped."""
    pictures = [png(size=(10 + number, 10)) for number in range(parts)]
    await arrive(house, carrier, "All of them", *pictures)
    before = await received(house, carrier)
    assert [each["state"] for each in before["attachments"]] == ["coming"] * parts
    await house.tenant.run_jobs()
    message = await received(house, carrier)
    assert (message["text"], message["kind"]) == ("All of them", "mms" if parts else "sms")
    assert [(each["state"], each["kind"], each["width"]) for each in message["attachments"]] == [
        ("ready", "picture", 10 + number) for number in range(parts)
    ]
    assert message["version"] == before["version"] + parts
    stored = [
        b"".join([piece async for piece in await house.tenant.files.objects.read(key(house.tenant.provider_id, int(each["id"])))])
        for each in message["attachments"]
    ]
    assert stored == pictures


async def test_each_file_that_came_is_told_at_once(house: House) -> None:
    """P29: a change on the owner's feed, so that nobody has to load the page again."""
    await arrive(house, "restcomm", "", png(), png())
    before = len(house.tenant.changes(house.tenant.ana))
    await house.tenant.run_jobs()
    assert [change.kind for change in house.tenant.changes(house.tenant.ana)[before:]] == [3, 3]


@pytest.mark.parametrize(("content", "declared", "kind", "shown"), [
    pytest.param(b"<html><script>alert(1)</script>", "image/jpeg", "text", False, id="input 77: HTML called a picture"),
    pytest.param(b"MZ\x90\0" + bytes(200), "image/png", "other", False, id="a program called a picture"),
    pytest.param(b"BEGIN:VCARD\r\nVERSION:3.0\r\nEND:VCARD\r\n", "text/vcard", "contact", False, id="a contact"),
    pytest.param(b"#!AMR\n" + bytes(100), "audio/amr", "audio", False, id="a voice note"),
    pytest.param(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100), "video/mp4", "video", True, id="a film"),
    pytest.param(png()[:60], "image/png", "other", False, id="a broken picture"),
])  # fmt: skip
async def test_files_of_any_kind_are_shown_for_what_they_are(house: House, content: bytes, declared: str, kind: str, shown: bool) -> None:
    """Issue 5, bad input 77: by their content; only picture, sound and film are shown where they stand."""
    await arrive(house, "inteliquent", "", content, declared=declared)
    await house.tenant.run_jobs()
    [file] = (await received(house, "inteliquent"))["attachments"]
    assert (file["state"], file["kind"], file["inline"]) == ("ready", kind, shown)


async def test_restcomms_media_are_asked_for_with_the_accounts_credentials(house: House) -> None:
    """C.2: its own address only; whoever else is named gets none, and Inteliquent gives without."""
    await arrive(house, "restcomm", "", png())
    message = await received(house, "restcomm")
    door = await fetch(house, message["id"])
    assert [credentials for _, credentials in door.asked] == [True]
    assert (await received(house, "restcomm"))["attachments"][0]["state"] == "ready"


_ADDRESSES = (
    "http://127.0.0.1:1/a.png", "https://127.0.0.1/a.png", "https://0x7f.1/a.png", "https://2130706433/", "https://[::1]/", "https://169.254.169.254/",
    "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://100.64.0.1/", "https://good@127.0.0.1/", "https://127.0.0.1:22/",
    "file:///etc/passwd", "http://media.example.com/plain.png", "https:\\\\127.0.0.1\\", "gopher://127.0.0.1/", "https://",
)  # fmt: skip


async def test_private_and_odd_addresses_are_not_asked(house: House) -> None:
    """Bad inputs 88, 89, 91: said at once, with a reason, without credentials, and not tried again; the text stays."""
    await arrive(house, "restcomm", "Still here", png())
    message = await received(house, "restcomm")
    for source in _ADDRESSES:
        house.tenant.sql("UPDATE file SET state = 1, tries = 0")
        rewrite(house, source)
        door = await fetch(house, message["id"])
        after = await received(house, "restcomm")
        [file] = after["attachments"]
        # A name that the system's resolver does not know at all is merely unreachable.
        assert (file["state"], file["reason"]["code"]) in {("failed", "media_address"), ("coming", "media_unreachable")}, source
        assert after["text"] == "Still here"
        assert not any(credentials for _, credentials in door.asked), source


async def test_what_cannot_be_had_says_so_and_is_tried_again(house: House) -> None:
    """P24: the text is there, the file says why it is not; after the last try it stays so until a person asks again."""
    await arrive(house, "restcomm", "Look", png())
    [row] = house.tenant.sql("SELECT source FROM file")
    rewrite(house, f"{house.tenant.simulators.url}/media/{'0' * 24}.png")
    message = await received(house, "restcomm")
    await fetch(house, message["id"])
    [file] = (await received(house, "restcomm"))["attachments"]
    assert (file["state"], file["reason"]["code"]) == ("coming", "media_gone")
    await fetch(house, message["id"], times=TRIES)
    [file] = (await received(house, "restcomm"))["attachments"]
    assert (file["state"], file["reason"]["code"]) == ("failed", "media_gone")
    rewrite(house, row.source)
    client = house.people["ana"]
    answer = await client.post(f"/api/v1/attachments/{file['id']}/fetch")
    assert (answer.status_code, answer.json()["state"]) == (200, "coming")
    await fetch(house, message["id"])
    assert (await received(house, "restcomm"))["attachments"][0]["state"] == "ready"
    assert (await client.post(f"/api/v1/attachments/{file['id']}/fetch")).json()["code"] == "file_not_fetchable"


class Stranger:
    """A server of somebody else's, with what such servers do to whoever fetches from them."""

    def __init__(self) -> None:
        self.host = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            await self.answer(head.split(" ")[1], writer)
        writer.close()

    async def answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        """By the first part of the path."""
        what, _, rest = path[1:].partition("/")
        if what == "to":
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {rest}\r\nContent-Length: 0\r\n\r\n".encode())
        elif what == "hop":
            writer.write(
                f"HTTP/1.1 302 Found\r\nLocation: /hop/{int(rest) - 1}\r\nContent-Length: 0\r\n\r\n".encode() if int(rest) else untyped(png())
            )
        elif what == "untyped":
            writer.write(untyped(png()))
        else:
            endless = what == "endless"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
            while True:
                writer.write(bytes(1024 * 1024) if endless else b"x")
                await writer.drain()
                await asyncio.sleep(0 if endless else 0.01)


def untyped(content: bytes) -> bytes:
    """An answer that does not say what it is."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    """Listening."""
    made = Stranger()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()


@pytest.mark.parametrize(("path", "state", "code"), [
    pytest.param("/untyped", "ready", None, id="no content type"),
    pytest.param("/hop/3", "ready", None, id="three redirects"),
    pytest.param("/hop/4", "failed", "media_redirects", id="four redirects"),
    pytest.param("/to/http://169.254.169.254/latest/", "failed", "media_address", id="to where only we can go"),
    pytest.param("/to/https://localhost/", "failed", "media_address", id="to our own machine by name"),
    pytest.param("/to/file:///etc/passwd", "failed", "media_address", id="to a file"),
    pytest.param("/to///[", "failed", "media_address", id="to nowhere"),
    pytest.param("/endless", "failed", "media_too_large", id="without end"),
    pytest.param("/drip", "coming", "media_cut", id="drop by drop"),
])  # fmt: skip
async def test_what_strangers_do_to_whoever_fetches(house: House, stranger: Stranger, path: str, state: str, code: str | None) -> None:
    """Bad inputs 89, 92: a few redirects to other public addresses, one deadline over all, no more bytes than fit; no credentials."""
    await arrive(house, "restcomm", "", png())
    message = await received(house, "restcomm")
    rewrite(house, f"http://{stranger.host}{path}")
    door = await fetch(house, message["id"], more=(stranger.host,), within_s=0.5 if path == "/drip" else 20.0)
    [file] = (await received(house, "restcomm"))["attachments"]
    assert (file["state"], file["reason"] and file["reason"]["code"]) == (state, code)
    assert not any(credentials for _, credentials in door.asked)


def bytes_in(folder: Path) -> int:
    """How much lies in a folder and below it."""
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


class Refusing(Objects):
    """A store that is away, or lets go of nothing under `stuck`."""

    def __init__(self, url: str, *, away: bool = False, stuck: str = "") -> None:
        super().__init__(url)
        self.away, self.stuck = away, stuck

    async def put(self, key: str, source: Path) -> None:
        """As `away` says."""
        if self.away:
            raise Unavailable
        await super().put(key, source)

    async def delete(self, key: str) -> None:
        """As `stuck` says."""
        if self.away or (self.stuck and key.startswith(self.stuck)):
            raise Unavailable
        await super().delete(key)


async def test_a_store_that_is_away_is_told_and_costs_no_file(house: House, tmp_path: Path) -> None:
    """P24: the file says why it is not there, is tried again with the others of its message, and after the last try a person can ask for it."""
    await arrive(house, "restcomm", "", png(), png())
    message = await received(house, "restcomm")
    store = Refusing(tmp_path.as_uri(), away=True)
    files = Files(store, house.tenant.files.arrivals, "")
    await fetch(house, message["id"], files=files)
    assert [(one["state"], one["reason"]["code"]) for one in (await received(house, "restcomm"))["attachments"]] == [
        ("coming", "media_not_stored")
    ] * 2
    await fetch(house, message["id"], times=TRIES, files=files)
    [one, _] = (await received(house, "restcomm"))["attachments"]
    assert one["state"] == "failed"
    store.away = False
    assert (await house.people["ana"].post(f"/api/v1/attachments/{one['id']}/fetch")).status_code == 200
    await fetch(house, message["id"], files=files)
    assert (await received(house, "restcomm"))["attachments"][0]["state"] == "ready"
    assert bytes_in(house.tenant.files.arrivals) == 0


class Deleting(Objects):
    """While it stores a file, the message is deleted, and the sweep comes by."""

    def __init__(self, url: str, house: House) -> None:
        super().__init__(url)
        self.house = house

    async def put(self, key: str, source: Path) -> None:
        """See the class."""
        await asyncio.to_thread(self.house.tenant.sql, "DELETE FROM message")
        await asyncio.to_thread(self.house.tenant.sql, "DELETE FROM file_trash")
        await super().put(key, source)


async def test_a_message_deleted_while_its_file_is_stored_leaves_no_bytes(house: House, tmp_path: Path) -> None:
    """R45, P57: nothing would lead to them any more, so nothing would ever delete them."""
    await arrive(house, "restcomm", "", png())
    message = await received(house, "restcomm")
    await fetch(house, message["id"], files=Files(Deleting(tmp_path.as_uri(), house), house.tenant.files.arrivals, ""))
    assert bytes_in(tmp_path) == 0


async def test_bytes_that_cannot_be_deleted_hold_up_no_others(house: House, database_url: str, tmp_path: Path) -> None:
    """R45: they are tried again the next time; the sweep says that it did not end well."""
    await arrive(house, "restcomm", "", png(), png())
    message = await received(house, "restcomm")
    store = Refusing(tmp_path.as_uri())
    files = Files(store, house.tenant.files.arrivals, "")
    await fetch(house, message["id"], files=files)
    first = min(int(one["id"]) for one in (await received(house, "restcomm"))["attachments"])
    house.tenant.sql("DELETE FROM message")
    store.stuck = key(house.tenant.provider_id, first)
    async with as_role(database_url, "kereru_service") as service:
        with pytest.raises(Unavailable):
            await sweep(service, files)
        assert [row.file_id for row in house.tenant.sql("SELECT file_id FROM file_trash")] == [first]
        store.stuck = ""
        assert await sweep(service, files) == 1
    assert bytes_in(tmp_path) == 0


async def test_a_file_fetched_twice_is_there_once(house: House) -> None:
    """A job may run twice: the second one finds nothing to do."""
    await arrive(house, "restcomm", "", png())
    message = await received(house, "restcomm")
    door = await fetch(house, message["id"], times=2)
    assert len(door.asked) == 1


async def test_a_message_deleted_meanwhile_takes_its_files_along(house: House) -> None:
    """P57: nothing is fetched for it."""
    await arrive(house, "restcomm", "", png())
    message = await received(house, "restcomm")
    house.tenant.sql("DELETE FROM message")
    assert (await fetch(house, message["id"])).asked == []
    assert house.tenant.sql("SELECT * FROM file") == []


@pytest.mark.parametrize("carrier", ["restcomm", "inteliquent"])
async def test_a_stop_in_the_caption_of_a_picture_is_a_stop(house: House, carrier: str) -> None:
    """G17, G35: before the picture is fetched, and whether it ever is."""
    await arrive(house, carrier, " Stop! ", png())
    who = "ana" if carrier == "restcomm" else "ben"
    assert (await received(house, carrier))["consent"] == "stop"
    assert (await house.send(who, "Hello")).json()["code"] == "stopped"


async def test_the_message_log_names_the_files(house: House) -> None:
    """R96, R97: how it travelled, and each file by name, type and size, but nothing of what is in it; of a withheld text nothing at all (Q26)."""
    await arrive(house, "restcomm", "Look", png())
    await house.tenant.run_jobs()
    async with house.tenant.portal() as portal:
        [line] = (await portal.get("/api/v1/message-log")).json()["items"]
        named = {"name": line["files"][0]["name"], "content_type": "image/png", "bytes": len(png()), "state": "ready", "as_media": True}
        assert (line["kind"], line["files"]) == ("mms", [named])
        detail = (await portal.get(f"/api/v1/message-log/{line['id']}")).json()
        assert (detail["kind"], detail["files"]) == ("mms", [named])
        assert f"File:       {named['name']} (image/png, {len(png())} bytes)" in detail["ticket"]["text"]
        table = (await portal.get("/api/v1/message-log/export")).text
        assert f',MMS,"{named["name"]} (image/png, {len(png())} bytes)"' in table
        house.tenant.sql("UPDATE message SET visibility = 1")
        [line] = (await portal.get("/api/v1/message-log")).json()["items"]
        detail = (await portal.get(f"/api/v1/message-log/{line['id']}")).json()
        assert (line["files"], detail["files"]) == ([], [])
        assert named["name"] not in detail["ticket"]["text"] + (await portal.get("/api/v1/message-log/export")).text


async def test_what_is_blocked_is_not_fetched(house: House) -> None:
    """Q13: a blocked text is kept and shown to nobody; its files are not asked for."""
    house.tenant.sql(
        "INSERT INTO blocked_remote (provider_id, assignment_id, remote) SELECT provider_id, id, %(remote)s FROM assignment", remote=PHONE
    )
    await arrive(house, "restcomm", "", png())
    assert house.tenant.sql("SELECT count(*) AS n FROM message")[0].n == 1
    assert house.tenant.sql("SELECT * FROM file") == []


async def test_arrivals_left_by_a_dead_process_are_swept(tmp_path: Path) -> None:
    """G42: and those of a living one stay."""
    import os

    files = Files(Objects("memory:///"), tmp_path, "")
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (1, 1))
    files.sweep()
    assert (old.exists(), new.exists()) == (False, True)
