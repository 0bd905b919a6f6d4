"""What every carrier adapter promises, in types.

Promises: outcomes are closed sets, nothing here does I/O, and nothing here holds a readable secret except inside `Secret`.
Calls to a carrier never raise for anything the carrier does; they return one of the types below.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NewType, Protocol

from kereru.carriers.arrivals import Arrival, AuthResult, Exchange, ReceiptState, WebhookAnswer, WebhookProof, WebhookRequest
from kereru.kernel.secrets import Secret

CarrierKind = NewType("CarrierKind", str)

RESTCOMM = CarrierKind("restcomm")
INTELIQUENT = CarrierKind("inteliquent")

Credentials = Mapping[str, "Secret | str"]
"""Field name -> value; a `Secret` for the fields that the adapter declares secret, plain text for the others."""


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One field of the platform form (R120 to R122)."""

    name: str
    label: str
    secret: bool
    required: bool
    help: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a carrier can do, visible to people and held by the conformance suite.

    `max_utf8_bytes` bounds a text where the carrier cuts longer ones; a platform with `takes_long_texts` is bound by
    `max_characters` only. `look_up_window_s` is how far around the hand-over `look_up` searches. `reaches_only_plus_one`: the carrier writes
    numbers with eleven digits and a leading 1, so nobody else can be texted.
    """

    max_characters: int
    max_utf8_bytes: int | None
    mms: bool
    media_types: frozenset[str]
    media_max_items: int
    media_max_bytes: int
    receipts: Literal["callback", "webhook"]
    webhook_proof: frozenset[Literal["path_token", "account_id", "static_header", "token_hash"]]
    look_up: frozenset[Literal["by_id", "by_list"]]
    look_up_window_s: int
    rate_per_second: float
    can_enable_messaging: bool
    has_receipt_setting: bool
    reaches_only_plus_one: bool = False


@dataclass(frozen=True, slots=True)
class PlatformOptions:
    """Switches of one platform that change what goes over the wire.

    `takes_long_texts`: Restcomm, design §7. `mms_by_form`: Restcomm, carriers.md C.1 (b). `token_hash`: Inteliquent signs webhooks with a
    hash keyed by the outbound API key as well (carriers.md §2A.8); the platform's proof must then hold that key.
    """

    takes_long_texts: bool = False
    mms_by_form: bool = False
    token_hash: bool = False


@dataclass(frozen=True, slots=True)
class PlatformAccess:
    """All that an outgoing call needs to know of a platform; `endpoints` overrides the adapter's default base URLs."""

    provider_id: int
    platform_id: int
    carrier: CarrierKind
    credentials: Credentials
    endpoints: Mapping[str, str] = field(default_factory=dict[str, str])
    options: PlatformOptions = PlatformOptions()


# --- What goes out ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutboundPart:
    """One part to hand over. Numbers are E.164; `status_callback_url` carries `part_id` where the carrier reports per message."""

    part_id: int
    from_: str
    to: str
    text: str
    media_urls: tuple[str, ...] = ()
    status_callback_url: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The carrier has it under `carrier_id`. `carrier_text` is set when the carrier kept a shorter text than we gave."""

    carrier_id: str
    carrier_text: str | None
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Refused:
    """The carrier surely did not take it and will not: `reason` is for people, `code` is ours and stable."""

    code: str
    reason: str
    carrier_code: str | None
    opted_out: bool
    account_problem: bool
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Deferred:
    """The carrier surely did not take it now; it may be tried again. `retry_after_s` is already clamped to 1 s .. 15 min."""

    retry_after_s: int | None
    code: str
    reason: str
    account_problem: bool
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can tell whether the carrier took it: settled by a receipt, a look-up or a person, never sent again by a machine."""

    code: str
    reason: str
    exchange: Exchange


Outcome = Accepted | Refused | Deferred | Unknown


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a provisioning call did not do its work: `account_problem` asks a person to look at the platform, `temporary` to wait."""

    code: str
    reason: str
    carrier_code: str | None = None
    account_problem: bool = False
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """A provisioning call did its work."""


@dataclass(frozen=True, slots=True)
class CredentialsGood:
    """The credentials work. `account_id` is the carrier's own name for the account, as its webhooks spell it."""

    account_id: str | None
    receipts_on: bool | None
    note: str = ""


CredentialsVerdict = CredentialsGood | Problem


