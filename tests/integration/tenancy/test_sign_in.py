"""Signing in, staying in, getting out (G26; bad inputs 94 to 98; threat model, accounts and sessions)."""

import asyncio
import contextlib
import time
from typing import Any

import pytest
from pyotp.totp import TOTP

from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.secrets import CannotOpen, Sealer, Secret
from kereru.tenancy import commands as tenancy_commands
from kereru.tenancy.access import commands, second_factor, throttling
from kereru.tenancy.access.commands import Lifetimes, Try
from kereru.tenancy.access.errors import CodeNeeded, TooManyTries, UnknownScope, WrongCode, WrongSignIn
from kereru.tenancy.access.model import Credential, api_key_credential, session_credential
from kereru.tenancy.errors import NoSuchPerson
from kereru.tenancy.model import Level
from kereru.tenancy.policy import Principal

EMAIL, PASSWORD = "ana@bluedoor.example", "correct horse"
SEALER = Sealer({1: b"k" * 32}, 1)
HOME, ELSEWHERE = "192.0.2.10", "198.51.100.20"


async def sign_in(
    tenancy: Any, password: str = PASSWORD, *, email: str = EMAIL, code: str = "", address: str = HOME, agent: str = "test"
) -> Credential:
    lifetimes = Lifetimes(tenancy.settings.session_idle_s, tenancy.settings.session_max_s)
    entered = await commands.sign_in(tenancy.database, SEALER, tenancy.clock, lifetimes, Try(email, Secret(password), code, address, agent))
    credential = session_credential(entered.token.reveal())
    assert credential is not None
    return credential


async def who(tenancy: Any, credential: Credential) -> Principal | None:
    return await tenancy.authenticator().principal(credential)


async def test_signing_in_makes_a_principal(tenancy: Any) -> None:
    async with tenancy.database.transaction(tenancy.scope) as tx:
        await tenancy_commands.create_portal_account(tx, tenancy.provider_id, Level.GROUP, tenancy.group_id, "Ana", EMAIL, "")
    principal = await who(tenancy, await sign_in(tenancy, email=" ANA@bluedoor.example"))
    assert principal is not None
    assert principal.user is not None
    assert (principal.provider_id, principal.user.id, principal.user.feed_id) == (tenancy.provider_id, tenancy.ana.id, tenancy.ana.feed_id)
    assert [(role.level, role.organisation_id, role.name) for role in principal.roles] == [(Level.GROUP, tenancy.group_id, "Blue Door Ltd")]


async def test_only_the_tokens_hash_is_stored(tenancy: Any) -> None:
    """Threat model: a reader of the database gains no session."""
    credential = await sign_in(tenancy)
    stored = tenancy.owner_sql("SELECT token_hash FROM session")
    assert [bytes(row[0]) for row in stored] == [credential.hash]


@pytest.mark.parametrize(("email", "password"), [
    (EMAIL, "wrong"), ("eve@bluedoor.example", PASSWORD), ("*)(uid=*", PASSWORD), (EMAIL, ""), ("' OR 1=1--", "' OR 1=1--"), ("a\0b@x.example", "\0"),
    (EMAIL, "\ud800"), ("x" * 300, "x" * 1000),
])  # fmt: skip
async def test_all_wrong_ways_in_get_the_same_words(tenancy: Any, email: str, password: str) -> None:
    """Bad inputs 95, 97, 98: unknown user and wrong password answer alike."""
    with pytest.raises(WrongSignIn) as caught:
        await sign_in(tenancy, password, email=email)
    assert (caught.value.detail, caught.value.code, caught.value.fields) == (WrongSignIn().detail, "wrong_sign_in", ())


async def test_unknown_and_known_addresses_take_the_same_time(tenancy: Any) -> None:
    """Bad input 95: the same work, counted as this process's CPU time; without a hash to measure against it would be a tenth of it."""

    async def took(email: str, at: int) -> float:
        began = time.process_time()
        with pytest.raises(WrongSignIn):
            await sign_in(tenancy, "wrong", email=email, address=f"192.0.2.{at}")
        return time.process_time() - began

    times = {email: sorted([await took(email, at) for at in range(1, 8)])[3] for email in (EMAIL, "eve@bluedoor.example")}
    assert times["eve@bluedoor.example"] > times[EMAIL] / 2


