"""Passwords by mail, second factors, sessions, API keys, through the application as it is run (issue 4, point 1; inputs 94 to 96; ASVS 6.4.6)."""

import re
from typing import Any

import pytest
from pyotp.totp import TOTP

from kereru.api.app import PREFIX
from kereru.kernel.db import Database
from kereru.kernel.jobs.worker import JobStore, work_until_idle
from kereru.notifications.sign_in import SignInMails, send_sign_in_mail
from kereru.tenancy.access.links import start_reset
from kereru.tenancy.access.mails import SEND_SIGN_IN_MAIL, START_RESET
from role_databases import without_user

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "a long new password"


async def mails(stage: Any) -> list[Any]:
    """Every mail that is due, as it would be sent."""
    out: list[Any] = []

    async def send(message: Any, _settings: Any) -> None:
        out.append(message)

    room = SignInMails(stage.database, stage.settings, stage.sealer, send)
    database: Database = stage.database
    handlers = {START_RESET: lambda ids: start_reset(database, ids), SEND_SIGN_IN_MAIL: lambda ids: send_sign_in_mail(room, ids)}
    await work_until_idle(JobStore(without_user(stage.url), without_user(stage.url)), handlers)
    return out


def token_of(mail: Any) -> str:
    found = re.search(r"/portal/password#(\S+)", mail.get_body(("plain",)).get_content())
    assert found
    return found.group(1)


async def _invited(stage: Any, app: Any, email: str, **more: object) -> tuple[str, str]:
    """(account id, token) of somebody invited to Southern's group Blue Door."""
    async with stage.client("southern", app=app) as client:
        made = await client.post(
            f"{PREFIX}/portal-accounts",
            json={"level": "group", "organisation_id": stage.of("group", "blue"), "name": "Gus Stone", "email": email, **more},
        )
        assert made.status_code == 201, made.text
        assert made.json()["invited"] is True
    mail = (await mails(stage))[-1]
    assert mail["To"].addresses[0].addr_spec == email
    return made.json()["id"], token_of(mail)


async def _signed_in(client: Any, email: str, password: str = PASSWORD, code: str = "") -> Any:
    return await client.post(f"{PREFIX}/session", json={"email": email, "password": password, **({"code": code} if code else {})})


async def test_an_invited_person_chooses_a_password_once(stage: Any) -> None:
    """Inputs 95, ASVS 6.4.6: the link shows whom it is for, works once, and then says what an invented one says."""
    app = stage.application()
    account, token = await _invited(stage, app, "gus@people.example")
    assert stage.sql("SELECT 1 FROM sign_in_mail WHERE token_sealed IS NOT NULL") == []
    async with stage.client(app=app) as client:
        assert (await client.get(f"{PREFIX}/password-resets/{token}")).json() == {"kind": "invitation", "email": "gus@people.example"}
        weak = await client.post(f"{PREFIX}/password-resets/{token}", json={"password": "short"})
        assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
        assert (await client.post(f"{PREFIX}/password-resets/{token}", json={"password": PASSWORD})).status_code == 204
        signed = await _signed_in(client, "gus@people.example")
        assert signed.status_code == 200
        assert signed.json()["roles"][0]["level"] == "group"
        used = await client.post(f"{PREFIX}/password-resets/{token}", json={"password": PASSWORD})
        invented = await client.post(f"{PREFIX}/password-resets/{token[:-1]}x", json={"password": PASSWORD})
        nonsense = await client.post(f"{PREFIX}/password-resets/nonsense", json={"password": PASSWORD})
        assert {(answer.status_code, answer.content) for answer in (used, invented, nonsense)} == {(404, used.content)}
    async with stage.client("southern", app=app) as client:
        again = await client.post(f"{PREFIX}/portal-accounts/{account}/invite")
        assert (again.status_code, again.json()["code"]) == (409, "has_password")
        entry = (await client.get(f"{PREFIX}/history", params={"who": "gus@people.example"})).json()["items"][0]
        assert (entry["action"], entry["via"], entry["address"]) == ("password.set", "link", "192.0.2.44")