@dataclass(frozen=True, slots=True)
class NumberFound:
    """What the carrier knows of a number; `carrier_ref` is handed back to `set_webhook`."""

    status: Literal["ready", "without_messaging", "absent", "problem"]
    carrier_ref: str | None = None
    mms: bool = False
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class WebhookSet:
    """The number's inbound hook points at us; keep `carrier_ref` for removing it."""

    carrier_ref: str


@dataclass(frozen=True, slots=True)
class StandingWebhook:
    """Where the carrier sends a number's inbound texts now; `url` is None where it sends them nowhere, or to an application of its own.

    `secret` is what the webhook proves itself with, None where the carrier carries none.
    """

    url: str | None
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class ReceiptSetting:
    """Whether the account sends delivery receipts at all."""

    on: bool


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What we know of a part whose fate is unknown.

    `known_carrier_ids` are ids that already belong to other parts; `others_nearby` counts our other parts between the same two
    numbers within the adapter's `look_up_window_s`: a carrier whose records carry no id cannot tell them apart.
    """

    from_: str
    to: str
    text: str
    handed_over_at: datetime
    carrier_id: str | None = None
    known_carrier_ids: frozenset[str] = frozenset()
    others_nearby: int = 0


@dataclass(frozen=True, slots=True)
class LookUp:
    """What the carrier's records say: exactly one candidate, none, several (still unknown), or no answer.

    `carrier_id` is None with `one` where the carrier's records carry no id.
    """

    found: Literal["one", "none", "several", "unavailable"]
    carrier_id: str | None = None
    state: ReceiptState | None = None
    carrier_state: str = ""
    error_code: str | None = None
    error_reason: str = ""


class CarrierAdapter(Protocol):
    """One carrier. Methods that call the carrier never raise for what the carrier does and hold no state between calls."""

    kind: CarrierKind
    title: str
    credential_fields: tuple[CredentialField, ...]
    endpoints: Mapping[str, str]
    capabilities: Capabilities

    def authenticate(self, request: WebhookRequest, proof: WebhookProof) -> AuthResult:
        """Say whether the webhook is the carrier's; constant-time over every secret."""
        ...

    def parse(self, request: WebhookRequest) -> tuple[Arrival, ...]:
        """Read a webhook; what cannot be read comes back as `Unrecognised`, never as an exception."""
        ...

    def acknowledge(self) -> WebhookAnswer:
        """The answer that tells the carrier we have it."""
        ...

    def inbound_path(self) -> str:
        """The path after the platform's token that inbound texts are sent to."""
        ...

    def status_path(self, part_id: int) -> str | None:
        """The path after the token for one part's receipts; None where receipts share the inbound path."""
        ...

    async def send_part(self, access: PlatformAccess, part: OutboundPart) -> Outcome:
        """Hand one part over, once."""
        ...

    async def verify_credentials(self, access: PlatformAccess) -> CredentialsVerdict:
        """Ask the carrier whether every given credential works."""
        ...

    async def find_number(self, access: PlatformAccess, e164: str) -> NumberFound:
        """Say whether the number is on the account and can text."""
        ...

    async def enable_messaging(self, access: PlatformAccess, e164: str, *, mms: bool) -> Done | Problem:
        """Switch texting on for a number the account owns, where the carrier offers that."""
        ...

    async def set_webhook(self, access: PlatformAccess, e164: str, url: str, secret: Secret, carrier_ref: str | None) -> WebhookSet | Problem:
        """Point the number's inbound texts at `url`, replacing what stood there; `secret` is used where the carrier can carry one."""
        ...

    async def remove_webhook(self, access: PlatformAccess, e164: str, carrier_ref: str | None) -> Done | Problem:
        """Take our hook off the number; the number itself stays on the account. Removing what is not there is done."""
        ...

    async def list_webhooks(self, access: PlatformAccess) -> Mapping[str, Sequence[StandingWebhook]] | Problem:
        """Every webhook that stands at the account, by the number (E.164) it is for. A number that is not there has none."""
        ...

    async def look_up(self, access: PlatformAccess, facts: PartFacts) -> LookUp:
        """Ask the carrier's records about a part whose fate is unknown."""
        ...

    async def receipts_on(self, access: PlatformAccess) -> ReceiptSetting | Problem | None:
        """Whether the account sends receipts; None where the carrier has no such setting."""
        ...

    async def turn_receipts_on(self, access: PlatformAccess) -> Done | Problem:
        """Switch receipts on for the whole account; a person has agreed."""
        ...
