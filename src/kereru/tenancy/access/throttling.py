"""How often somebody may try to sign in: three leaky buckets, of which only failures fill (bad input 94).

By address, by e-mail at that address, and by e-mail from everywhere else. The last does not bind addresses from which the person has signed in
before, and one address alone fills it more slowly than it leaks: so strangers are slowed down, and nobody can be locked out of his own account.
"""

import ipaddress

import msgspec

from kereru.kernel.db import Transaction
from kereru.tenancy.access import store
from kereru.tenancy.access.errors import TooManyTries


class Bucket(msgspec.Struct, frozen=True):
    """A leaky bucket: `capacity` tries at once, then one for each `1 / leak_per_s` seconds."""

    capacity: float
    leak_per_s: float


PER_ADDRESS = Bucket(50, 1 / 6)
PER_EMAIL_AT_ADDRESS = Bucket(10, 1 / 60)
PER_EMAIL = Bucket(60, 1 / 30)


def network_of(address: str) -> str:
    """The address as throttles count it: an IPv6 household owns a /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address


def subjects(email: str, address: str) -> tuple[str, str, str]:
    """The names of the three buckets, in the order in which they are locked."""
    network = network_of(address)
    return f"address {network}", f"pair {network} {email}", f"email {email}"


async def take(tx: Transaction, subject: str, bucket: Bucket) -> None:
    """Count one try. Raises TooManyTries with the seconds to wait."""
    wait_s = await tx.value(store.THROTTLE_TAKE, {"subject": subject, "capacity": bucket.capacity, "leak_per_s": bucket.leak_per_s})
    if wait_s > 0:
        raise TooManyTries(retry_after_s=int(wait_s) + 1)


async def give_back(tx: Transaction, *of: str) -> None:
    """Uncount one try in each of these buckets: it was no failure."""
    await tx.run(store.THROTTLE_GIVE, {"subjects": list(of)})
