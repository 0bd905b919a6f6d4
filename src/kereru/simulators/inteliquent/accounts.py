"""Inteliquent accounts and what belongs to them.

Owns keys, webhooks, numbers and switches of each account. One list holds outbound keys and webhooks, as at the carrier, so that removing
an entry can remove a key.
"""

import base64
import hashlib
import hmac
import secrets
import uuid
from typing import Literal

import msgspec

from kereru.simulators.config import InteliquentAccount, YesNo


class InteliquentModes(msgspec.Struct, forbid_unknown_fields=True):
    """Switches for what the documents leave open (carriers.md appendix C)."""

    msg_delivery_receipt: YesNo = "Y"
    wrong_key: Literal["401", "408"] = "401"
    second_webhook: Literal["newest_wins", "replace", "refuse"] = "newest_wins"
    longest_text: int = 1600
    receipt_from: Literal["handset", "number"] = "handset"
    hook_digits: Literal[11, 10] = 11
    hook_numbers: Literal["string", "number"] = "string"
    shown_tn_digits: Literal[11, 10] = 11
    hook_hash: Literal["concatenation", "hmac"] = "concatenation"
    services_http: Literal["mirror", "200"] = "mirror"
    not_found: Literal["430", "empty_list"] = "430"
    intermediate_receipts: bool = False
    layout_in_mms: bool = True


class Authorization(msgspec.Struct):
    """An outbound key or an inbound webhook (carriers.md §2A.2); `tn` is a ten-digit number, None for the whole company."""

    auth_id: int
    inbound: bool
    api_key: str | None = None
    tn: str | None = None
    header_name: str | None = None
    header_value: str | None = None
    webhook_url: str | None = None


class Tn(msgspec.Struct):
    """One number: ten digits, and its messaging, if it is enabled."""

    tn: str
    friendly_name: str
    message_class: str | None
    message_type: str | None


class Account:
    """One account with everything in it."""

    def __init__(self, config: InteliquentAccount) -> None:
        self.config = config
        self.id = config.key
        self.modes = InteliquentModes(msg_delivery_receipt=config.msg_delivery_receipt)
        self.authorizations: dict[int, Authorization] = {}
        self.next_auth_id = 19
        self.tokens: dict[str, float] = {}
        enabled = config.numbers if config.messaging_enabled is None else config.messaging_enabled
        self.numbers: dict[str, Tn] = {}
        for number in config.numbers:
            on = number in enabled
            name = config.names.get(number, number)
            self.numbers[number[-10:]] = Tn(number[-10:], name, "P2P" if on else None, config.message_type if on else None)
        self.add_key(config.outbound_key)

    def add_key(self, key: str | None = None) -> Authorization:
        """Make an outbound key (R193)."""
        return self.add(Authorization(0, inbound=False, api_key=key or "obk-" + secrets.token_hex(16)))

    def add(self, authorization: Authorization) -> Authorization:
        """Keep an entry under the next id."""
        authorization.auth_id = self.next_auth_id
        self.next_auth_id += 1
        self.authorizations[authorization.auth_id] = authorization
        return authorization

    def outbound_keys(self) -> list[str]:
        """All outbound keys."""
        return [a.api_key for a in self.authorizations.values() if not a.inbound and a.api_key]

    def find(self, e164: str) -> Tn | None:
        """The account's number."""
        return self.numbers.get(e164[-10:]) if len(e164) == 12 and e164.startswith("+1") else None

    def webhook(self, tn: str) -> Authorization | None:
        """Where a text for a number goes: its own entry, else the company's, else nowhere; the newest wins (§2A.7, C.7)."""
        hooks = [a for a in self.authorizations.values() if a.inbound]
        own = [a for a in hooks if a.tn == tn]
        company = [a for a in hooks if a.tn is None]
        return own[-1] if own else company[-1] if company else None

    def basic(self) -> str:
        """The Authorization header that opens the Services API."""
        return "Basic " + base64.b64encode(f"{self.config.key}:{self.config.secret}".encode()).decode()


def token_hash(api_key: str, token: str, style: str) -> str:
    """The proof that the sender knows the key: concatenation or HMAC (carriers.md §2A.8, B)."""
    if style == "hmac":
        return hmac.new(api_key.encode(), token.encode(), hashlib.sha256).hexdigest()
    return hashlib.sha256((api_key + token).encode()).hexdigest()


def hash_headers(api_key: str, style: str) -> tuple[tuple[str, str], ...]:
    """The token-hash headers of one webhook call."""
    token = str(uuid.uuid4())
    return (("messageID", token), ("verificationToken", token_hash(api_key, token, style)))
