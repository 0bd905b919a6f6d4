"""Pictures that phones send and get. Owns their bytes: of what is sent, until the carrier's receiver fetched it.

Promises: at most 64 files of at most 1 MB (carriers.md C.3, C.8); the newest stay.
"""

import base64
import binascii
import secrets
from collections import OrderedDict
from typing import NamedTuple

LARGEST = 1_000_000
KEPT = 64
TYPES = {
    "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "audio/mpeg": "mp3", "audio/amr": "amr",
    "video/mp4": "mp4", "video/3gpp": "3gp", "text/vcard": "vcf", "text/plain": "txt",
}  # fmt: skip


class File(NamedTuple):
    """One file, the carrier it travels through, and the account that may fetch it."""

    name: str
    content_type: str
    data: bytes
    carrier: str
    account: str


class BadMedia(ValueError):
    """The file is too large, of a type no carrier takes, or not base64."""


class Media:
    """The newest files."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, File] = OrderedDict()

    def put(self, data: str, content_type: str, carrier: str, account: str) -> str:
        """Keep a base64 file; returns its name. Raises BadMedia."""
        if content_type not in TYPES:
            raise BadMedia(f"The type {content_type} is not one that carriers take.")
        try:
            content = base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise BadMedia("The file is not base64.") from error
        if len(content) > LARGEST:
            raise BadMedia("The file is larger than 1 MB.")
        name = f"{secrets.token_hex(12)}.{TYPES[content_type]}"
        self._keep(File(name, content_type, content, carrier, account))
        return name

    def keep(self, content: bytes, content_type: str) -> str:
        """Keep what a carrier fetched for a handset, which reads it without an account; returns its name."""
        name = f"{secrets.token_hex(12)}.{TYPES.get(content_type, 'bin')}"
        self._keep(File(name, content_type, content, "", ""))
        return name

    def put_layout(self, carrier: str, account: str) -> str:
        """Keep a SMIL layout, which handsets add to multimedia messages; returns its name."""
        name = f"{secrets.token_hex(12)}.smil"
        self._keep(File(name, "application/smil", b"<smil><head><layout/></head><body/></smil>", carrier, account))
        return name

    def _keep(self, file: File) -> None:
        self._files[file.name] = file
        while len(self._files) > KEPT:
            self._files.popitem(last=False)

    def get(self, name: str) -> File | None:
        """The file of that name, if it is still kept."""
        return self._files.get(name)
