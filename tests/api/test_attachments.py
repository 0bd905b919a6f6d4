"""Files through the assembled application: upload, limits, sending, links. R69 to R72, R132 to R137, R194; P23 to P29; bad inputs 58, 77 to 84."""

import asyncio
import io
import itertools
import struct
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from assembled import House, open_house
from kereru.kernel.limits import FILES_UNSENT
from kereru.messaging.attachments.jobs import sweep
from role_databases import as_role
from tenant import PHONE

pytestmark = pytest.mark.asyncio(loop_scope="module")
_keys = itertools.count(1)
LONDON = "+442079460142"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house(module_database_url: str) -> AsyncIterator[House]:
    """One for all tests of this file: they find what others left, and must not mind."""
    async with open_house(module_database_url) as running:
        yield running


def jpeg(width: int = 64, height: int = 48, *, place: bool = False, orientation: int | None = None, quality: int = 80, noise: bool = False) -> bytes:
    """A photograph; with `place`, where it was taken."""
    picture = Image.effect_noise((width, height), 90).convert("RGB") if noise else Image.new("RGB", (width, height), "teal")
    exif = Image.Exif()
    if place:
        exif[0x010F] = "Canary Camera"
        exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 30.0, 12.0), 3: "W", 4: (0.0, 7.0, 39.0)})
    if orientation:
        exif[0x0112] = orientation
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif, quality=quality, comment=b"canary comment")
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is enormous (bad input 80)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def moving(frames: int) -> bytes:
    out = io.BytesIO()
    first, *rest = [Image.effect_noise((8, 8), number + 1).convert("P") for number in range(frames)]
    first.save(out, "GIF", save_all=True, append_images=rest, duration=40, loop=0)
    return out.getvalue()