async def test_guessing_at_one_address_is_slowed_and_the_owner_still_gets_in(tenancy: Any) -> None:
    """Bad input 94: thousands of passwords on one user from one place; his own place is not affected."""
    outcomes: list[type[Exception]] = []
    for _ in range(12):
        with pytest.raises((WrongSignIn, TooManyTries)) as caught:
            await sign_in(tenancy, "guess", address=ELSEWHERE)
        outcomes.append(caught.type)
    assert outcomes == [WrongSignIn] * 10 + [TooManyTries] * 2
    with pytest.raises(TooManyTries) as refused:
        await sign_in(tenancy, address=ELSEWHERE)
    assert refused.value.retry_after_s is not None
    assert 0 < refused.value.retry_after_s <= 61
    await sign_in(tenancy, address=HOME)


def fail_often(tenancy: Any, subject: str, bucket: throttling.Bucket, times: int) -> None:
    """As many failures as real ones would leave in a bucket, without the second that each fifty hashes take."""
    take = "SELECT throttle_take(%s, %s, %s) FROM generate_series(1, %s)"
    tenancy.owner_sql(take, subject, bucket.capacity, bucket.leak_per_s, times)


async def test_a_swarm_against_one_user_does_not_lock_him_out_of_where_he_was_before(tenancy: Any) -> None:
    """Bad input 94, threat model: lock-out of the victim is impossible. Many addresses guess; a new one waits, his own does not."""
    await sign_in(tenancy, address=HOME)
    fail_often(tenancy, throttling.subjects(EMAIL, "")[2], throttling.PER_EMAIL, 58)
    outcomes: list[type[Exception]] = []
    for at in range(6):
        with pytest.raises((WrongSignIn, TooManyTries)) as caught:
            await sign_in(tenancy, "guess", address=f"198.51.100.{at}")
        outcomes.append(caught.type)
    assert outcomes[:2] == [WrongSignIn] * 2
    assert outcomes[-1] is TooManyTries
    with pytest.raises(TooManyTries):
        await sign_in(tenancy, address="203.0.113.1")
    await sign_in(tenancy, address=HOME)


async def test_spraying_one_password_over_many_users_is_slowed(tenancy: Any) -> None:
    """Bad input 94: one password on ten thousand users."""
    fail_often(tenancy, throttling.subjects("", ELSEWHERE)[0], throttling.PER_ADDRESS, 48)
    outcomes: list[type[Exception]] = []
    for at in range(6):
        with pytest.raises((WrongSignIn, TooManyTries)) as caught:
            await sign_in(tenancy, "Spring2026", email=f"person{at}@bluedoor.example", address=ELSEWHERE)
        outcomes.append(caught.type)
    assert outcomes[0] is WrongSignIn
    assert outcomes[-1] is TooManyTries


async def test_good_sign_ins_never_fill_a_bucket(tenancy: Any) -> None:
    """An office behind one address signs in at nine o'clock."""
    for _ in range(15):
        await sign_in(tenancy)


async def test_every_sign_in_has_its_own_token(tenancy: Any) -> None:
    """Bad input 96: fixation."""
    assert len({(await sign_in(tenancy)).hash for _ in range(3)}) == 3


async def test_signing_out_ends_that_session_everywhere_in_time(tenancy: Any) -> None:
    """G26: log-out kills tokens within 5 s: at once where nobody remembers it, after 2 s of memory elsewhere."""
    staying, leaving = await sign_in(tenancy), await sign_in(tenancy)
    elsewhere = tenancy.authenticator()
    assert await elsewhere.principal(leaving) is not None
    await commands.sign_out(tenancy.database, leaving)
    assert await who(tenancy, leaving) is None
    tenancy.clock.advance(2.1)
    assert await elsewhere.principal(leaving) is None
    assert await who(tenancy, staying) is not None
    await commands.sign_out(tenancy.database, leaving)


async def test_the_memory_is_shorter_than_the_promise_and_forgets_when_told(tenancy: Any) -> None:
    credential = await sign_in(tenancy)
    authenticator = tenancy.authenticator()
    assert await authenticator.principal(credential) is not None
    await commands.sign_out(tenancy.database, credential)
    authenticator.forget(credential)
    assert await authenticator.principal(credential) is None


async def test_disabling_shuts_sessions_and_keys_out(tenancy: Any) -> None:
    """G26: disable; enabling brings keys back, not sessions."""
    session = await sign_in(tenancy)
    async with tenancy.database.transaction(tenancy.scope) as tx:
        key = await commands.create_api_key(tx, tenancy.provider_id, tenancy.ana.sign_in_id, "robot", ["client.read"])
    by_key = api_key_credential(key.token.reveal())
    assert by_key is not None
    async with tenancy.database.transaction(tenancy.scope) as tx:
        await commands.set_disabled(tx, tenancy.provider_id, tenancy.ana.sign_in_id, disabled=True)
    assert (await who(tenancy, session), await who(tenancy, by_key)) == (None, None)
    with pytest.raises(WrongSignIn):
        await sign_in(tenancy)
    async with tenancy.database.transaction(tenancy.scope) as tx:
        await commands.set_disabled(tx, tenancy.provider_id, tenancy.ana.sign_in_id, disabled=False)
    assert await who(tenancy, session) is None
    assert await who(tenancy, by_key) is not None
    await sign_in(tenancy)


