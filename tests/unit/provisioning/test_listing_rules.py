"""What is searched, and what a cell of the CSV file may be."""

import csv
import io
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from kereru.kernel.spreadsheet import MARK, lines
from kereru.provisioning.numbers.listing import patterns, searched
from kereru.provisioning.numbers.presenting import COLUMNS
from kereru.provisioning.numbers.presenting import cells as cells_of


@pytest.mark.parametrize(("typed", "shown"), [("0110", "*0110*"), (" Front desk ", "*Front desk*"), ("*0110", "*0110*"), ("201*10", "*201*10*"),
                                               ("", ""), ("  ", ""), ("***", "")])  # fmt: skip
def test_r176_wildcards_are_put_around_what_is_typed(typed: str, shown: str) -> None:
    """R176: automatically, and said so."""
    assert searched(typed) == shown


@pytest.mark.parametrize(("typed", "digits", "words"), [
    ("(201) 555-0110", "%2015550110%", "%(201) 555-0110%"), ("0110", "%0110%", "%0110%"), ("201*10", "%201%10%", "%201%10%"),
    ("Front", "", "%Front%"), ("100%", "", "%100\\%%"), ("a_b\\c", "", "%a\\_b\\\\c%"),
])  # fmt: skip
def test_a_number_is_found_however_it_is_written(typed: str, digits: str, words: str) -> None:
    """SQL's own signs are letters like any other."""
    assert patterns(typed) == (digits, words)


def test_the_file_reads_back() -> None:
    """R175, R178: the columns; commas, quotes and line breaks stay inside their cell; a live one is an Active Assignment."""
    row = SimpleNamespace(
        user='Ana "Front", Torres', email="ana@bluedoor.example", group_name="=cmd|' /C calc'!A0", reseller_name="Direct", e164="+12015550110",
        friendly_name="Front\ndesk", type=2, platform_name="Restcomm", state=4, opt_in=2, opted_in_at=datetime(2026, 3, 1, 10, tzinfo=UTC),
        opted_out_at=None, started_at=datetime(2026, 3, 1, 9, tzinfo=UTC), ended_at=None,
    )  # fmt: skip
    text = MARK + lines([COLUMNS, cells_of(row)])
    assert text.startswith("\ufeffUser,")
    header, cells = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    found = dict(zip(header, cells, strict=True))
    assert found["User"] == 'Ana "Front", Torres'
    assert found["Group"].startswith("'=")
    assert (found["CPaaS number"], found["Messaging type"], found["End date"]) == ("(201) 555-0110", "MMS & SMS", "Active Assignment")
    assert (found["State"], found["Opt-in"], found["Opted in at"]) == ("enabled", "opted_in", "2026-03-01T10:00:00Z")
