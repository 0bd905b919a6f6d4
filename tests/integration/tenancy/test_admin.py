"""`kereru admin`: the operator's commands, as they are typed (design §7, §10)."""

import asyncio
import io
import json
import sys
from collections.abc import Callable

import psycopg
import pytest

from kereru.entrypoints.admin import app
from kereru.entrypoints.problems import MachineProblem
from kereru.kernel.db import Database
from kereru.tenancy.access.errors import LinkNotGood, UnknownScope, WeakPassword
from kereru.tenancy.access.links import Link, look_at, use
from kereru.tenancy.access.mails import MailKind
from kereru.tenancy.errors import EmailTaken, NoSuchOrganisation, NoSuchPerson

Typed = Callable[..., dict]
PASSWORD = "correct horse"


@pytest.fixture
def typed(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types a command with `--json`, `stdin` behind it, and answers what it printed."""
    monkeypatch.setenv("KERERU_DATABASE_URL", database_url)

    def run(*words: str, stdin: str = "") -> dict:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        assert app([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_an_operator_makes_a_whole_provider(typed: Typed) -> None:
    """Issue 2, point 4: everything that is needed comes from these commands until the portal has screens."""
    provider = typed("create-provider", "Southern Phone Co.")
    own = provider["provider_id"]
    reseller = typed("create-reseller", own, "Harbour Resellers")["id"]
    group = typed("create-group", own, reseller, "Blue Door Ltd")["id"]
    user = typed("create-user", own, group, "Ana Torres", "ana@bluedoor.example", "--region", "GB", stdin=PASSWORD + "\n")
    assert user["joined"] is False
    account = typed("create-portal-account", own, "group", group, "Ana", "ana@bluedoor.example", "--alerts", stdin="ignored\n")
    assert (account["joined"], account["sign_in_id"]) == (True, user["sign_in_id"])
    key = typed("create-api-key", "ana@bluedoor.example", "robot", "client.read", "client.write")
    assert key["token"].startswith(f"krr_{own}_")
    listed = typed("list", own)["items"]
    assert [(item["kind"], item["name"]) for item in listed] == [
        ("reseller", "Direct"), ("reseller", "Harbour Resellers"), ("group", "Blue Door Ltd"), ("user", "Ana Torres"), ("portal-account", "Ana"),
        ("api-key", "robot"),
    ]  # fmt: skip
    assert key["token"] not in json.dumps(listed)
    assert [item["name"] for item in typed("list")["items"]] == ["Southern Phone Co."]
    typed("revoke-api-key", own, key["id"])
    assert not [item for item in typed("list", own)["items"] if item["kind"] == "api-key"]


async def test_a_set_up_link_opens_an_empty_installation_once(typed: Typed, database_url: str) -> None:
    """R186, issue 4, point 1: provider, first account with Send Alerts, and a link for a password; used once."""
    made = await asyncio.to_thread(typed, "set-up", "Southern Phone Co.", "Pat Lee", "pat@southern.example")
    base, _, token = made["link"].partition("/portal/password#")
    assert base == "http://localhost:8080"
    async with Database(database_url, "kereru_app") as database:
        assert await look_at(database, token) == Link(MailKind.INVITATION, "pat@southern.example")
        await use(database, token, PASSWORD, "192.0.2.9")
        with pytest.raises(LinkNotGood):
            await look_at(database, token)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT level, organisation_id, send_alerts FROM portal_role").fetchall() == [(1, int(made["provider_id"]), True)]
    with pytest.raises(EmailTaken):
        await asyncio.to_thread(typed, "set-up", "Northern Phone Co.", "Pat Lee", "pat@southern.example")
    assert [item["name"] for item in (await asyncio.to_thread(typed, "list"))["items"]] == ["Southern Phone Co."], "nothing is left half-made"


def test_passwords_and_shutting_out(typed: Typed, database_url: str) -> None:
    """G26: what the operator does ends sessions."""
    provider = typed("create-provider", "Southern Phone Co.")
    own = provider["provider_id"]
    typed("create-portal-account", own, "provider", own, "Pat", "pat@southern.example", stdin=PASSWORD)
    with psycopg.connect(database_url, autocommit=True) as connection:

        def sessions() -> int:
            return connection.execute("SELECT count(*) FROM session").fetchone()[0]  # type: ignore[index]

        def open_one() -> None:
            connection.execute("INSERT INTO session (provider_id, token_hash, sign_in_id) SELECT provider_id, '\\x01', id FROM sign_in")

        open_one()
        typed("set-password", "PAT@southern.example", stdin="another password\n")
        assert sessions() == 0
        open_one()
        typed("disable", "pat@southern.example")
        assert sessions() == 0
        assert connection.execute("SELECT disabled_at IS NOT NULL FROM sign_in").fetchone() == (True,)
        typed("enable", "pat@southern.example")
        assert connection.execute("SELECT disabled_at IS NULL FROM sign_in").fetchone() == (True,)


def test_what_goes_wrong_has_words(typed: Typed) -> None:
    provider = typed("create-provider", "Southern Phone Co.")
    own, direct = provider["provider_id"], provider["direct_reseller_id"]
    group = typed("create-group", own, direct, "Blue Door Ltd")["id"]
    typed("create-user", own, group, "Ana", "ana@bluedoor.example", stdin=PASSWORD)
    for words, stdin, error in (
        (("create-user", own, group, "Ana", "ana@bluedoor.example"), PASSWORD, EmailTaken),
        (("create-user", own, group, "Ben", "ben@bluedoor.example"), "short", WeakPassword),
        (("create-user", own, direct, "Ben", "ben@bluedoor.example"), PASSWORD, NoSuchOrganisation),
        (("create-group", own, "999", "X"), "", NoSuchOrganisation),
        (("create-reseller", "999", "X"), "", NoSuchOrganisation),
        (("create-reseller", "nonsense", "X"), "", NoSuchOrganisation),
        (("create-api-key", "ana@bluedoor.example", "robot", "everything"), "", UnknownScope),
        (("create-api-key", "eve@bluedoor.example", "robot", "client.read"), "", NoSuchPerson),
        (("set-password", "eve@bluedoor.example"), PASSWORD, NoSuchPerson),
        (("revoke-api-key", own, "999"), "", NoSuchPerson),
    ):
        with pytest.raises(error) as caught:
            typed(*words, stdin=stdin)
        assert str(caught.value).endswith(".")


def test_words_for_people(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert app(["list"]) == 0
    assert "create-provider" in capsys.readouterr().out
    provider = typed("create-provider", "Southern Phone Co.")
    assert app(["list"]) == 0
    assert capsys.readouterr().out == f"provider       {provider['provider_id']:>20}  Southern Phone Co.\n"


def test_passwords_are_never_arguments(typed: Typed) -> None:
    """Every user of a machine can read the arguments of every process."""
    for command in ("create-user", "create-portal-account", "set-password"):
        assert not [argument for argument in app[command].assemble_argument_collection() if "password" in argument.name]


def test_without_a_database(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.delenv("KERERU_DATABASE_URL", raising=False)
    with pytest.raises(MachineProblem) as caught:
        app(["list", "--home", str(tmp_path)])
    assert caught.value.code == "no_database"
