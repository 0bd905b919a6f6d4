"""Password hashes: argon2id, in threads, a bounded number at a time, so that a wave of sign-ins starves neither the event loop nor the memory."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from kereru.kernel.errors import FieldProblem, Unavailable
from kereru.tenancy.access.errors import WeakPassword

SHORTEST = 8
LONGEST = 200
NO_PASSWORD = ""
"""What is stored of somebody who was invited and has none yet: measured like nobody's, and matched by nothing."""
_THREADS = 2
_MOST_WAITING = 64

# OWASP's first choice for argon2id: 46 MiB, one pass, one lane.
_HASHER = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)
# What an unknown address is measured against: the cost of a real hash, and no password behind it (bad input 95).
_NOBODYS_HASH = "$argon2id$v=19$m=47104,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


class Passwords:
    """Hashes and verifies. Threads are started when first needed, so that a parent may fork before."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The hash to store. Raises WeakPassword for what is too short or too long, Unavailable when too many wait."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise WeakPassword(fields=(FieldProblem("password", WeakPassword.code, f"Choose {SHORTEST} to {LONGEST} characters."),))
        with _Turn(self):
            return await asyncio.get_running_loop().run_in_executor(self._executor(), _hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one behind `stored`; None takes as long and never matches. Raises Unavailable when too many wait."""
        with _Turn(self):
            # None longer can be set, so nothing is lost by measuring the beginning only.
            work = asyncio.get_running_loop().run_in_executor(self._executor(), _matches, stored or _NOBODYS_HASH, password[: LONGEST + 1])
            return await work and stored is not None

    def _executor(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")
        return self._threads

    def enter(self) -> None:
        """Join the line. Raises Unavailable when it is too long."""
        if self._waiting >= _MOST_WAITING:
            message = "Many people are signing in just now. Try again in a few seconds."
            raise Unavailable(message, retry_after_s=3)
        self._waiting += 1

    def leave(self) -> None:
        """Leave the line."""
        self._waiting -= 1


class _Turn:
    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    def __enter__(self) -> None:
        self._passwords.enter()

    def __exit__(self, *_: object) -> None:
        self._passwords.leave()


def _hash(password: str) -> str:
    return _HASHER.hash(_bytes(password))


def _matches(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


PASSWORDS = Passwords()
"""This process's own: what bounds the work is the process, not the caller."""
