"""All SQL of platforms."""

from collections.abc import Mapping, Sequence

from psycopg.types.json import Jsonb

from kereru.kernel.db import Database, Row, Transaction

_COLUMNS = """id, name, carrier, user_confirmation, user_can_block, mms, mail_on_postpone, takes_long_texts, token_hash, stopped_at, stopped_reason,
  created_at"""
_ACCESS = """provider_id, id AS platform_id, carrier, name, credentials_sealed, endpoints, takes_long_texts, token_hash, user_confirmation,
  user_can_block, mms, mail_on_postpone"""
_SHOWN = f"""
SELECT {_COLUMNS}, provider_id, id AS platform_id, endpoints, credentials_sealed, sends_per_second, queue_deadline_s,
  (SELECT count(*) FROM number n JOIN assignment a ON a.provider_id = n.provider_id AND a.number_id = n.id AND a.ended_at IS NULL
   WHERE n.provider_id = platform.provider_id AND n.platform_id = platform.id) AS numbers
FROM platform WHERE provider_id = scope_provider() AND ended_at IS NULL
"""

_INSERT = """
INSERT INTO platform (provider_id, id, carrier, name, carrier_account, credentials_sealed, endpoints, user_confirmation, user_can_block, mms,
  mail_on_postpone, takes_long_texts, token_hash, sends_per_second)
VALUES (scope_provider(), %(id)s, %(carrier)s, %(name)s, %(account)s, %(sealed)s, %(endpoints)s, %(user_confirmation)s, %(user_can_block)s, %(mms)s,
  %(mail_on_postpone)s, %(takes_long_texts)s, %(token_hash)s, %(rate)s)
"""
_UPDATE = """
UPDATE platform SET name = coalesce(%(name)s, name), carrier_account = coalesce(%(account)s, carrier_account),
  credentials_sealed = coalesce(%(sealed)s, credentials_sealed), endpoints = coalesce(%(endpoints)s, endpoints),
  user_confirmation = coalesce(%(user_confirmation)s, user_confirmation), user_can_block = coalesce(%(user_can_block)s, user_can_block),
  mms = coalesce(%(mms)s, mms), mail_on_postpone = coalesce(%(mail_on_postpone)s, mail_on_postpone),
  takes_long_texts = coalesce(%(takes_long_texts)s, takes_long_texts), token_hash = coalesce(%(token_hash)s, token_hash)
WHERE provider_id = scope_provider() AND id = %(id)s AND ended_at IS NULL
"""


async def new_id(tx: Transaction) -> int:
    """An id of the database's making."""
    return await tx.value("SELECT new_id()")


async def insert(tx: Transaction, params: Mapping[str, object]) -> None:
    """A new platform; `endpoints` is a plain mapping."""
    await tx.run(_INSERT, {**params, "endpoints": Jsonb(params["endpoints"])})


async def update(tx: Transaction, params: Mapping[str, object]) -> None:
    """Change what is not None."""
    endpoints = params["endpoints"]
    await tx.run(_UPDATE, {**params, "endpoints": None if endpoints is None else Jsonb(endpoints)})


async def put_token(tx: Transaction, token_hash: bytes, provider_id: int, platform_id: int, sealed: bytes) -> None:
    """Let webhooks with this token in."""
    await tx.run(
        "SELECT put_ingress_token(%(hash)s, %(provider)s, %(platform)s, %(sealed)s)",
        {"hash": token_hash, "provider": provider_id, "platform": platform_id, "sealed": sealed},
    )


async def token_sealed(tx: Transaction, provider_id: int, platform_id: int) -> bytes:
    """The platform's sealed path token."""
    return bytes(await tx.value("SELECT ingress_token_of(%(provider)s, %(platform)s)", {"provider": provider_id, "platform": platform_id}))


async def access(tx: Transaction, platform_id: int) -> Row | None:
    """The row that `open_access` reads, if the platform is live; locked against a change of its switches."""
    return await tx.row(
        f"SELECT {_ACCESS} FROM platform WHERE provider_id = scope_provider() AND id = %(id)s AND ended_at IS NULL FOR SHARE",
        {"id": platform_id},
    )


async def any_access(tx: Transaction, platform_id: int) -> Row | None:
    """The same, also of a platform that was deleted: its webhooks are still to be removed."""
    return await tx.row(f"SELECT {_ACCESS} FROM platform WHERE provider_id = scope_provider() AND id = %(id)s", {"id": platform_id})


