"""Names, addresses, tokens, one-time codes: the rules that need no database."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyotp.totp import TOTP

from kereru.kernel.secrets import Secret
from kereru.tenancy.access.errors import WeakPassword
from kereru.tenancy.access.model import api_key_credential, code_step, new_api_key_token, new_session_token, session_credential, token_hash
from kereru.tenancy.access.passwords import Passwords
from kereru.tenancy.access.throttling import network_of
from kereru.tenancy.errors import NotAName, NotAnEmail
from kereru.tenancy.model import clean_email, clean_name

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
SECRET = Secret("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")


@pytest.mark.parametrize(("typed", "kept"), [(" Ana@BlueDoor.Example ", "ana@bluedoor.example"), ("o'brien+x@a-b.example", "o'brien+x@a-b.example")])
def test_addresses_are_kept_in_lower_case(typed: str, kept: str) -> None:
    assert clean_email(typed) == kept


@pytest.mark.parametrize("typed", [
    "", "ana", "@x.example", "a@", "a@b@c", "a b@c.example", "a@c.example\r\nBcc: x@y.example", "a\0@c.example", "*)(uid=*", "' OR 1=1--",
    "a@" + "x" * 300, "ana@b\u0131.example", "a@-x.example", "a..b@x..example", "\ud800@x.example",
])  # fmt: skip
def test_what_is_no_address_is_refused(typed: str) -> None:
    """Bad inputs 20, 97, 98: header tricks, filters and quotes are no addresses."""
    with pytest.raises(NotAnEmail):
        clean_email(typed)


@pytest.mark.parametrize(
    "typed", ["null", "NaN", "0", "true", "O'Brien", "{{7*7}}", "<script>", "=HYPERLINK", "Café Mira", "👋🏽", "x" * 64, "👩🏽\u200d🚀" * 64]
)
def test_odd_names_are_names(typed: str) -> None:
    """Bad inputs 18, 19, 22 to 25: taken literally; 64 characters as people count them."""
    assert clean_name(typed) == typed


@pytest.mark.parametrize("typed", ["", "  ", "a\nb", "a\rb", "a\0b", "x" * 65, "e" + "\u0301" * 600, "a\u2028b", "\ud800", "\x1b[31m"])
def test_names_that_nothing_can_show_are_refused(typed: str) -> None:
    """Bad inputs 9, 10, 15, 20, 21, 23."""
    with pytest.raises(NotAName):
        clean_name(typed)


def test_composed_and_decomposed_names_are_one() -> None:
    """Bad input 16."""
    assert clean_name("Cafe\u0301") == clean_name("Café")


def test_tokens_carry_their_provider_and_only_their_hash_is_needed() -> None:
    """Design §9: the lookup is inside the tenant."""
    session, key = new_session_token(77), new_api_key_token(77)
    for credential, token in ((session_credential(session.reveal()), session), (api_key_credential(key.reveal()), key)):
        assert credential is not None
        assert (credential.provider_id, credential.hash) == (77, token_hash(token.reveal()))
    assert session.reveal() != new_session_token(77).reveal()
    assert key.reveal().startswith("krr_77_")


@given(st.text(max_size=200))
def test_no_token_breaks_the_reader(token: str) -> None:
    for read in (session_credential, api_key_credential):
        credential = read(token)
        assert credential is None or credential.provider_id > 0


@pytest.mark.parametrize("token", ["", ".", "x.y", "0.y", "-1.y", "99999999999999999999.y", "1" * 500 + ".y", "krr_", "krr_x_y", "krr__y"])
def test_what_is_no_token_is_nobody(token: str) -> None:
    assert session_credential(token) is None
    assert api_key_credential(token) is None


@pytest.mark.parametrize("shift", [-30, 0, 30])
def test_a_code_is_good_for_its_step_and_the_ones_beside_it(shift: int) -> None:
    """RFC 6238 §5.2: a clock half a minute off is no stranger's."""
    at = int(NOON.timestamp()) + shift
    assert code_step(SECRET, TOTP(SECRET.reveal()).at(at), NOON, 0) == at // 30


@pytest.mark.parametrize("shift", [-300, 300])
def test_a_late_code_is_no_good(shift: int) -> None:
    """Bad input 94: late TOTP."""
    assert code_step(SECRET, TOTP(SECRET.reveal()).at(int(NOON.timestamp()) + shift), NOON, 0) is None


def test_a_used_code_is_no_good() -> None:
    """Bad input 94: used TOTP, and any older than it."""
    step = int(NOON.timestamp()) // 30
    code = TOTP(SECRET.reveal()).at(NOON)
    assert code_step(SECRET, code, NOON, step - 1) == step
    assert code_step(SECRET, code, NOON, step) is None


@pytest.mark.parametrize("code", ["", "12345", "1234567", "١٢٣٤٥٦", "12 34 5x"])
def test_what_is_no_code_is_no_good(code: str) -> None:
    assert code_step(SECRET, code, NOON, 0) is None


async def test_passwords_match_themselves_only() -> None:
    passwords = Passwords()
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert await passwords.matches(stored, "correct horse")
    assert not await passwords.matches(stored, "correct horsE")
    assert not await passwords.matches(stored, "")
    assert not await passwords.matches(None, "correct horse")
    assert not await passwords.matches("not a hash", "correct horse")
    assert not await passwords.matches(stored, "\ud800" * 300)


@pytest.mark.parametrize("password", ["", "seven77", "x" * 201])
async def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        await Passwords().hash(password)


def test_a_household_of_ipv6_addresses_is_one() -> None:
    """Bad input 94: an attacker's /64 is one address."""
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
    assert len(network_of("x" * 1000)) <= 64
