"""A small tenant made by plain SQL as the owner: two providers, users with numbers, ready to text. For tests below the provisioning commands."""

from dataclasses import dataclass

import psycopg
from psycopg.rows import namedtuple_row

from kereru.kernel.secrets import Sealer

SEALER = Sealer({1: bytes(range(32))}, 1)
ANA, BEN, PHONE = "+12015550110", "+13125550142", "+12025550142"


@dataclass(frozen=True, slots=True)
class Owner:
    """A user with one number."""

    provider_id: int
    group_id: int
    user_id: int
    feed_id: int
    platform_id: int
    number_id: int
    assignment_id: int
    e164: str


@dataclass(frozen=True, slots=True)
class World:
    """`ana` texts through Restcomm, `ben` through Inteliquent, both of one provider; `foreign` belongs to another one."""

    url: str
    ana: Owner
    ben: Owner
    foreign: Owner

    def sql(self, statement: str, **params: object) -> list:
        """Rows of a statement as the owner, who sees everything. It waits for no lock for long: its holder may be a task of the caller's loop."""
        with psycopg.connect(self.url, row_factory=namedtuple_row, autocommit=True, options="-c lock_timeout=5s") as connection:
            cursor = connection.execute(statement, params)
            return cursor.fetchall() if cursor.description else []


def make_world(url: str) -> World:
    """Fill an empty, migrated database."""
    with psycopg.connect(url, row_factory=namedtuple_row) as connection:

        def new(statement: str, **params: object) -> int:
            return connection.execute(statement, params).fetchone()[0]

        def provider(name: str) -> tuple[int, int]:
            provider_id = new("INSERT INTO provider (provider_id, name) VALUES (new_id(), %(name)s) RETURNING provider_id", name=name)
            reseller = new("INSERT INTO reseller VALUES (%(p)s, new_id(), 'Direct') RETURNING id", p=provider_id)
            return provider_id, new("INSERT INTO user_group VALUES (%(p)s, new_id(), %(r)s, 'Blue Door Ltd') RETURNING id", p=provider_id, r=reseller)

        def owner(provider_id: int, group_id: int, carrier: str, e164: str, name: str) -> Owner:
            email = f"{name.lower()}@bluedoor{provider_id}.example"
            sign_in = new(
                "INSERT INTO sign_in (provider_id, id, email, password_hash) VALUES (%(p)s, new_id(), %(e)s, '-') RETURNING id",
                p=provider_id,
                e=email,
            )
            connection.execute("INSERT INTO sign_in_email VALUES (%(e)s, %(p)s, %(s)s)", {"e": email, "p": provider_id, "s": sign_in})
            feed = new("INSERT INTO feed (provider_id, id, kind) VALUES (%(p)s, new_id(), 1) RETURNING id", p=provider_id)
            user = new(
                "INSERT INTO end_user (provider_id, id, group_id, sign_in_id, feed_id, name) VALUES (%(p)s, new_id(), %(g)s, %(s)s, %(f)s, %(n)s)"
                " RETURNING id", p=provider_id, g=group_id, s=sign_in, f=feed, n=name,
            )  # fmt: skip
            connection.execute("INSERT INTO licence (provider_id, user_id, product) VALUES (%s, %s, 1)", (provider_id, user))
            platform = new(
                "INSERT INTO platform (provider_id, id, carrier, name, credentials_sealed) VALUES (%(p)s, new_id(), %(c)s, %(c)s, ''::bytea)"
                " RETURNING id",
                p=provider_id, c=carrier,
            )  # fmt: skip
            number = new(
                "INSERT INTO number (provider_id, id, platform_id, e164) VALUES (%(p)s, new_id(), %(pl)s, %(e)s) RETURNING id",
                p=provider_id, pl=platform, e=e164,
            )  # fmt: skip
            assignment = new(
                "INSERT INTO assignment (provider_id, id, number_id, user_id, friendly_name, state)"
                " VALUES (%(p)s, new_id(), %(n)s, %(u)s, 'Front desk', 4) RETURNING id", p=provider_id, n=number, u=user,
            )  # fmt: skip
            connection.execute("INSERT INTO opt_in (provider_id, assignment_id, state) VALUES (%s, %s, 2)", (provider_id, assignment))
            return Owner(provider_id, group_id, user, feed, platform, number, assignment, e164)

        first, group = provider("Southern Phone Co.")
        second, other_group = provider("Northern Phone Co.")
        return World(
            url,
            owner(first, group, "restcomm", ANA, "Ana"),
            owner(first, group, "inteliquent", BEN, "Ben"),
            owner(second, other_group, "restcomm", ANA, "Fay"),
        )
