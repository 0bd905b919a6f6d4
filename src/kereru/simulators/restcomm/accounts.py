"""Restcomm accounts and what belongs to them.

Owns numbers, applications, switches and notices of each account; promises that sids are the same after every start.
"""

import base64
import hashlib
from collections import deque
from collections.abc import Sequence
from typing import Literal

import msgspec

from kereru.simulators.config import LongText, RestcommAccount

PREFIX = "/restcomm/2012-04-24"
API_VERSION = "2012-04-24"


class RestcommModes(msgspec.Struct, forbid_unknown_fields=True):
    """Switches for what the documents leave open (carriers.md appendix C)."""

    long_text: LongText = "accept"
    limit_answer: Literal["429", "403"] = "429"
    error_code: Literal["alternate", "number", "name"] = "alternate"
    duplicate_body: bool = True
    list_shape: Literal["envelope", "array"] = "envelope"
    mms: bool = False
    mms_form: bool = True


class Number(msgspec.Struct):
    """One incoming phone number and where its texts go."""

    sid: str
    phone_number: str
    friendly_name: str
    created: float
    updated: float
    sms_url: str | None = None
    sms_method: str = "POST"
    sms_fallback_url: str | None = None
    sms_fallback_method: str = "POST"
    sms_application_sid: str | None = None
    voice_url: str | None = None
    voice_method: str = "POST"
    status_callback: str | None = None
    released: bool = False


class Application(msgspec.Struct):
    """An application: an alternative to a number's own SmsUrl (carriers.md §1.4)."""

    sid: str
    friendly_name: str
    kind: str
    rcml_url: str | None
    api_version: str
    voice_caller_id_lookup: bool
    created: float
    updated: float


class Notice(msgspec.Struct, frozen=True):
    """A warning the platform wrote about a webhook, such as 12003 for a text without one."""

    at: float
    code: int
    text: str
    number: str


class Account:
    """One account with everything in it."""

    def __init__(self, config: RestcommAccount, now: float) -> None:
        self.config = config
        self.sid = config.account_sid
        self.modes = RestcommModes(long_text=config.long_text, mms=config.mms)
        self.created = now
        self.applications: dict[str, Application] = {}
        self.notices: deque[Notice] = deque(maxlen=200)
        self.failures_told = 0
        self.numbers: dict[str, Number] = {}
        self._by_number: dict[str, Number] = {}
        for number in config.numbers:
            sid = "PN" + hashlib.sha256(f"{self.sid}{number}".encode()).hexdigest()[:32]
            self.put(Number(sid, number, config.names.get(number, number), now, now))

    def put(self, number: Number) -> None:
        """Keep a number, new or as it was before a restart."""
        self.numbers[number.sid] = number
        self._by_number[number.phone_number] = number

    def find(self, e164: str) -> Number | None:
        """The account's number, unless it was released."""
        number = self._by_number.get(e164)
        return None if number is None or number.released else number

    def listed(self) -> Sequence[Number]:
        """All numbers still held."""
        return [n for n in self.numbers.values() if not n.released]

    def sign_ins(self) -> list[str]:
        """The Authorization headers that open this account: by sid, and by e-mail (carriers.md §1.1)."""
        users = [self.sid, self.config.email] if self.config.email else [self.sid]
        return ["Basic " + base64.b64encode(f"{user}:{self.config.auth_token}".encode()).decode() for user in users]


def application_sid(account: Account, name: str) -> str:
    """The sid of the account's next application."""
    return "AP" + hashlib.sha256(f"{account.sid}{name}{len(account.applications)}".encode()).hexdigest()[:32]
