"""What the simulated world holds: accounts, credentials and numbers, read from one JSON document.

Promises: an inventory that cannot be understood is refused with the path of the wrong field, never half read.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

LongText = Literal["accept", "strict"]
YesNo = Literal["Y", "N"]


class RestcommAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Restcomm account: its sign-in, its numbers and how it treats long texts (carriers.md C.4)."""

    account_sid: str
    auth_token: str
    email: str = ""
    friendly_name: str = "Restcomm account"
    numbers: tuple[str, ...] = ()
    names: Mapping[str, str] = {}
    mms: bool = False
    long_text: LongText = "accept"
    parent: str | None = None
    status: Literal["active", "suspended", "closed", "uninitialized"] = "active"


class InteliquentAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Inteliquent account: the broker's key, the Services API's key and secret, and its numbers."""

    outbound_key: str
    key: str
    secret: str
    name: str = "Inteliquent account"
    numbers: tuple[str, ...] = ()
    names: Mapping[str, str] = {}
    messaging_enabled: tuple[str, ...] | None = None
    message_type: Literal["SMS", "MMS", "SMSMMS"] = "SMSMMS"
    msg_delivery_receipt: YesNo = "Y"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole inventory. Delays are milliseconds; `ring` bounds how many messages and ledger entries are kept."""

    restcomm: tuple[RestcommAccount, ...] = ()
    inteliquent: tuple[InteliquentAccount, ...] = ()
    receipt_delay_ms: int = 150
    late_receipt_ms: int = 10_000
    send_delay_ms: int = 0
    ring: int = 200_000
    hook_timeout_seconds: float = 10.0
    hook_retry_seconds: tuple[float, ...] = (0.0, 30.0, 120.0)


def load_config(data: bytes) -> Config:
    """Read an inventory document. Raises ValueError naming the wrong field."""
    try:
        raw = msgspec.json.decode(data, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise ValueError(f"The inventory is not a JSON object: {error}") from error
    return config_from(raw)


def config_from(raw: Mapping[str, object]) -> Config:
    """Make a Config from plain dictionaries; one account may stand without a list. Raises ValueError naming the wrong field."""
    carriers = ("restcomm", "inteliquent")
    fields: dict[str, object] = {}
    for name, value in raw.items():
        alone = name in carriers and isinstance(value, Mapping)
        fields[name] = (value,) if alone else value
    try:
        return msgspec.convert(fields, Config)
    except msgspec.ValidationError as error:
        raise ValueError(f"The inventory is wrong: {error}") from error


def example_config() -> Config:
    """The inventory used when none is given: one account at each carrier, ten fictional numbers each; one of them cannot text yet."""
    return Config(
        restcomm=(
            RestcommAccount(
                account_sid="AC" + "5e0c" * 8,
                auth_token="f0e1d2c3b4a5968778695a4b3c2d1e0f",  # noqa: S106, an example that opens nothing
                email="platform@southernphone.example",
                friendly_name="Southern Phone Co.",
                numbers=tuple(f"+12015550{n}" for n in range(110, 120)),
                names={"+12015550110": "Front desk", "+12015550111": "Orders", "+12015550112": "Workshop"},
            ),
        ),
        inteliquent=(
            InteliquentAccount(
                outbound_key="obk-7d1f0c52b86e4a93",
                key="svc-2f9a61d07c3b48e5",
                secret="c4a8d2e6f01b3957",  # noqa: S106, an example that opens nothing
                name="Southern Phone Co.",
                numbers=tuple(f"+13125550{n}" for n in range(140, 150)),
                # One is held without messaging, so that switching it on can be rehearsed (Q17).
                messaging_enabled=tuple(f"+13125550{n}" for n in range(140, 149)),
                names={"+13125550142": "Sales", "+13125550143": "Support line"},
            ),
        ),
    )
