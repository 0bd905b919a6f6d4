"""Numbers typed, on the wire and on screen: R27 to R32, Q7, Q22; bad inputs 26 to 34."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.carriers.numbering import (
    DialingHabits,
    NumberProblem,
    TypedNumber,
    display,
    from_wire,
    is_e164,
    is_north_american,
    is_short_code,
    read_typed,
)

US = DialingHabits("US", "1", exclude_leading_zero=False)
GB = DialingHabits("GB", "44", exclude_leading_zero=True)
GB_KEEPS_ZERO = DialingHabits("GB", "44", exclude_leading_zero=False)
IT = DialingHabits("IT", "39", exclude_leading_zero=False)


@pytest.mark.parametrize(
    ("habits", "typed", "e164"),
    [
        (US, "2015550110", "+12015550110"),
        (US, "(201) 555-0110", "+12015550110"),
        (US, "201.555.0110", "+12015550110"),
        (US, "1 201 555 0110", "+12015550110"),
        (US, "12015550110", "+12015550110"),
        (US, "+1 201-555-0110", "+12015550110"),
        (US, "tel:+12015550110", "+12015550110"),
        (US, "0091 98765 43210", "+919876543210"),
        (US, "011 44 7700 900123", "+447700900123"),
        (US, "00447700900123", "+447700900123"),
        (GB, "07700 900123", "+447700900123"),
        (GB, "020 7946 0123", "+442079460123"),
        (GB, "447700900123", "+447700900123"),
        (GB, "+44 (0)7700 900123", "+447700900123"),
        (GB, "00 1 201 555 0110", "+12015550110"),
        (GB, "011 1 201 555 0110", "+12015550110"),
        (GB, "0113 496 0123", "+441134960123"),
        (GB_KEEPS_ZERO, "07700 900123", "+4407700900123"),
        (IT, "06 1234 5678", "+390612345678"),
        (US, "+39 06 1234 5678", "+390612345678"),
        (US, "+1\u00a0201\u2011555\u20110110", "+12015550110"),
    ],
)
def test_any_usual_form_becomes_e164(habits: DialingHabits, typed: str, e164: str):
    """Q7: `+`, 00 and 011 are international everywhere; else the user's code, with the leading-zero setting of R31 and R32."""
    assert read_typed(typed, habits) == TypedNumber(e164, cleaned=False)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("\u200f", "empty"),
        ("+", "not_a_number"),
        ("hello", "not_a_number"),
        ("1-800-FLOWERS", "not_a_number"),
        ("+999123456", "not_a_number"),
        ("201\n555\x000110", "not_a_number"),
        ("+120155501", "too_short"),
        ("5550110", "too_short"),
        ("+1201555011012", "too_long"),
        ("+1234567890123456", "too_long"),
        ("2015550110;ext=5", "extension"),
        ("tel:+12015550110;ext=5", "extension"),
        ("2015550110 x5", "extension"),
        ("2015550110 ext. 5", "extension"),
        ("2015550110#5", "extension"),
        ("2015550110,5", "extension"),
        ("\u0968\u0966\u0967\u096b\u096b\u096b\u0966\u0967\u0967\u0966", "non_ascii_digits"),
        ("\uff12\uff10\uff11\uff15\uff15\uff15\uff10\uff11\uff11\uff10", "non_ascii_digits"),
        ("911", "emergency"),
        ("9-1-1", "emergency"),
        ("112", "emergency"),
        ("999", "emergency"),
        ("000", "emergency"),
        ("+1911", "emergency"),
        ("+44 999", "emergency"),
        ("+49 112", "emergency"),
        ("72345", "short_code"),
        ("787878", "short_code"),
    ],
)
def test_what_is_no_number_is_refused_with_a_code(typed: str, code: str):
    """Bad inputs 26 to 29, 31, 32: too short or long, extensions (which the library would drop), other digits, emergency, short codes."""
    found = read_typed(typed, US)
    assert isinstance(found, NumberProblem)
    assert found.code == code
    assert found.text.endswith(".")