async def test_a_late_link_says_what_a_used_one_says(stage: Any) -> None:
    """Inputs 95: a day, by the database's clock (G43)."""
    app = stage.application()
    _, token = await _invited(stage, app, "late@people.example")
    stage.sql("UPDATE sign_in_mail SET expires_at = app_now() - interval '1 second'")
    async with stage.client(app=app) as client:
        late = await client.get(f"{PREFIX}/password-resets/{token}")
        assert late.content == (await client.get(f"{PREFIX}/password-resets/nonsense")).content


async def test_a_reset_tells_nobody_whether_the_address_is_known(stage: Any) -> None:
    """Inputs 95: same words, same statements; a mail only to whom it belongs, and it ends every session."""
    app = stage.application()
    account, token = await _invited(stage, app, "rita@people.example")
    async with stage.client(app=app) as client, stage.client(app=app) as old:
        await client.post(f"{PREFIX}/password-resets/{token}", json={"password": PASSWORD})
        await _signed_in(old, "rita@people.example")
        answers = [
            await client.post(f"{PREFIX}/password-resets", json={"email": email}) for email in ("rita@people.example", "eve@people.example", "?")
        ]
        assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}
        sent = await mails(stage)
        assert [mail["To"].addresses[0].addr_spec for mail in sent] == ["rita@people.example"]
        assert (await client.post(f"{PREFIX}/password-resets/{token_of(sent[0])}", json={"password": PASSWORD + "2"})).status_code == 204
        assert (await _signed_in(client, "rita@people.example")).status_code == 401
        assert (await _signed_in(client, "rita@people.example", PASSWORD + "2")).status_code == 200
        assert (
            stage.sql("SELECT count(*) AS n FROM session s JOIN portal_role r ON r.sign_in_id = s.sign_in_id WHERE r.id = %s", int(account))[0].n == 1
        )


async def test_resets_are_throttled(own_stage: Any) -> None:
    """Threat: reset abuse. The sixth for one address waits, known or not."""
    async with own_stage.client() as client:
        for email in ("southern@people.example", "eve@people.example"):
            codes = [(await client.post(f"{PREFIX}/password-resets", json={"email": email})).status_code for _ in range(6)]
            assert codes == [202] * 5 + [429]


async def _with_password(stage: Any, app: Any, email: str) -> str:
    account, token = await _invited(stage, app, email)
    async with stage.client(app=app) as client:
        assert (await client.post(f"{PREFIX}/password-resets/{token}", json={"password": PASSWORD})).status_code == 204
    return account


async def test_a_second_factor_from_set_up_to_removal(stage: Any) -> None:
    """Issue 4, point 1: proved by a code, recovery codes good once each, removed by a code only."""
    app, email = stage.application(), "tess@people.example"
    await _with_password(stage, app, email)
    async with stage.client(app=app) as client, stage.client(app=app) as other:
        await _signed_in(client, email)
        wrong = await client.post(f"{PREFIX}/session/totp/setup", json={"email": email, "password": "not the password"})
        assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_sign_in")
        assert (await client.post(f"{PREFIX}/session/totp", json={"code": "123456"})).json()["code"] == "second_factor_not_begun"
        made = (await client.post(f"{PREFIX}/session/totp/setup", json={"email": email, "password": PASSWORD})).json()
        assert made["secret"] in made["uri"]
        assert (await client.post(f"{PREFIX}/session/totp", json={"code": "000000"})).status_code == 401
        codes = (await client.post(f"{PREFIX}/session/totp", json={"code": TOTP(made["secret"]).now()})).json()["recovery_codes"]
        assert len(set(codes)) == 10
        assert (await client.get(f"{PREFIX}/session/totp")).json() == {
            "set": True, "demanded": False, "recovery_codes_left": 10, "can": ["renew_recovery_codes", "remove"],
        }  # fmt: skip
        assert (await _signed_in(other, email)).json()["code"] == "code_needed"
        assert (await _signed_in(other, email, code=codes[0].upper())).status_code == 200
        assert (await _signed_in(other, email, code=codes[0])).json()["code"] == "wrong_code"
        assert (await client.post(f"{PREFIX}/session/totp/setup", json={"email": email, "password": PASSWORD})).json()["code"] == "second_factor_set"
        renewed = (await client.post(f"{PREFIX}/session/recovery-codes", json={"code": codes[1]})).json()["recovery_codes"]
        assert (await client.post(f"{PREFIX}/session/totp/remove", json={"code": codes[2]})).json()["code"] == "wrong_code"
        assert (await client.post(f"{PREFIX}/session/totp/remove", json={"code": renewed[0]})).status_code == 204
        assert (await _signed_in(other, email)).status_code == 200
    rows = stage.sql("SELECT before::text || after::text AS said FROM history")
    assert not [row for row in rows if made["secret"] in row.said or any(code in row.said for code in codes)]


