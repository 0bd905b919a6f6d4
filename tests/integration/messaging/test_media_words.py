"""Words like STOP in a text part of an MMS: they count from the moment that its file is here. G17, G35."""

import pytest
from phones import arrive, png, received

from assembled import House
from kereru.kernel.metrics import REGISTRY
from tenant import PHONE


async def code_of(house: House, who: str) -> str | None:
    """Why `who` may not text the phone, or None."""
    answer = await house.send(who, "Hello again")
    return None if answer.status_code in (200, 201) else answer.json()["code"]


@pytest.mark.parametrize("carrier", ["restcomm", "inteliquent"])
async def test_stop_in_a_text_part_of_an_mms_counts(house: House, carrier: str) -> None:
    """G17, G35: as in a text's own words, from the moment that the file is here; before, nobody can know."""
    who = "ana" if carrier == "restcomm" else "ben"
    await arrive(house, carrier, "", png(), b"Stop.\r\n", declared="text/plain")
    assert (await received(house, carrier))["consent"] is None
    await house.tenant.run_jobs()
    assert (await received(house, carrier))["consent"] == "stop"
    assert await code_of(house, who) == "stopped"


UTF_16 = [
    pytest.param("STOP".encode("utf-16"), "text/plain", id="with its mark"),
    pytest.param("\ufeffStop.\r\n".encode("utf-16-be"), "text/plain; charset=utf-8", id="with its mark, declared wrongly"),
    pytest.param("STOP".encode("utf-16-le"), "text/plain; charset=UTF-16LE", id="by its charset"),
    pytest.param("ARRÊT".encode("utf-16-be"), 'text/plain; charset="iso-10646-ucs-2"', id="by the charset that WAP phones name"),
    pytest.param("stop".encode("utf-16-le"), "text/plain", id="with nothing but its zero bytes"),
    pytest.param(b"STOP\x00", "text/plain", id="with a zero byte at its end"),
]


@pytest.mark.parametrize(("part", "declared"), UTF_16)
@pytest.mark.parametrize("carrier", ["restcomm", "inteliquent"])
async def test_stop_in_another_set_of_characters_counts(house: House, carrier: str, part: bytes, declared: str) -> None:
    """G17, G35: phones and gateways write text parts in UTF-16 too."""
    await arrive(house, carrier, "", part, declared=declared, layout=False)
    await house.tenant.run_jobs()
    message = await received(house, carrier)
    assert message["consent"] == "stop"
    [file] = message["attachments"]
    assert file["state"] == "ready"
    assert await code_of(house, "ana" if carrier == "restcomm" else "ben") == "stopped"


@pytest.mark.parametrize(("part", "name"), [
    ("See you at 7".encode("utf-16"), ".txt"),
    ("BEGIN:VCARD\r\nEND:VCARD\r\n".encode("utf-16"), ".vcf"),
    (b"\x7fELF\x01\x00\x00\x00", ".bin"),
])  # fmt: skip
async def test_utf_16_is_text(house: House, part: bytes, name: str) -> None:
    """R104, P25: a text file is called one; what is not text is not."""
    await arrive(house, "inteliquent", "", part, declared="text/plain; charset=utf-16")
    await house.tenant.run_jobs()
    [file] = (await received(house, "inteliquent"))["attachments"]
    assert (file["state"], file["name"][-4:]) == ("ready", name)


async def test_a_layout_in_utf_16_is_dropped(house: House) -> None:
    """P25: as in any other set of characters."""
    await arrive(house, "inteliquent", "Hello", "<smil><head/></smil>".encode("utf-16"), declared="text/plain; charset=utf-16", layout=False)
    await house.tenant.run_jobs()
    assert (await received(house, "inteliquent"))["attachments"] == []


def words_counted(word: str) -> float:
    return REGISTRY.get_sample_value("kereru_consent_words_total", {"word": word}) or 0.0


async def test_words_in_text_parts_are_counted(house: House) -> None:
    """G35: each text once, however many of its parts say it; what a caption overrules is not one."""
    before = [words_counted(word) for word in ("stop", "start", "help", "review")]
    await arrive(house, "restcomm", "", b"STOP", b"stop", declared="text/plain")
    await arrive(house, "restcomm", "", b"START", declared="text/plain")
    await house.restcomm(Body="STOP")
    await arrive(house, "restcomm", "Look at this", b"STOP", declared="text/plain")
    await arrive(house, "restcomm", "", b"please stop texting me", declared="text/plain")
    await house.tenant.run_jobs()
    after = [words_counted(word) for word in ("stop", "start", "help", "review")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 1, 0, 1]


async def test_start_in_a_text_part_brings_back(house: House) -> None:
    """G35: who said STOP comes back by START, in whatever form it comes."""
    await house.restcomm(Body="STOP")
    assert await code_of(house, "ana") == "stopped"
    await arrive(house, "restcomm", " ", b"\xef\xbb\xbfSTART", declared="text/plain")
    await house.tenant.run_jobs()
    assert await code_of(house, "ana") is None


async def test_a_start_whose_file_comes_late_does_not_undo_a_later_stop(house: House) -> None:
    """G17: the order in which things were said counts, not the one in which files could be fetched."""
    await arrive(house, "restcomm", "", b"START", declared="text/plain")
    await house.restcomm(Body="STOP")
    await house.tenant.run_jobs()
    assert await code_of(house, "ana") == "stopped"


async def test_help_in_a_text_part_is_answered_once(house: House) -> None:
    """G35, P31: as HELP in a text's own words."""
    for _ in range(2):
        await arrive(house, "restcomm", "", b"help", declared="text/plain")
        await house.tenant.run_jobs()
    texts = await house.messages("ana", PHONE)
    assert [text["consent"] for text in texts if text["direction"] == "in"] == ["help", "help"]
    assert len([text for text in texts if text["direction"] == "out"]) == 1


@pytest.mark.parametrize(("words", "part"), [("Look at this", b"STOP"), ("", b"The last stop of the bus"), ("", b"STOP " * 2000)])
async def test_other_text_parts_are_files_only(house: House, words: str, part: bytes) -> None:
    """G35: the whole text has to say it; beside a caption, a file is a file."""
    await arrive(house, "restcomm", words, part, declared="text/plain")
    await house.tenant.run_jobs()
    assert (await received(house, "restcomm"))["consent"] is None
    assert await code_of(house, "ana") is None