def test_invisible_marks_are_taken_out_and_told():
    """Bad input 30: a trailing bidi mark is stripped, and the caller is told so that it can be logged."""
    assert read_typed("2015550110\u200f", US) == TypedNumber("+12015550110", cleaned=True)
    assert read_typed("\u202a+12015550110\u202c", US) == TypedNumber("+12015550110", cleaned=True)


@given(st.text(max_size=40))
def test_whatever_is_typed_there_is_an_answer(typed: str):
    """Never an exception, and what is accepted is E.164."""
    for habits in (US, GB, GB_KEEPS_ZERO, IT):
        found = read_typed(typed, habits)
        assert isinstance(found, NumberProblem) or is_e164(found.e164)


@given(st.sampled_from(["US", "GB", "DE", "IT", "IN", "NZ", "BR", "FR"]), st.booleans())
def test_a_number_read_from_its_own_display_is_itself(region: str, home: bool):
    """R30: both forms that screens show can be typed back."""
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert example is not None
    e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    habits = DialingHabits(region, str(example.country_code), exclude_leading_zero=region not in ("US", "IT"))
    shown = display(e164, region if home else "US" if region != "US" else "GB")
    assert read_typed(shown, habits if home else US) == TypedNumber(e164, cleaned=False)


@pytest.mark.parametrize(
    ("number", "region", "shown"),
    [
        ("+12015550110", "US", "(201) 555-0110"),
        ("+12015550110", "us", "(201) 555-0110"),
        ("+14165550110", "US", "(416) 555-0110"),
        ("+18765550110", "US", "+1 876-555-0110"),
        ("+12015550110", "GB", "+1 201-555-0110"),
        ("+447700900123", "GB", "07700 900123"),
        ("+447700900123", "US", "+44 7700 900123"),
        ("72345", "US", "72345"),
        ("BANK", "US", "BANK"),
        ("+0", "US", "+0"),
    ],
)
def test_numbers_of_the_own_country_are_shown_in_national_form(number: str, region: str, shown: str):
    """R30; fictional numbers too; senders that are no numbers stay as they are (bad input 33)."""
    assert display(number, region) == shown


@given(st.integers(200, 999), st.integers(0, 9_999_999), st.sampled_from(["US", "CA"]))
def test_numbers_written_here_look_as_the_library_writes_them(area: int, rest: int, region: str):
    """R30: the short way for numbers under +1 differs from the library's in nothing."""
    number = f"+1{area}{rest:07}"
    form = phonenumbers.PhoneNumberFormat
    wanted = form.NATIONAL if is_north_american(number) else form.INTERNATIONAL
    assert display(number, region) == phonenumbers.format_number(phonenumbers.parse(number), wanted)


@pytest.mark.parametrize(
    ("e164", "expected"),
    [
        ("+12015550110", True),
        ("+14165550110", True),
        ("+18005550110", True),
        ("+18765550110", False),
        ("+18095550110", False),
        ("+17875550110", False),
        ("+16715550110", False),
        ("+19005550110", False),
        ("+447700900123", False),
        ("+1201555011", False),
        ("72345", False),
    ],
)
def test_american_means_the_united_states_and_canada(e164: str, expected: bool):
    """Q22 and bad input 34: Caribbean numbers begin with +1 but are not American."""
    assert is_north_american(e164) is expected


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("+13125550199", "+13125550199"),
        ("13125550199", "+13125550199"),
        ("3125550199", "+13125550199"),
        (" 3125550199 ", "+13125550199"),
        ("447700900123", "+447700900123"),
        ("72345", "72345"),
        ("BANK", "BANK"),
        ("", ""),
        ("0125550199", "0125550199"),
        ("\uff13125550199", "\uff13125550199"),
    ],
)
def test_a_carriers_forms_become_e164_where_that_is_certain(raw: str, number: str):
    """carriers.md §0.4 and §2.9: +E.164, eleven digits, ten digits; short codes and names stay (bad inputs 32 and 33)."""
    assert from_wire(raw) == number


def test_short_codes_are_three_to_eight_digits():
    """Bad input 32."""
    assert is_short_code("72345")
    assert not is_short_code("+72345")
    assert not is_short_code("BANK")
    assert not is_short_code("\uff17\uff12\uff13\uff14\uff15")
