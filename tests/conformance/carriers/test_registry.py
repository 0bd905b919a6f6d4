"""Every registered adapter is in this suite and says of itself what the suite can hold it to (models.md, adapters rules 7 to 9)."""

import tomllib
from pathlib import Path

import pytest

import kereru.carriers.adapters
from conformance.carriers.harness import HARNESSES
from kereru.carriers.contract import Capabilities, CarrierAdapter, CarrierKind
from kereru.carriers.errors import UnknownCarrier
from kereru.carriers.registry import ADAPTERS, Carriers, capabilities_of
from kereru.kernel.clock import SystemClock
from kereru.kernel.http_client import NotSent, Outgoing, Result

RULES = frozenset(
    {"exact_requests", "every_outcome", "webhook_proof", "hostile_input", "redaction", "capabilities", "provisioning", "look_up", "sources"}
)


class NoDoor:
    """A way out that is never used."""

    async def send(self, request: Outgoing) -> Result:
        """Nothing leaves."""
        return NotSent("unreachable", "no way out")


CARRIERS = Carriers(NoDoor(), SystemClock())
ALL = pytest.mark.parametrize("adapter", CARRIERS.all(), ids=lambda adapter: str(adapter.kind))


def test_every_adapter_has_a_harness():
    """No harness, no registration."""
    assert set(HARNESSES) == set(ADAPTERS)


def test_every_folder_of_an_adapter_is_registered():
    """An adapter that nobody registered is dead code."""
    folders = {path.parent.name for path in Path(kereru.carriers.adapters.__path__[0]).glob("*/adapter.py")}
    assert folders == {str(kind) for kind in ADAPTERS}


def test_the_registry_gives_each_adapter_under_its_own_name():
    """And nothing for a name that it does not know."""
    for kind in ADAPTERS:
        assert CARRIERS.of(kind).kind == kind
        assert isinstance(capabilities_of(kind), Capabilities)
    with pytest.raises(UnknownCarrier):
        CARRIERS.of("twilio")
    with pytest.raises(UnknownCarrier):
        capabilities_of("twilio")


@ALL
def test_an_adapter_declares_what_people_and_provisioning_need(adapter: CarrierAdapter):
    """R120 to R122: fields with help; https endpoints; coherent capabilities."""
    names = [entry.name for entry in adapter.credential_fields]
    assert len(set(names)) == len(names) >= 2
    assert all(entry.label and entry.help for entry in adapter.credential_fields)
    assert any(entry.secret for entry in adapter.credential_fields)
    assert all(url.startswith("https://") and not url.endswith("/") for url in adapter.endpoints.values())
    found = adapter.capabilities
    assert found.max_characters > 0
    assert found.rate_per_second > 0
    assert found.media_max_items > 0 if found.mms else not found.media_types
    assert "path_token" in found.webhook_proof
    assert (found.receipts == "callback") == (adapter.status_path(7) is not None)
    assert adapter.inbound_path().startswith("/")


def test_the_fields_follow_the_carrier():
    """R120: Restcomm has no Outbound API Key; secrets are the token and the outbound key."""
    fields = {kind: {entry.name: entry.secret for entry in CARRIERS.of(kind).credential_fields} for kind in ("restcomm", "inteliquent")}
    assert fields["restcomm"] == {"account_key": False, "token_secret": True}
    assert fields["inteliquent"] == {"account_key": False, "token_secret": True, "outbound_api_key": True}


@pytest.mark.parametrize("kind", ADAPTERS)
def test_each_adapter_keeps_its_quality_notes(kind: CarrierKind):
    """Adapters rule 9: every rule is done, or exempt with a reason; the proof that is named exists."""
    notes = tomllib.loads((Path(kereru.carriers.adapters.__path__[0]) / kind / "quality.toml").read_text())
    assert set(notes["rules"]) == RULES
    root = Path(__file__).parents[3]
    for rule, note in notes["rules"].items():
        assert note["status"] in ("done", "exempt"), rule
        assert note["status"] == "done" or note["reason"], rule
        for proof in note.get("proof", []):
            assert (root / proof).exists(), proof
