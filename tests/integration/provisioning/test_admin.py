"""`kereru admin` for platforms and numbers: the same commands as everywhere, credentials never in the arguments."""

import asyncio
import io
import json

import pytest

from kereru.entrypoints import evidence
from kereru.entrypoints.admin_provisioning import app
from kereru.entrypoints.problems import MachineProblem
from kereru.provisioning.errors import PlatformHasNumbers
from kereru.provisioning.evidence.model import verify
from kereru.tenancy.errors import NoSuchOrganisation
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


async def test_deletions_checks_and_evidence_by_commands(tenant: Tenant, admin, tmp_path) -> None:
    """P73, R184, R202: the operator's command line does what the portal does; the evidence goes to a file that holds by itself."""
    provider = tenant.provider_id
    credentials = "".join(f"{name}={value}\n" for name, value in tenant.credentials("restcomm").items())
    endpoints = [word for name, url in tenant.endpoints("restcomm").items() for word in ("--endpoint", f"{name}={url}")]
    platform = (await admin("create-platform", provider, "restcomm", *endpoints, stdin=credentials))["id"]
    first = await admin("assign-number", provider, tenant.ana.id, "2015550110")
    await admin("assign-number", provider, tenant.ben.id, "2015550111")
    checks = {one["code"]: one["state"] for one in (await admin("check-platform", provider, platform))["checks"]}
    assert (checks["credentials"], checks["numbers"]) == ("good", "good")
    assert (await admin("delete-number", provider, first["id"]))["messages"] == "0"
    with pytest.raises(PlatformHasNumbers, match="1 number"):
        await admin("delete-platform", provider, platform)
    assert await admin("delete-platform", provider, platform, "--end-assignments", "1") == {"ended_assignments": "1"}
    file = tmp_path / "evidence.jsonl"
    made = await asyncio.to_thread(evidence.export, provider=str(provider), to=file)
    assert made == 0
    assert verify(file.open("rb")).entries == 2
    with pytest.raises(MachineProblem, match="there already"):
        await asyncio.to_thread(evidence.export, provider=str(provider), to=file)


@pytest.mark.parametrize("provider", ["999", "Southern"])
async def test_a_provider_that_is_not_there(admin, provider: str) -> None:
    """The first thing that is wrong is said first, before credentials are asked for."""
    for words in (("create-platform", provider, "restcomm"), ("platforms", provider)):
        with pytest.raises(NoSuchOrganisation, match=rf"There is no provider {provider}\. `kereru admin list`"):
            await admin(*words)
