"""The licence answer (R1 to R4) and what decides it; pure."""

from enum import IntEnum
from typing import Literal

import msgspec
from phonenumbers import SUPPORTED_REGIONS, country_code_for_region

from kereru.carriers.numbering import display
from kereru.kernel import ids
from kereru.kernel.db import Row
from kereru.provisioning.opt_in.model import OptIn
from kereru.tenancy.people.desk import QuietHours, Windows
from kereru.tenancy.policy import UserIdentity

_TYPES: dict[int, Literal["sms", "mms_sms"]] = {1: "sms", 2: "mms_sms"}


class Product(IntEnum):
    """What is licensed (R112); the value is what the database stores."""

    DESKTOP = 1
    AGENT = 2
    SUPERVISOR = 3
    RECEPTION = 4

    @property
    def wire(self) -> str:
        """The name in the API."""
        return self.name.lower()


class LicenceNumber(msgspec.Struct, frozen=True):
    """A number as its user sees it. `ask`: show the question now. `assigned` is false only in a change that takes the number away."""

    id: str
    number: str
    display: str
    friendly_name: str
    messaging_type: Literal["sms", "mms_sms"]
    opt_in: str
    ask: bool
    can: tuple[str, ...]
    assigned: bool = True


class LicenceUser(msgspec.Struct, frozen=True):
    """Whose licence it is."""

    id: str
    name: str
    email: str


class LicenceSettings(msgspec.Struct, frozen=True):
    """How numbers are typed and times are read (R27 to R31, R145), where conversations open (R33, R34), and when devices keep quiet. `any_number`:
    whether any number may be texted, or only those known to be mobile (R23, R25).
    """

    region: str
    country_code: str
    exclude_leading_zero: bool
    language: str
    timezone: str
    any_number: bool
    text_windows: Windows
    chat_windows: Windows
    quiet_hours: QuietHours


class Region(msgspec.Struct, frozen=True):
    """A country whose numbers can be typed without their code (R27)."""

    region: str
    country_code: str


def settings_of(user: UserIdentity) -> LicenceSettings:
    """A user's settings; the country code is his region's."""
    desk = user.desk
    return LicenceSettings(
        user.region, _code_of(user.region), user.exclude_leading_zero, user.language, user.timezone, user.any_number, desk.text_windows,
        desk.chat_windows, desk.quiet_hours,
    )  # fmt: skip


def regions() -> tuple[Region, ...]:
    """All that a user may choose from (R28)."""
    return tuple(Region(region, _code_of(region)) for region in sorted(SUPPORTED_REGIONS))


def _code_of(region: str) -> str:
    return str(country_code_for_region(region))


class Licence(msgspec.Struct, frozen=True):
    """The answer to a client's start (R1, R2). Changes after `cursor` bring it up to date."""

    user: LicenceUser
    product: str | None
    numbers: tuple[LicenceNumber, ...]
    settings: LicenceSettings
    cursor: str
    can: tuple[str, ...]


def licence_number(row: Row, region: str, *, live: bool) -> LicenceNumber:
    """A number from its row; `live` says that a client of this user is running, so that this is no start (R14)."""
    state = OptIn(row.opt_in)
    asks = state is OptIn.PENDING or (state is OptIn.POSTPONED and not live)
    usable = row.licensed and state.usable
    return LicenceNumber(
        id=ids.encode(row.id),
        number=row.e164,
        display=display(row.e164, region),
        friendly_name=row.friendly_name,
        messaging_type=_TYPES[row.messaging_type],
        opt_in=state.wire,
        ask=row.licensed and asks,
        can=("send", "receive", *(("block",) if row.user_can_block else ())) if usable else (),
    )


def gone(number_id: int, e164: str, region: str) -> LicenceNumber:
    """A number that is no longer this user's, for the change that says so."""
    return LicenceNumber(ids.encode(number_id), e164, display(e164, region), "", "sms", OptIn.NOT_NEEDED.wire, ask=False, can=(), assigned=False)
