"""Credentials as typed and as stored; numbers as typed."""

import msgspec
import pytest

from kereru.carriers.registry import Carriers
from kereru.kernel.clock import SystemClock
from kereru.kernel.http_client import CarrierClient
from kereru.kernel.secrets import CannotOpen, Sealer, Secret
from kereru.provisioning.errors import BadCredentials, BadNumber
from kereru.provisioning.numbers.model import read_number
from kereru.provisioning.platforms.model import clean_credentials, open_credentials, seal_credentials

ADAPTER = Carriers(CarrierClient(), SystemClock()).of("inteliquent")
GOOD = {"account_key": "key", "token_secret": "hush", "outbound_api_key": " pasted-key=/+ \n"}
SEALER = Sealer({1: bytes(32)}, 1)


def test_what_is_pasted_stays_but_for_blanks_around_it() -> None:
    """R121: the outbound key is used unchanged; a line break that came with it would end a header."""
    cleaned = clean_credentials(ADAPTER, GOOD)
    assert cleaned["outbound_api_key"] == Secret("pasted-key=/+")
    assert cleaned["account_key"] == "key"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"token_secret": ""}, "token_secret"),
        ({"extra": "1"}, "extra"),
        ({"account_key": "a\r\nX: 1"}, "account_key"),
        ({"account_key": "x" * 1001}, "account_key"),
    ],
)
def test_what_is_refused_is_named(change: dict[str, str], field: str) -> None:
    """R120: the fields follow the carrier."""
    with pytest.raises(BadCredentials) as refused:
        clean_credentials(ADAPTER, GOOD | change)
    assert [problem.field for problem in refused.value.fields] == [f"credentials.{field}"]


def test_sealed_credentials_open_in_their_own_place_only() -> None:
    """Copied into another platform's or provider's row they do not open (design §9)."""
    sealed = seal_credentials(SEALER, 1, 2, clean_credentials(ADAPTER, GOOD))
    assert b"hush" not in sealed
    opened = open_credentials(SEALER, 1, 2, sealed)
    assert opened["token_secret"] == Secret("hush")
    assert "hush" not in repr(opened)
    for provider, platform in ((1, 3), (2, 2)):
        with pytest.raises(CannotOpen):
            open_credentials(SEALER, provider, platform, sealed)


@pytest.mark.parametrize("typed", ["2015550110", "(201) 555-0110", "1 201 555 0110", "+1 201-555-0110", "0012015550110"])
def test_ten_digits_suffice(typed: str) -> None:
    """R148, R158: the leading 1 is needed nowhere; a number of another country is written with its code."""
    assert read_number(typed) == "+12015550110"
    assert read_number("+44 20 7946 0958") == "+442079460958"


@pytest.mark.parametrize("typed", ["", "911", "201555011", "٢٠١٥٥٥٠١١٠", "20155501100000000", "abc"])
def test_what_is_no_number_is_said(typed: str) -> None:
    """Bad inputs 26 to 35 at the assignment form."""
    with pytest.raises(BadNumber) as refused:
        read_number(typed)
    assert msgspec.to_builtins(refused.value.fields[0])["field"] == "number"