async def test_a_new_password_ends_every_session(tenancy: Any) -> None:
    session = await sign_in(tenancy)
    async with tenancy.database.transaction(tenancy.scope) as tx:
        await commands.set_password(tx, tenancy.provider_id, tenancy.ana.sign_in_id, "battery staple")
    assert await who(tenancy, session) is None
    with pytest.raises(WrongSignIn):
        await sign_in(tenancy)
    await sign_in(tenancy, "battery staple")


@pytest.mark.parametrize(("set_back", "column"), [("15 days", "seen_at"), ("91 days", "created_at")])
async def test_sessions_end_by_idleness_and_by_age(tenancy: Any, set_back: str, column: str) -> None:
    """Threat model: idle and absolute limits, by the database's time (G43)."""
    old, fresh = await sign_in(tenancy), await sign_in(tenancy)
    tenancy.owner_sql(f"UPDATE session SET {column} = {column} - %s::interval WHERE token_hash = %s", set_back, old.hash)
    assert await who(tenancy, old) is None
    assert await who(tenancy, fresh) is not None
    assert await tenancy.authenticator().still_good([(tenancy.provider_id, old.hash), (tenancy.provider_id, fresh.hash)]) == {fresh.hash}


async def test_being_seen_is_written_at_most_once_a_minute(tenancy: Any) -> None:
    """A request costs no write; a session in use does not end."""
    credential = await sign_in(tenancy)
    seen = tenancy.owner_sql("SELECT seen_at FROM session")
    await who(tenancy, credential)
    assert tenancy.owner_sql("SELECT seen_at FROM session") == seen
    tenancy.owner_sql("UPDATE session SET seen_at = seen_at - interval '61 seconds'")
    await who(tenancy, credential)
    assert tenancy.owner_sql("SELECT seen_at FROM session") > seen


async def test_a_token_is_worth_nothing_in_another_tenant(tenancy: Any) -> None:
    """G29: the provider in a token says where to look, and changing it finds nothing."""
    credential = await sign_in(tenancy)
    assert await who(tenancy, Credential("session", tenancy.northern.provider_id, credential.hash)) is None
    authenticator = tenancy.authenticator()
    assert await authenticator.principal(credential) is not None
    assert await authenticator.principal(Credential("session", tenancy.northern.provider_id, credential.hash)) is None
    assert await who(tenancy, Credential("api_key", tenancy.provider_id, credential.hash)) is None


async def test_a_role_whose_organisation_is_gone_is_no_role(tenancy: Any) -> None:
    """G32: authority hangs on the organisation."""
    async with tenancy.database.transaction(tenancy.scope) as tx:
        reseller = await tenancy_commands.create_reseller(tx, tenancy.provider_id, "Short-lived")
        await tenancy_commands.create_portal_account(tx, tenancy.provider_id, Level.RESELLER, reseller, "Ana", EMAIL, "")
    credential = await sign_in(tenancy)
    principal = await who(tenancy, credential)
    assert principal is not None
    assert len(principal.roles) == 1
    tenancy.owner_sql("DELETE FROM reseller WHERE id = %s", reseller)
    principal = await who(tenancy, credential)
    assert principal is not None
    assert principal.roles == ()


async def test_a_second_factor_is_asked_for_and_good_once(tenancy: Any) -> None:
    """Threat model: used codes are refused (bad input 94), and a wrong password never gets as far as the code."""
    async with tenancy.database.transaction(tenancy.scope) as tx:
        secret = await second_factor.add(tx, SEALER, tenancy.provider_id, tenancy.ana.sign_in_id)
    code = TOTP(secret.reveal()).at(tenancy.clock.now())
    with pytest.raises(WrongSignIn):
        await sign_in(tenancy, "wrong", code=code)
    with pytest.raises(CodeNeeded):
        await sign_in(tenancy)
    with pytest.raises(WrongCode):
        await sign_in(tenancy, code="000000" if code != "000000" else "000001")
    await sign_in(tenancy, code=code)
    with pytest.raises(WrongCode):
        await sign_in(tenancy, code=code)
    tenancy.clock.advance(30)
    await sign_in(tenancy, code=TOTP(secret.reveal()).at(tenancy.clock.now()))


