"""Secrets: a type that cannot be printed by accident, and sealing (AES-256-GCM) with a key that lives outside the database (design §9)."""

import contextlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MASK = "•••"
_NONCE_BYTES = 12
_KEY_BYTES = 32


class Secret:
    """A value that must never reach a log, a screen or an error: only `reveal` gives it out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Call it where it is handed over, never earlier."""
        return self._value

    def hint(self) -> str:
        """What a screen may show: the last four characters, if enough stay hidden."""
        return MASK + (self._value[-4:] if len(self._value) >= 12 else "")

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


class CannotOpen(Exception):
    """A sealed value does not belong to this key or to this place."""


class Sealer:
    """Seals values so that the database alone gives nothing away.

    A sealed value is `key number (1 byte) ‖ nonce ‖ ciphertext`; `bound` (whose, what for) is authenticated with it, so that a value copied into
    another tenant's row does not open there.
    """

    def __init__(self, keys: dict[int, bytes], newest: int) -> None:
        self._ciphers = {number: AESGCM(key) for number, key in keys.items()}
        self._newest = newest

    def seal(self, value: bytes, bound: str) -> bytes:
        """`value`, encrypted under the newest key and tied to `bound`."""
        nonce = os.urandom(_NONCE_BYTES)
        return bytes([self._newest]) + nonce + self._ciphers[self._newest].encrypt(nonce, value, bound.encode())

    def open(self, sealed: bytes, bound: str) -> bytes:
        """The value inside. Raises CannotOpen for another key, another `bound`, or a changed byte."""
        cipher = self._ciphers.get(sealed[0]) if sealed else None
        if cipher is None:
            raise CannotOpen
        try:
            return cipher.decrypt(sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :], bound.encode())
        except InvalidTag as error:
            raise CannotOpen from error


def load_or_make_key(path: Path) -> bytes:
    """The installation's master key, made at the first start and kept beside (never inside) the database; mode 0600."""
    if not path.exists():
        _make_key(path)
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        message = f"the key file {path} should hold {_KEY_BYTES} bytes and holds {len(key)}; restore it from your backup of keys"
        raise ValueError(message)
    return key


def _make_key(path: Path) -> None:
    # Written whole under another name first: whoever finds the file finds all of it, also when several processes start at once.
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(os.urandom(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()
