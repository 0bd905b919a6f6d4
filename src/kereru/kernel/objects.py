"""Stored files: bytes under a key, in a folder or in an object store by its address (design §4). Knows nothing of whose they are or what they hold.

Promises: what `put` returned for is there whole (a folder gets it under another name first, then by a rename); deleting what is not there is done;
reading what is not there raises ObjectGone. Everything else that goes wrong with the store raises Unavailable.
"""

from collections.abc import AsyncIterable, AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kereru.kernel.errors import KereruError, Unavailable
from kereru.kernel.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

_PIECE_BYTES = 64 * 1024


class ObjectGone(KereruError):
    """This file is no longer there."""

    code = "file_gone"
    status = 404


@contextmanager
def _failures() -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectGone from error
    except Exception as error:
        # Whatever a store raises: its libraries have no common class for it.
        raise Unavailable from error


async def _pieces(stream: AsyncIterable[object]) -> AsyncIterator[bytes]:
    async for piece in stream:
        yield bytes(memoryview(piece))  # type: ignore[arg-type]


class Objects:
    """One store. `url` as obstore takes it (file://, s3://, gs://, az://); its credentials come from the environment, as each provider defines."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: Store | None = None

    async def put(self, key: str, source: Path) -> None:
        """Store a file's bytes under `key`, in place of what was there. Raises Unavailable."""
        import obstore

        with _failures():
            await obstore.put_async(self._store(), key, source)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `end` (None: all), in pieces. Raises ObjectGone, Unavailable before the first piece."""
        import obstore

        options: Any = {} if end is None else {"range": (start, end)}
        with _failures():
            found = await obstore.get_async(self._store(), key, options=options)
        return _pieces(found.stream(min_chunk_size=_PIECE_BYTES))

    async def fetch(self, key: str, target: Path) -> None:
        """Copy the bytes under `key` into a local file. Raises ObjectGone, Unavailable."""
        pieces = await self.read(key)
        with target.open("wb") as file:
            async for piece in pieces:
                file.write(piece)

    async def delete(self, key: str) -> None:
        """Delete; it need not be there. Raises Unavailable."""
        import obstore

        try:
            with _failures():
                await obstore.delete_async(self._store(), key)
        except ObjectGone:
            return

    def _store(self) -> "Store":
        # Imported at first use: processes that touch no file need not carry the library in memory.
        from obstore.store import LocalStore, from_url

        if self._opened is None:
            local = self._url.startswith("file:")
            self._opened = LocalStore.from_url(self._url, mkdir=True, automatic_cleanup=True) if local else from_url(self._url)
        return self._opened


def objects_of(settings: Settings) -> Objects:
    """The store that the settings name; a folder of the home by default."""
    return Objects(settings.files_url or (settings.home_path / "files").as_uri())