async def test_one_code_lets_one_of_two_at_once_in(tenancy: Any) -> None:
    """Bad input 94: a used code, in a race."""
    async with tenancy.database.transaction(tenancy.scope) as tx:
        secret = await second_factor.add(tx, SEALER, tenancy.provider_id, tenancy.ana.sign_in_id)
    code = TOTP(secret.reveal()).at(tenancy.clock.now())
    outcomes = await asyncio.gather(*(sign_in(tenancy, code=code) for _ in range(4)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Credential", "WrongCode", "WrongCode", "WrongCode"]


async def test_a_stolen_second_factor_opens_nowhere_else(tenancy: Any) -> None:
    """Design §9: sealed values are bound to their row."""
    async with tenancy.database.transaction(tenancy.scope) as tx:
        ben = await tenancy_commands.create_user(tx, tenancy.provider_id, tenancy.group_id, "Ben", "ben@bluedoor.example", PASSWORD)
        await second_factor.add(tx, SEALER, tenancy.provider_id, tenancy.ana.sign_in_id)
    assert b"JBSW" not in bytes(tenancy.owner_sql("SELECT totp_sealed FROM sign_in WHERE totp_sealed IS NOT NULL")[0][0])
    tenancy.owner_sql("UPDATE sign_in b SET totp_sealed = a.totp_sealed FROM sign_in a WHERE a.totp_sealed IS NOT NULL AND b.id = %s", ben.sign_in_id)
    with pytest.raises(CannotOpen):
        await sign_in(tenancy, email="ben@bluedoor.example", code="123456")


async def test_api_keys_act_as_their_sign_in_and_end(tenancy: Any) -> None:
    async with tenancy.database.transaction(tenancy.scope) as tx:
        key = await commands.create_api_key(tx, tenancy.provider_id, tenancy.ana.sign_in_id, "robot", ["client.read", "client.read"])
    credential = api_key_credential(key.token.reveal())
    assert credential is not None
    principal = await who(tenancy, credential)
    assert principal is not None
    assert principal.user is not None
    assert (principal.user.id, principal.via, principal.scopes) == (tenancy.ana.id, "api_key", frozenset({"client.read"}))
    assert tenancy.owner_sql("SELECT used_at IS NOT NULL, hint, token_hash FROM api_key") == [(True, key.token.hint(), credential.hash)]
    assert key.token.reveal() not in repr(key)
    async with tenancy.database.transaction(tenancy.scope) as tx:
        await commands.revoke_api_key(tx, tenancy.provider_id, key.id)
    assert await who(tenancy, credential) is None


async def test_what_no_api_key_can_be(tenancy: Any) -> None:
    for scopes in ([], ["everything"], ["client.read", "admin"]):
        with pytest.raises(UnknownScope):
            async with tenancy.database.transaction(tenancy.scope) as tx:
                await commands.create_api_key(tx, tenancy.provider_id, tenancy.ana.sign_in_id, "robot", scopes)
    northern = ProviderScope(tenancy.northern.provider_id)
    with pytest.raises(NoSuchPerson):
        async with tenancy.database.transaction(northern) as tx:
            await commands.create_api_key(tx, northern.provider_id, tenancy.ana.sign_in_id, "robot", ["client.read"])
    for forbidden in (
        lambda tx: commands.revoke_api_key(tx, northern.provider_id, 5),
        lambda tx: commands.set_password(tx, northern.provider_id, tenancy.ana.sign_in_id, PASSWORD),
        lambda tx: commands.set_disabled(tx, northern.provider_id, tenancy.ana.sign_in_id, disabled=True),
        lambda tx: second_factor.add(tx, SEALER, northern.provider_id, tenancy.ana.sign_in_id),
    ):
        with pytest.raises(NoSuchPerson):
            async with tenancy.database.transaction(northern) as tx:
                await forbidden(tx)


async def test_two_tenants_on_one_connection_never_mix(tenancy: Any) -> None:
    """G31: a tenant context never outlives its transaction, also when transactions are cancelled half-way."""
    async with Database(tenancy.owner_url, "kereru_app", size=1) as one:
        for round_number in range(20):
            provider_id = (tenancy.provider_id, tenancy.northern.provider_id)[round_number % 2]

            async def work(provider_id: int = provider_id) -> None:
                async with one.transaction(ProviderScope(provider_id)) as tx:
                    rows = await tx.rows("SELECT provider_id FROM reseller")
                    assert {row.provider_id for row in rows} == {provider_id}
                    await tx.run("SELECT pg_sleep(0.02)")

            task = asyncio.create_task(work())
            await asyncio.sleep(0.001 * (round_number % 7))
            if round_number % 3 == 0:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert await one.autocommit("SELECT FROM reseller") == []