def film() -> bytes:
    """An MP4's boxes, with the place that phones write into them."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", 8 + len(body)) + kind + body

    place = box(b"udta", box(b"\xa9xyz", b"\x00\x12\x15\xc7+51.5033-000.1276/"))
    return box(b"ftyp", b"mp42\0\0\0\0mp42isom") + box(b"moov", box(b"mvhd", bytes(100)) + box(b"trak", place) + place) + box(b"mdat", b"x" * 500)


def pdf() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (200, 280), "white").save(out, "PDF")
    return out.getvalue()


async def upload(house: House, who: str, content: bytes, name: str = "photo.jpg", declared: str = "image/jpeg") -> httpx.Response:
    return await house.people[who].post("/api/v1/attachments", files={"file": (name, content, declared)})


async def uploaded(house: House, who: str, content: bytes, name: str = "photo.jpg") -> dict:
    answer = await upload(house, who, content, name)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def send(house: House, who: str, text: str, *files: str, to: str = PHONE, key: str | None = None) -> httpx.Response:
    body = {"number_id": house.numbers[who], "to": to, "text": text, "attachments": list(files)}
    return await house.people[who].put(f"/api/v1/messages/{key or f'with-files-{next(_keys)}'}", json=body)


async def light(house: House, who: str, text: str, *files: str, to: str = PHONE) -> dict:
    body = {"number_id": house.numbers[who], "to": to, "text": text, "attachments": list(files)}
    answer = await house.people[who].post("/api/v1/messages/preflight", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def waiting(house: House, message: dict):
    return house.tenant.sql("SELECT parts, media, fallback FROM outbox WHERE message_id = %(id)s", id=int(message["id"]))[0]


def path_of(link: str) -> str:
    return link.removeprefix("http://localhost:8080")


# --- Upload ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("content", "name", "kind", "shown_as"), [
    pytest.param(jpeg(), "a.jpg", "picture", "image/jpeg", id="jpg"),
    pytest.param(jpeg(), "a.jpeg", "picture", "image/jpeg", id="jpeg"),
    pytest.param(film(), "a.mp4", "video", "video/mp4", id="mp4"),
    pytest.param(b"\x00\x00\x01\xba" + bytes(200), "a.mpeg", "video", "video/mpeg", id="mpeg"),
    pytest.param(b"ID3\x03\0\0\0\0\0\0" + bytes(200), "a.mp3", "audio", "audio/mpeg", id="mp3"),
    pytest.param(pdf(), "a.pdf", "pdf", "application/pdf", id="pdf"),
    pytest.param(moving(3), "a.gif", "picture", "image/gif", id="gif"),
    pytest.param(b"a,b\n1,2\n", "a.csv", "text", "text/csv", id="csv"),
    pytest.param("Grüße\n".encode(), "a.txt", "text", "text/plain", id="txt"),
])  # fmt: skip
async def test_the_types_that_can_be_sent(house: House, content: bytes, name: str, kind: str, shown_as: str) -> None:
    """R71, R72: each is taken for what it is; pictures and PDFs get a preview."""
    found = await uploaded(house, "ana", content, name)
    assert (found["name"], found["kind"], found["content_type"], found["state"]) == (name, kind, shown_as, "ready")
    assert (found["preview_width"] is not None) == (kind in ("picture", "pdf"))
    got = await house.people["ana"].get(f"/api/v1/attachments/{found['id']}/content")
    assert (got.status_code, len(got.content), got.headers["content-type"]) == (200, found["bytes"], shown_as)
    if found["preview_width"]:
        preview = await house.people["ana"].get(f"/api/v1/attachments/{found['id']}/preview")
        assert Image.open(io.BytesIO(preview.content)).size == (found["preview_width"], found["preview_height"])


@pytest.mark.parametrize(("kind", "name"), [("PNG", "a.png"), ("BMP", "a.bmp")])
async def test_png_and_bmp(house: House, kind: str, name: str) -> None:
    """R71: the remaining two of the eleven."""
    out = io.BytesIO()
    Image.new("RGB", (30, 20), "teal").save(out, kind)
    found = await uploaded(house, "ana", out.getvalue(), name)
    assert (found["width"], found["height"], found["kind"], found["inline"]) == (30, 20, "picture", True)


@pytest.mark.parametrize(("content", "name", "code"), [
    pytest.param(b"<html><script>alert(1)</script>", "a.jpg", "file_type_refused", id="input 77: HTML named .jpg"),
    pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "a.svg", "file_type_refused", id="input 78: SVG with script"),
    pytest.param(b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "a.xml", "file_type_refused", id="input 86: XML"),
    pytest.param(b"PK\x03\x04" + bytes(100), "a.csv", "file_type_refused", id="input 81: zip named .csv"),
    pytest.param(b"MZ\x90\0" + bytes(100), "a.mp4", "file_type_refused", id="a program named .mp4"),
    pytest.param(b"\0\0\0\x14ftypqt  " + bytes(100), "a.mov", "file_type_refused", id="R71: a type beside the eleven"),
    pytest.param(b"", "a.txt", "file_empty", id="input 83: empty"),
    pytest.param(b"x" * (5 * 2**20 + 1), "a.txt", "file_too_large", id="input 83: limit + 1"),
    pytest.param(bomb(50_000, 50_000), "a.png", "picture_too_large", id="input 80: 50,000 x 50,000"),
    pytest.param(moving(520), "a.gif", "picture_too_large", id="input 80: too many frames"),
    pytest.param(jpeg()[:120], "a.jpg", "file_unreadable", id="input 83: a cut picture"),
    pytest.param(b"GIF89a/*\0\0*/=1;alert(1)//", "a.gif", "file_unreadable", id="input 79: polyglot GIF and script"),
])  # fmt: skip
async def test_what_cannot_be_sent_is_refused_with_a_reason(house: House, content: bytes, name: str, code: str) -> None:
    """R71, bad inputs 77 to 83: 422 in words, and nothing is left, neither row nor file."""
    rows = house.tenant.sql("SELECT count(*) AS n FROM file")[0].n
    answer = await upload(house, "ana", content, name)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["detail"].endswith(".")
    assert house.tenant.sql("SELECT count(*) AS n FROM file")[0].n == rows
    assert not list(house.tenant.files.arrivals.iterdir())


async def test_the_limit_itself_is_taken(house: House) -> None:
    """Bad input 83: exactly 5 MiB."""
    assert (await upload(house, "ana", b"x" * 5 * 2**20, "a.txt")).status_code == 201


async def test_a_picture_loses_where_it_was_taken_and_stays_upright(house: House) -> None:
    """Bad input 84: neither place, camera nor comment is left; a picture that was to be turned is turned."""
    original = jpeg(64, 48, place=True, orientation=6)
    assert b"Canary" in original
    found = await uploaded(house, "ana", original)
    got = await house.people["ana"].get(f"/api/v1/attachments/{found['id']}/content")
    picture = Image.open(io.BytesIO(got.content))
    assert (picture.size, dict(picture.getexif()), picture.info.get("comment")) == ((48, 64), {}, None)
    assert b"anary" not in got.content


async def test_a_film_loses_where_it_was_taken(house: House) -> None:
    """Bad input 84: blanked where it stands, so that nothing else moves."""
    original = film()
    found = await uploaded(house, "ana", original, "a.mp4")
    got = (await house.people["ana"].get(f"/api/v1/attachments/{found['id']}/content")).content
    assert b"51.5033" not in got
    assert (len(got), got[-500:]) == (len(original), original[-500:])


async def test_a_picture_that_is_also_something_else_is_only_a_picture(house: House) -> None:
    """Bad input 79: what follows the picture does not come along."""
    found = await uploaded(house, "ana", jpeg() + b"<script>alert(1)</script>PK\x03\x04")
    got = await house.people["ana"].get(f"/api/v1/attachments/{found['id']}/content")
    assert b"script" not in got.content


@pytest.mark.parametrize(("headers", "content", "status"), [
    ({"content-type": "application/json"}, b"{}", 422),
    ({"content-type": "multipart/form-data"}, b"x", 422),
    ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\ncontent-disposition: form-data; name=other\r\n\r\nhi\r\n--x--\r\n", 422),
    ({"content-type": "multipart/form-data; boundary=x"}, b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhal', 422),
    ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n" * 100_000, 422),
    ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\ncontent-disposition: form-data; name=a\r\n\r\n" + b"y" * 100_000, 422),
    ({"content-type": "multipart/form-data; boundary=x", "content-length": "99999999999"}, b"--x\r\n", 422),
])  # fmt: skip
async def test_forms_that_are_none(house: House, headers: dict[str, str], content: bytes, status: int) -> None:
    """Bad inputs 42, 59, 83: no file, cut off, a hundred thousand parts, a huge nameless field, a lying length."""
    answer = await house.people["ana"].post("/api/v1/attachments", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] in ("not_a_file_form", "upload_cut_off", "file_too_large")
    assert not list(house.tenant.files.arrivals.iterdir())


async def test_the_event_loop_is_not_held_up(house: House) -> None:
    """Bad input 80: pictures are decoded elsewhere, so others are served meanwhile."""
    async with house.outside() as somebody:
        under_way = asyncio.create_task(upload(house, "ana", jpeg(3000, 2000, noise=True)))
        served = 0
        while not under_way.done():
            assert (await somebody.get("/health/live")).status_code == 200
            served += 1
            await asyncio.sleep(0.01)
        assert (await under_way).status_code == 201
    assert served > 1


async def test_unsent_uploads_are_bounded(house: House) -> None:
    """G42: nobody fills the disk with files that he never sends."""
    house.tenant.sql(
        "INSERT INTO file (provider_id, id, user_id, state, link) SELECT %(p)s, new_id(), %(u)s, 2, 'x' FROM generate_series(1, %(n)s)",
        p=house.tenant.provider_id, u=house.tenant.ben.id, n=FILES_UNSENT,
    )  # fmt: skip
    assert (await upload(house, "ben", jpeg())).json()["code"] == "too_many_unsent"
    house.tenant.sql("DELETE FROM file WHERE link = 'x'")


async def test_uploads_at_once_do_not_pass_the_limit(house: House) -> None:
    """G42: each of them found room when it began; as many as there was room for are kept, and of the others nothing is left."""
    free = 3
    house.tenant.sql(
        "INSERT INTO file (provider_id, id, user_id, state, link) SELECT %(p)s, new_id(), %(u)s, 2, 'x' FROM generate_series(1, %(n)s)",
        p=house.tenant.provider_id, u=house.tenant.ben.id, n=FILES_UNSENT - free,
    )  # fmt: skip
    answers = await asyncio.gather(*[upload(house, "ben", b"A note", name="note.txt") for _ in range(12)])
    kept = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    assert len(kept) == free
    assert {answer.json()["code"] for answer in answers if answer.status_code != 201} == {"too_many_unsent"}
    assert not list(house.tenant.files.arrivals.iterdir())
    for one in kept:
        assert (await house.people["ben"].delete(f"/api/v1/attachments/{one}")).status_code == 204
    house.tenant.sql("DELETE FROM file WHERE link = 'x'")


async def test_at_the_limit_a_picture_can_still_be_made_smaller(house: House) -> None:
    """P28, G42: the smaller one takes the place of the one it was made from."""
    large = await uploaded(house, "ana", jpeg(200, 150))
    house.tenant.sql(
        "INSERT INTO file (provider_id, id, user_id, state, link) SELECT %(p)s, new_id(), %(u)s, 2, 'x' FROM generate_series(1, %(n)s)",
        p=house.tenant.provider_id, u=house.tenant.ana.id, n=FILES_UNSENT,
    )  # fmt: skip
    house.tenant.sql(
        "DELETE FROM file WHERE id IN (SELECT id FROM file WHERE link = 'x' LIMIT ("
        "SELECT count(*) - %(n)s FROM file WHERE user_id = %(u)s AND message_id IS NULL))",
        u=house.tenant.ana.id, n=FILES_UNSENT,
    )  # fmt: skip
    answer = await house.people["ana"].post(f"/api/v1/attachments/{large['id']}/shrink", json={"number_id": house.numbers["ana"]})
    house.tenant.sql("DELETE FROM file WHERE link = 'x'")
    assert answer.status_code == 200


async def test_limits_are_told_before_the_upload(house: House) -> None:
    """P28, R132 to R136: what can be uploaded, and what each number sends as MMS, or why not."""
    told = (await house.people["ana"].get("/api/v1/attachments/limits")).json()
    assert (told["bytes"], len(told["types"]), told["files"]) == (5 * 2**20, 11, 10)
    [number] = told["numbers"]
    assert (number["mms"], number["bytes"], number["endings"]) == (True, 1_000_000, ["mp3", "mp4", "jpeg", "jpg", "png", "gif"])
    house.tenant.sql("UPDATE assignment SET messaging_type = 1 WHERE number_id = %(n)s", n=int(house.numbers["ana"]))
    [number] = (await house.people["ana"].get("/api/v1/attachments/limits")).json()["numbers"]
    assert (number["mms"], number["reason"]["code"], number["endings"]) == (False, "number_without_mms", [])
    house.tenant.sql("UPDATE assignment SET messaging_type = NULL")


async def test_a_picture_is_shrunk_on_request(house: House) -> None:
    """P28: a large picture is said to be shrinkable; its smaller version fits into an MMS and takes its place."""
    large = await uploaded(house, "ana", jpeg(1500, 1200, quality=97, noise=True))
    assert large["bytes"] > 1_000_000
    told = await light(house, "ana", "Look", large["id"])
    assert (told["kind"], told["files"][0]["reason"]["code"], told["files"][0]["shrinkable"]) == ("sms_link", "too_large_for_mms", True)
    answer = await house.people["ana"].post(f"/api/v1/attachments/{large['id']}/shrink", json={"number_id": house.numbers["ana"]})
    small = answer.json()
    assert answer.status_code == 200
    assert small["bytes"] <= 1_000_000
    assert (await light(house, "ana", "Look", small["id"]))["kind"] == "mms"
    assert (await house.people["ana"].get(f"/api/v1/attachments/{large['id']}")).status_code == 404


# --- Sending ---------------------------------------------------------------------------------------------------------------------------


async def test_a_picture_goes_as_mms(house: House) -> None:
    """R110, R136: the carrier is given an address for it; the text stays as it was written."""
    file = await uploaded(house, "ana", jpeg())
    told = await light(house, "ana", "Look", file["id"])
    assert (told["kind"], told["verdict"], told["segments"]) == ("mms", "ok", 1)
    message = (await send(house, "ana", "Look", file["id"])).json()
    assert (message["kind"], message["text"]) == ("mms", "Look")
    assert [(each["id"], each["as_media"]) for each in message["attachments"]] == [(file["id"], True)]
    out = waiting(house, message)
    assert out.parts == ["Look"]
    assert len(out.media) == 1
    assert out.media[0].endswith(".jpg")
    assert out.fallback == f"Look\n{out.media[0]}"


async def test_a_pdf_goes_as_a_link(house: House) -> None:
    """R69, R72, R137: a link in an SMS, counted as part of its text, with the reason."""
    file = await uploaded(house, "ana", pdf(), "menu.pdf")
    told = await light(house, "ana", "The menu", file["id"])
    assert (told["kind"], told["files"][0]["how"], told["files"][0]["reason"]["code"]) == ("sms_link", "link", "type_not_for_mms")
    assert told["units"] > len("The menu") + 40
    message = (await send(house, "ana", "The menu", file["id"])).json()
    assert (message["kind"], message["text"]) == ("sms_link", "The menu")
    [part] = waiting(house, message).parts
    text, link = part.split("\n")
    assert text == "The menu"
    async with house.outside() as phone:
        got = await phone.get(path_of(link))
    assert (got.status_code, got.content[:5]) == (200, b"%PDF-")
    assert got.headers["content-disposition"].startswith('attachment; filename="menu.pdf"')
    assert "sandbox" in got.headers["content-security-policy"]
    assert got.headers["x-content-type-options"] == "nosniff"


async def test_a_file_needs_no_text(house: House) -> None:
    """Bad input 1: empty is refused only without a file."""
    file = await uploaded(house, "ana", jpeg())
    message = (await send(house, "ana", "", file["id"])).json()
    assert (message["kind"], message["text"], waiting(house, message).parts) == ("mms", "", [""])


async def test_the_same_key_again_is_the_same_message(house: House) -> None:
    """G9: with files as without: repeated 200, with other files 422; and a file belongs to one message."""
    first, second = (await uploaded(house, "ana", jpeg()))["id"], (await uploaded(house, "ana", jpeg()))["id"]
    sent = await send(house, "ana", "Look", first, key="files-once-only")
    again = await send(house, "ana", "Look", first, key="files-once-only")
    assert (sent.status_code, again.status_code, again.json()["id"]) == (201, 200, sent.json()["id"])
    assert (await send(house, "ana", "Look", second, key="files-once-only")).json()["code"] == "client_id_reused"
    assert (await send(house, "ana", "Look", key="files-once-only")).json()["code"] == "client_id_reused"
    assert (await send(house, "ana", "Look", first)).json()["code"] == "attachment_not_found"


async def test_two_at_once_with_one_file_are_one_message(house: House) -> None:
    """G9: a file cannot go twice, however the requests race."""
    file = (await uploaded(house, "ana", jpeg()))["id"]
    answers = await asyncio.gather(*(send(house, "ana", "Look", file) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422]


async def test_files_of_others_are_missing(house: House) -> None:
    """G29: to send, to see, to remove; and the light says so before."""
    file = (await uploaded(house, "ben", jpeg()))["id"]
    assert (await send(house, "ana", "Look", file)).json()["code"] == "attachment_not_found"
    assert (await light(house, "ana", "Look", file))["reasons"][0]["code"] == "attachment_not_found"
    for path in ("", "/content", "/preview"):
        assert (await house.people["ana"].get(f"/api/v1/attachments/{file}{path}")).status_code == 404
    assert (await house.people["ana"].delete(f"/api/v1/attachments/{file}")).status_code == 404


@pytest.mark.parametrize(("files", "code"), [(["x"], "attachment_not_found"), (["1"] * 11, "too_many_files"), (["7", "7"], "same_file_twice")])
async def test_drafts_with_impossible_files(house: House, files: list[str], code: str) -> None:
    """Bad input 50: 422 with a reason."""
    assert (await send(house, "ana", "Look", *files)).json()["code"] == code


async def test_abroad_a_picture_is_a_link(house: House) -> None:
    """R125, Q22."""
    file = await uploaded(house, "ana", jpeg())
    told = await light(house, "ana", "Look", file["id"], to=LONDON)
    assert (told["kind"], told["files"][0]["reason"]["code"]) == ("sms_link", "mms_not_american")


async def test_links_count_against_the_carriers_limit(house: House) -> None:
    """Design §7: Restcomm cuts texts over 160 bytes, so a link that makes one longer is stopped and not cut in two."""
    file = await uploaded(house, "ana", pdf(), "menu.pdf")
    told = await light(house, "ana", "x" * 120, file["id"])
    assert (told["verdict"], told["reasons"][0]["code"]) == ("stop", "too_long_for_carrier")


# --- Links -----------------------------------------------------------------------------------------------------------------------------


async def test_a_link_lives_and_dies_with_its_message(house: House) -> None:
    """R194: nothing before it is sent, nothing once the message is deleted or too old; wrong ones look the same. The bytes go with it (P57)."""
    file = await uploaded(house, "ana", jpeg(), "photo.jpg")
    [row] = house.tenant.sql("SELECT link FROM file WHERE id = %(id)s", id=int(file["id"]))
    assert len(bytes(row.link)) == 16
    message = (await send(house, "ana", "Look", file["id"])).json()
    link = path_of(waiting(house, message).media[0])
    async with house.outside() as phone:
        assert (await phone.get(link)).status_code == 200
        assert (await phone.head(link)).headers["content-length"] == str(file["bytes"])
        assert (await phone.get(link, headers={"range": "bytes=0-2"})).content == b"\xff\xd8\xff"
        assert (await phone.post(link)).status_code == 405
        wrong = await phone.get("/m/" + "A" * 22 + ".jpg")
        house.tenant.sql("UPDATE file SET message_id = NULL WHERE id = %(id)s", id=int(file["id"]))
        unsent = await phone.get(link)
        house.tenant.sql("UPDATE file SET message_id = lowest_id(app_now() - interval '91 days') WHERE id = %(id)s", id=int(file["id"]))
        aged = await phone.get(link)
        house.tenant.sql("UPDATE file SET message_id = %(m)s WHERE id = %(id)s", m=int(message["id"]), id=int(file["id"]))
        house.tenant.sql("DELETE FROM message WHERE id = %(id)s", id=int(message["id"]))
        deleted = await phone.get(link)
    assert {(each.status_code, each.content) for each in (wrong, unsent, aged, deleted)} == {(404, wrong.content)}
    folder = house.tenant.files.arrivals.parent / "files"
    assert list(folder.rglob(f"{file['id']}*"))
    async with as_role(house.tenant.url, "kereru_service", size=2) as service:
        await sweep(service, house.tenant.files)
    assert not list(folder.rglob(f"{file['id']}*"))


async def test_uploads_that_were_never_sent_are_forgotten(house: House) -> None:
    """G37: a day later; what was sent stays."""
    kept, old = await uploaded(house, "ana", jpeg()), await uploaded(house, "ana", jpeg())
    sent = (await send(house, "ana", "Look", kept["id"])).json()
    house.tenant.sql("UPDATE file SET id = lowest_id(app_now() - interval '25 hours') WHERE id = %(id)s", id=int(old["id"]))
    async with as_role(house.tenant.url, "kereru_service", size=2) as service:
        await sweep(service, house.tenant.files)
    left = {row.id for row in house.tenant.sql("SELECT id FROM file WHERE user_id = %(u)s", u=house.tenant.ana.id)}
    assert int(kept["id"]) in left
    assert not {id_ for id_ in left if id_ < int(kept["id"]) - (20 * 3600_000 << 20)}
    assert (await house.people["ana"].get(f"/api/v1/attachments/{sent['attachments'][0]['id']}/content")).status_code == 200
