"""The chain of evidence as a file: what verify accepts, and that it sees every change (docs/reference/evidence.md)."""

import json

import pytest

from kereru.provisioning.evidence.model import FORMAT, ChainBroken, Verified, continues, first_hash, next_hash, verify


def chain(length: int, *, provider: str = "7", salt: str = "") -> list[bytes]:
    """A file of evidence as the database writes one."""
    hash_ = first_hash(provider)
    links: list[dict] = []
    for number in range(1, length + 1):
        body = json.dumps(
            {
                "provider": provider, "number": number, "at": "2026-03-01T10:00:00.000000Z", "event": "opt_in.accepted", "assignment": "5",
                "actor": f"ana@bluedoor.example{salt}", "address": "192.0.2.1", "agent": "Zoë’s browser", "details": {"phone_number": "+12015550110"},
            },
            ensure_ascii=False,
        )  # fmt: skip
        previous, hash_ = hash_, next_hash(hash_, body)
        links.append({"previous_hash": previous.hex(), "hash": hash_.hex(), "body": body})
    header = {
        "format": FORMAT, "provider": provider, "name": "Southern", "exported_at": "2026-03-01T11:00:00Z", "entries": length, "head": hash_.hex(),
    }  # fmt: skip
    return [json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in (header, *links)]


def test_a_chain_as_it_was_written_holds() -> None:
    """R180: length and last hash are told, so that a later file can be compared."""
    found = verify(chain(5))
    assert (found.provider, found.name, found.entries) == ("7", "Southern", 5)
    assert verify(chain(0)) == Verified("7", "Southern", 0, first_hash("7").hex())


@pytest.mark.parametrize("line", range(6))
@pytest.mark.parametrize("old", [b"ana@", b"2026-03-01", b"accepted", b'"5', b'"7"', b"0"])
def test_no_byte_of_it_can_be_changed(line: int, old: bytes) -> None:
    """Every entry, wherever something in it is changed; the header's time and name are the only things not held."""
    lines = chain(5)
    # After the key, so that it is a value that changes and not JSON's own signs.
    changed = lines[line].replace(old, b"9" * len(old), 1)
    if changed == lines[line] or (line == 0 and old in {b"2026-03-01", b"0"}):
        pytest.skip("nothing that is held to change there")
    lines[line] = changed
    with pytest.raises(ChainBroken):
        verify(lines)


@pytest.mark.parametrize("cut", ["first", "middle", "last", "doubled", "swapped", "nothing left", "foreign"])
def test_no_entry_can_be_taken_out_or_put_in(cut: str) -> None:
    lines = chain(5)
    changed = {
        "first": [lines[0], *lines[2:]],
        "middle": [*lines[:3], *lines[4:]],
        "last": lines[:-1],
        "doubled": [*lines[:3], lines[2], *lines[3:]],
        "swapped": [lines[0], lines[2], lines[1], *lines[3:]],
        "nothing left": [],
        "foreign": [*lines, chain(6, provider="8")[-1]],
    }[cut]
    with pytest.raises(ChainBroken):
        verify(changed)


def test_a_chain_written_anew_is_seen_beside_an_older_file() -> None:
    """Whoever holds the database could write a whole new chain; it does not begin with the file somebody kept."""
    assert continues(chain(3), chain(5)).entries == 5
    assert continues(chain(0), chain(5)).entries == 5
    for older, newer in ((chain(3), chain(5, salt="x")), (chain(5), chain(3)), (chain(3, provider="8"), chain(5))):
        with pytest.raises(ChainBroken, match="does not begin"):
            continues(older, newer)


def test_another_format_is_not_guessed() -> None:
    lines = chain(1)
    lines[0] = lines[0].replace(FORMAT.encode(), b"kereru-evidence-9")
    with pytest.raises(ChainBroken, match="evidence-9"):
        verify(lines)
