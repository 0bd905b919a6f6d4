"""Files for spreadsheets (bad input 22)."""

import csv
import io
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.kernel.spreadsheet import MARK, lines, plain_cell, streamed, words_of


@pytest.mark.parametrize("value", ['=HYPERLINK("https://evil.example")', "+1", "-2", "@SUM(A1)", " =1", "＝1", " ＝1", "\u00a0@x"])
def test_no_cell_is_a_formula(value: str) -> None:
    """Bad input 22."""
    assert plain_cell(value) == "'" + value


def test_ordinary_cells_stay_as_they_are() -> None:
    for value in ("Ana Torres", "(201) 555-0110", "O'Neil", "a=b", ""):
        assert plain_cell(value) == value


def test_every_cell_reads_back() -> None:
    """RFC 4180: commas, quotes and line breaks stay inside their cell."""
    rows = [["a,b", 'say "x"', "two\nlines"], ["", "=1", "z"]]
    assert list(csv.reader(io.StringIO(lines(rows)))) == [rows[0], ["", "'=1", "z"]]


async def test_a_file_is_made_page_by_page() -> None:
    """What the first page raises is raised before anything is sent; later pages are asked for when the earlier are out."""
    asked: list[int] = []

    async def pages() -> AsyncGenerator[list[list[str]]]:
        for number in range(3):
            asked.append(number)
            yield [[str(number)]]

    file = await streamed(["n"], pages())
    assert asked == [0]
    assert await anext(file) == f"{MARK}n\r\n0\r\n".encode()
    assert asked == [0]
    assert [part async for part in file] == [b"1\r\n", b"2\r\n"]

    async def broken() -> AsyncGenerator[list[list[str]]]:
        raise LookupError
        yield []

    with pytest.raises(LookupError):
        await streamed(["n"], broken())


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("Ana;=1+1", "Ana;'=1+1"),
        ("Ana; \u00a0+1", "Ana; \u00a0'+1"),
        ('Ana;"=1+1', "Ana;\"'=1+1"),
        ("Ana\t@SUM(1)", "Ana\t'@SUM(1)"),
        ("Ana\n-1+2", "Ana\n'-1+2"),
        ("=1;=2", "'=1;'=2"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("\n=1", "'\n'=1"),
        ("Ana\r\n=1", "Ana\r\n'=1"),
        ("see you at 5 ;-) :)", "see you at 5 ;-) :)"),
        ("1;2;3\n4", "1;2;3\n4"),
    ],
)
def test_what_another_countrys_spreadsheet_takes_for_a_cell_is_none(value: str, cell: str) -> None:
    """Input 22: where semicolons or tabs part cells, and in the next line; a face stays a face. What was written is read back."""
    assert plain_cell(value) == cell
    assert words_of(cell) == value


@given(st.text(alphabet="aZ1=+-@;\t\n '\"()\uff1d", max_size=12))
def test_every_cell_is_read_back(value: str) -> None:
    """But for one that already looked like ours."""
    assert words_of(plain_cell(value)) == value or "'" in value
