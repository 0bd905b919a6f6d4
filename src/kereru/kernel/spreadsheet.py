"""CSV files as spreadsheets open them: read as UTF-8, and no cell computed, whoever wrote what stands in it (bad input 22)."""

import csv
import io
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence

MEDIA_TYPE = "text/csv; charset=utf-8"
MARK = "\ufeff"
"""Before the first line: tells spreadsheets that it is UTF-8."""
_SIGNS = ("=", "+", "-", "@")
# A tab or a line break makes some programs look for the sign behind it; the wide signs are read as the plain ones in East Asian versions.
_FORMULA = (*_SIGNS, "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Where a semicolon or a tab parts cells, so in most of Europe, quotation marks within a line count for nothing: a cell goes on behind one, or in the
# next line, as a cell of its own. A sign before a bracket that closes is a face, and no formula.
_BEHIND = '([;\t\r\n][ \u00a0"]*)'
_SIGN = "(?=[=+@\uff1d\uff0b\uff0d\uff20-](?![)\\]]))"
_INNER = re.compile(_BEHIND + _SIGN)
_MARKED = re.compile(_BEHIND + "'" + _SIGN)


def lines(rows: Iterable[Iterable[str]]) -> str:
    """Rows as lines (RFC 4180)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([plain_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


async def streamed(columns: Sequence[str], pages: AsyncGenerator[Iterable[Sequence[str]]]) -> AsyncIterator[bytes]:
    """A file, page by page, so that a long one holds up neither memory nor whoever else this process serves.

    The first page is waited for here: what it raises is still an answer, not a broken file.
    """
    first = await anext(pages, ())

    async def rest() -> AsyncIterator[bytes]:
        yield (MARK + lines([columns, *first])).encode()
        async for page in pages:
            yield lines(page).encode()

    return rest()


def plain_cell(value: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe goes before what would begin one, also behind what ends a cell elsewhere.

    Numbers are written in the national form, which begins with no such sign for those of the United States, so that they stay usable.
    """
    begins = value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)
    return ("'" if begins else "") + _INNER.sub(r"\1'", value)


def words_of(cell: str) -> str:
    """What a cell of `plain_cell` held; one of another program stays as it is."""
    words = _MARKED.sub(r"\1", cell)
    return words[1:] if words.startswith("'") and plain_cell(words[1:]).startswith("'") else words


def disposition(name: str) -> dict[str, str]:
    """The headers of a file that is saved as `name`."""
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
