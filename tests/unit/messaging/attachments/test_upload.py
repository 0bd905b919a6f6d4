"""What an upload may do to the machine that takes it (bad inputs 42, 83)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kereru.kernel.errors import Unavailable
from kereru.messaging.attachments.errors import FileTooLarge
from kereru.messaging.attachments.upload import receive

FORM = "multipart/form-data; boundary=x"


async def form(content: bytes) -> AsyncIterator[bytes]:
    """A form with one file, in one piece."""
    yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + content + b"\r\n--x--\r\n"


@pytest.mark.parametrize("content", [b"small", bytes(100_000)], ids=["found full when it is closed", "found full when it is written"])
async def test_a_full_disk_is_said_as_such(content: bytes) -> None:
    """The person tries again later; it is not an error of theirs, nor one that we know nothing of."""
    with pytest.raises(Unavailable):
        await receive(form(content), FORM, None, Path("/dev/full"), 1_000_000)


@pytest.mark.parametrize("length", ["\xb2", "12a", "", "-1", "9" * 13])
async def test_a_length_that_is_none_is_refused(length: str, tmp_path: Path) -> None:
    """Bad input 42: also digits that are none of ours."""
    with pytest.raises(FileTooLarge):
        await receive(form(b"small"), FORM, length, tmp_path / "a", 1_000_000)