async def test_codes_cannot_be_guessed_from_inside_a_session(stage: Any) -> None:
    """Threat: TOTP guess. Ten wrong ones, then waiting."""
    app, email = stage.application(), "gwen@people.example"
    await _with_password(stage, app, email)
    async with stage.client(app=app) as client:
        await _signed_in(client, email)
        await client.post(f"{PREFIX}/session/totp/setup", json={"email": email, "password": PASSWORD})
        codes = [(await client.post(f"{PREFIX}/session/totp", json={"code": f"{at:06}"})).status_code for at in range(11)]
    assert codes == [401] * 10 + [429]


@pytest.mark.parametrize("level", ["provider", "reseller", "group"])
async def test_a_level_can_demand_it_of_all_below(own_stage: Any, level: str) -> None:
    """Issue 4, point 1: sign-in answers 403 with what to do; set-up and the app's code let the person in; it cannot be removed then."""
    stage, app, email = own_stage, own_stage.application(), "uma@people.example"
    await _with_password(stage, app, email)
    whose = {"provider": "southern", "reseller": "harbour", "group": "blue"}[level]
    async with stage.client("southern", app=app) as admin, stage.client(app=app) as client:
        changed = await admin.patch(f"{PREFIX}/{level}s/{stage.of(level, whose)}", json={"demands_second_factor": True})
        assert changed.status_code == 200
        for code in ("", "123456"):
            refused = await _signed_in(client, email, code=code)
            assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_needed")
        assert (await _signed_in(client, email, "not the password")).status_code == 401
        made = (await client.post(f"{PREFIX}/session/totp/setup", json={"email": email, "password": PASSWORD})).json()
        assert (await _signed_in(client, email, code="000000")).json()["code"] == "wrong_code"
        entered = await _signed_in(client, email, code=TOTP(made["secret"]).now())
        assert (entered.status_code, len(entered.json()["recovery_codes"])) == (200, 10)
        assert (await client.get(f"{PREFIX}/session/totp")).json()["demanded"] is True
        by_recovery = await _signed_in(client, email, code=entered.json()["recovery_codes"][0])
        assert (by_recovery.status_code, by_recovery.json()["recovery_codes"]) == (200, [])
        later = TOTP(made["secret"]).generate_otp(int(stage.clock.now().timestamp()) // 30 + 1)
        assert (await client.post(f"{PREFIX}/session/totp/remove", json={"code": later})).json()["code"] == "second_factor_demanded"


async def test_others_are_not_bound_by_a_siblings_demand(own_stage: Any) -> None:
    """G32: a demand flows down only."""
    stage, app, email = own_stage, own_stage.application(), "vic@people.example"
    await _with_password(stage, app, email)
    async with stage.client("southern", app=app) as admin, stage.client(app=app) as client:
        await admin.patch(f"{PREFIX}/resellers/{stage.of('reseller', 'valley')}", json={"demands_second_factor": True})
        await admin.patch(f"{PREFIX}/groups/{stage.of('group', 'mira')}", json={"demands_second_factor": True})
        assert (await _signed_in(client, email)).status_code == 200


async def test_somebody_above_takes_off_a_lost_second_factor(stage: Any) -> None:
    """The person lost phone and codes: his sessions end, his password stays his own."""
    app, email = stage.application(), "lou@people.example"
    account = await _with_password(stage, app, email)
    async with stage.client("blue", app=app) as admin, stage.client(app=app) as client:
        await _signed_in(client, email)
        made = (await client.post(f"{PREFIX}/session/totp/setup", json={"email": email, "password": PASSWORD})).json()
        await client.post(f"{PREFIX}/session/totp", json={"code": TOTP(made["secret"]).now()})
        assert "reset_second_factor" in (await admin.get(f"{PREFIX}/portal-accounts/{account}")).json()["can"]
        assert (await admin.delete(f"{PREFIX}/portal-accounts/{account}/second-factor")).json()["second_factor"] is False
        assert (await _signed_in(client, email)).status_code == 200


async def test_sessions_are_seen_and_ended(stage: Any) -> None:
    """G26: one, or all others; never somebody else's (the matrix)."""
    app, email = stage.application(), "sam@people.example"
    await _with_password(stage, app, email)
    async with stage.client(app=app) as one, stage.client(app=app, headers={"user-agent": "Phone"}) as two, stage.client(app=app) as three:
        for client in (one, two, three):
            await _signed_in(client, email)
        listed = (await one.get(f"{PREFIX}/sessions")).json()["items"]
        assert len(listed) == 3
        assert [item["current"] for item in listed].count(True) == 1
        phone = next(item for item in listed if item["agent"] == "Phone")
        assert (await one.delete(f"{PREFIX}/sessions/{phone['id']}")).status_code == 204
        assert (await two.get(f"{PREFIX}/session")).status_code == 401
        assert (await one.delete(f"{PREFIX}/sessions/{phone['id']}")).status_code == 404
        assert (await one.delete(f"{PREFIX}/sessions")).status_code == 204
        assert [item["current"] for item in (await one.get(f"{PREFIX}/sessions")).json()["items"]] == [True]


async def test_signing_out_empties_the_cache(stage: Any) -> None:
    """Shared computers: previews may be kept for minutes, but not beyond the session of whoever saw them; a session that is over already as well."""
    app, email = stage.application(), "sol@people.example"
    await _with_password(stage, app, email)
    async with stage.client(app=app) as one:
        signed = await _signed_in(one, email)
        assert "clear-site-data" not in signed.headers
        for _ in range(2):
            left = await one.delete(f"{PREFIX}/session")
            assert (left.status_code, left.headers["clear-site-data"]) == (204, '"cache"')


async def test_api_keys_are_shown_once_and_act_within_scopes(stage: Any) -> None:
    """Issue 4, point 1: scopes of what one is; a key never makes keys, ends sessions or touches the second factor."""
    app = stage.application()
    async with stage.client("southern", app=app) as client:
        refused = await client.post(f"{PREFIX}/api-keys", json={"name": "robot", "scopes": ["client.read"]})
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_scope")
        made = await client.post(f"{PREFIX}/api-keys", json={"name": "robot", "scopes": ["portal.read"]})
        assert made.status_code == 201
        listed = await client.get(f"{PREFIX}/api-keys")
        assert made.json()["token"] not in listed.text
        key = {"authorization": f"Bearer {made.json()['token']}"}
        async with stage.client(app=app, headers=key) as robot:
            assert (await robot.get(f"{PREFIX}/groups")).status_code == 200
            for request in (
                robot.post(f"{PREFIX}/groups", json={"reseller_id": stage.of("reseller", "harbour"), "name": "By a robot"}),
                robot.post(f"{PREFIX}/api-keys", json={"name": "child", "scopes": ["portal.read"]}),
                robot.get(f"{PREFIX}/sessions"),
                robot.post(f"{PREFIX}/session/totp/remove", json={"code": "123456"}),
            ):
                answer = await request
                assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing"), answer.text
            assert (await client.delete(f"{PREFIX}/api-keys/{made.json()['id']}")).status_code == 204
            assert (await robot.get(f"{PREFIX}/groups")).status_code == 401