async def shown(tx: Transaction, platform_id: int | None = None) -> Sequence[Row]:
    """Live platforms, or the one, with what a screen shows of them, oldest first."""
    return await tx.rows(_SHOWN + " AND (%(id)s::bigint IS NULL OR id = %(id)s) ORDER BY id", {"id": platform_id})


async def hold(tx: Transaction, platform_id: int) -> Row | None:
    """The same, held against everybody else until the commit: nobody assigns a number of it meanwhile."""
    return await tx.row(
        f"SELECT {_ACCESS} FROM platform WHERE provider_id = scope_provider() AND id = %(id)s AND ended_at IS NULL FOR UPDATE", {"id": platform_id}
    )


async def end(tx: Transaction, provider_id: int, platform_id: int) -> None:
    """The platform is deleted: nothing is sent or taken in by it any more. Its credentials stay until its webhooks are removed."""
    await tx.run("UPDATE platform SET ended_at = app_now() WHERE provider_id = scope_provider() AND id = %(id)s", {"id": platform_id})
    await tx.run("SELECT drop_ingress_token(%(provider)s, %(platform)s)", {"provider": provider_id, "platform": platform_id})


async def forget_credentials(tx: Transaction, platform_id: int) -> None:
    """Throw a deleted platform's credentials away once no webhook of it is left at the carrier."""
    await tx.run(
        """UPDATE platform p SET credentials_sealed = '' WHERE p.provider_id = scope_provider() AND p.id = %(id)s AND p.ended_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM number n WHERE n.provider_id = p.provider_id AND n.platform_id = p.id AND n.carrier_ref <> '')""",
        {"id": platform_id},
    )


async def lock_alerts(tx: Transaction) -> None:
    """Serialise whatever decides whether somebody receives this provider's alerts, until the commit."""
    await tx.run("SELECT pg_advisory_xact_lock(hashtextextended('alerts ' || scope_provider(), 4))")


async def alert_facts(tx: Transaction) -> Row:
    """How many live platforms there are, and how many portal accounts at the provider's level receive alerts and can sign in."""
    return await tx.row(
        """SELECT (SELECT count(*) FROM platform WHERE provider_id = scope_provider() AND ended_at IS NULL) AS platforms,
          (SELECT count(*) FROM portal_role r JOIN sign_in s ON s.provider_id = r.provider_id AND s.id = r.sign_in_id AND s.disabled_at IS NULL
           WHERE r.provider_id = scope_provider() AND r.level = 1 AND r.send_alerts) AS recipients"""
    )


async def live(tx: Transaction) -> Sequence[Row]:
    """The provider's live platforms, oldest first."""
    return await tx.rows(f"SELECT {_COLUMNS} FROM platform WHERE provider_id = scope_provider() AND ended_at IS NULL ORDER BY id")


async def resume(tx: Transaction, platform_id: int) -> bool:
    """Take the stop off; whether there was one."""
    return (
        await tx.run(
            """UPDATE platform SET stopped_at = NULL, stopped_reason = NULL
            WHERE provider_id = scope_provider() AND id = %(id)s AND stopped_at IS NOT NULL AND ended_at IS NULL""",
            {"id": platform_id},
        )
        == 1
    )


async def add_alert(tx: Transaction, kind: int, platform_id: int, e164: str, problem: str) -> int | None:
    """Raise an alert; its id, or None when it was raised today already."""
    return await tx.value(
        """INSERT INTO alert (provider_id, id, kind, platform_id, e164, day, at, problem)
        VALUES (scope_provider(), new_id(), %(kind)s, %(platform)s, %(e164)s, (app_now() AT TIME ZONE 'UTC')::date, app_now(), %(problem)s)
        ON CONFLICT (provider_id, kind, platform_id, e164, day) DO NOTHING RETURNING id""",
        {"kind": kind, "platform": platform_id, "e164": e164, "problem": problem},
    )


async def ingress_platform(database: Database, token_hash: bytes) -> Row | None:
    """What ingress knows of the platform behind a token; the listed function of role kereru_ingest."""
    rows = await database.autocommit("SELECT * FROM ingress_platform(%(hash)s)", {"hash": token_hash})
    return rows[0] if rows else None


async def ingress_platforms(database: Database, after: bytes, most: int) -> list[Row]:
    """The same of up to `most` platforms whose tokens' hashes come after `after`; `provider_id` is None where there is none."""
    return await database.autocommit("SELECT * FROM ingress_platforms(%(after)s, %(most)s)", {"after": after, "most": most})
