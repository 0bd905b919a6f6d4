"""`kereru admin` for platforms and numbers: the same commands as everywhere, credentials never in the arguments."""

import asyncio
import io
import json

import pytest

from kereru.entrypoints.admin_provisioning import app
from tenant import RESTCOMM_NUMBER, Tenant


@pytest.fixture
def admin(tenant: Tenant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path):
    """Runs one admin command with JSON output; `stdin` is what it reads."""
    monkeypatch.setenv("KERERU_DATABASE_URL", tenant.url)
    monkeypatch.setenv("KERERU_HOME", str(tmp_path))
    monkeypatch.setenv("KERERU_ALLOW_PRIVATE_HOSTS", tenant.simulators.url.removeprefix("http://"))

    async def run(*words: object, stdin: str = "") -> dict:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        assert await asyncio.to_thread(app, [*map(str, words), "--json"], result_action="return_value") == 0
        return json.loads(capsys.readouterr().out)

    return run


async def test_a_number_from_nothing_to_reset_by_commands(tenant: Tenant, admin) -> None:
    """Platform, number, licence, opt-in reset and end, each answered with what it made."""
    provider = tenant.provider_id
    credentials = "".join(f"{name}={value}\n" for name, value in tenant.credentials("restcomm").items())
    endpoints = [word for name, url in tenant.endpoints("restcomm").items() for word in ("--endpoint", f"{name}={url}")]
    platform = await admin("create-platform", provider, "restcomm", *endpoints, stdin=credentials)
    assert platform["warnings"] == []
    listed = (await admin("platforms", provider))["items"]
    assert [(one["id"], one["carrier"]) for one in listed] == [(platform["id"], "restcomm")]
    assert tenant.credentials("restcomm")["token_secret"] not in json.dumps(listed)
    made = await admin("assign-number", provider, tenant.ana.id, "2015550110", "--name", "Front desk")
    assert (made["number"], made["state"]) == (RESTCOMM_NUMBER, "enabled")
    tenant.sql("UPDATE opt_in SET state = 3")
    await admin("reset-opt-in", provider, made["id"])
    assert [(one["opt_in"], one["state"], one["user"]) for one in (await admin("numbers", provider))["items"]] == [
        ("pending", "enabled", "Ana Torres")
    ]
    await admin("set-licence", provider, tenant.ana.id, "none")
    assert tenant.sql("SELECT count(*) FROM licence WHERE ends_at IS NULL AND user_id = %(u)s", u=tenant.ana.id)[0][0] == 0
    await admin("end-assignment", provider, made["id"])
    assert (await admin("numbers", provider))["items"] == []
    assert len((await admin("numbers", provider, "--past"))["items"]) == 1
