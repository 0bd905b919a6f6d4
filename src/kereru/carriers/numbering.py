"""Phone numbers as people type them, as carriers write them and as screens show them (R27 to R32, Q7, Q22; bad inputs 26 to 35).

Promises: everything inside Kererū is E.164 with a plus sign. A number is accepted when it is *possible*, not only when it is assigned, so
that fictional ranges work. Nothing is guessed from a digit that is not ASCII, and nothing typed behind the number is dropped.
"""

import re
from dataclasses import dataclass
from typing import Literal

import phonenumbers
from phonenumbers import PhoneNumberFormat, ValidationResult

NumberProblemCode = Literal["empty", "not_a_number", "non_ascii_digits", "extension", "emergency", "short_code", "too_short", "too_long"]


@dataclass(frozen=True, slots=True)
class DialingHabits:
    """How a user's numbers are read: default country code (R27), whether a leading zero falls away (R29), region for the screen (R30)."""

    region: str
    country_code: str
    exclude_leading_zero: bool


def habits_of(region: str, *, exclude_leading_zero: bool) -> DialingHabits:
    """The habits of a user in `region` (ISO 3166, two letters)."""
    return DialingHabits(region, str(phonenumbers.country_code_for_region(region)), exclude_leading_zero)


@dataclass(frozen=True, slots=True)
class TypedNumber:
    """A typed number in E.164. `cleaned` says that invisible characters were taken out (bad input 30)."""

    e164: str
    cleaned: bool


@dataclass(frozen=True, slots=True)
class NumberProblem:
    """Why what was typed is no number one can text; `text` says what to do."""

    code: NumberProblemCode
    text: str


_NORTH_AMERICA = ("US", "CA")
_TEN_DIGITS = re.compile(r"\+1([2-9][0-9]{2})([0-9]{3})([0-9]{4})", re.ASCII)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u061c]")
_SPACES = re.compile("[\\s\u00a0\u2007\u202f]+")
_EXTENSION = re.compile(r"(?:;\s*ext|;\s*isub|\bext\b|extension|\bx\s*\d|#|[,;])", re.IGNORECASE)
_ALLOWED = re.compile(r"\+?[0-9 ().\-/\u2010-\u2015\u2212]+", re.ASCII)
_NOT_DIGITS = re.compile(r"[^0-9]", re.ASCII)
_BRACKETED_ZERO = re.compile(r"\(\s*0\s*\)")

EMERGENCY = frozenset(
    map(str, (15, 17, 18, 100, 101, 102, 108, 110, 111, 112, 113, 114, 115, 117, 118, 119, 122, 123, 190, 191, 192, 193, 194, 199))
) | {"000", "911", "933", "988", "997", "998", "999"}

_PROBLEMS: dict[NumberProblemCode, str] = {
    "empty": "Enter a number.",
    "not_a_number": "This is not a phone number. Enter it as you would dial it, or with + and the country code.",
    "non_ascii_digits": "Use the digits 0 to 9.",
    "extension": "A text cannot go to an extension. Enter the number without it.",
    "emergency": "Emergency services cannot be reached by text here. Call them instead.",
    "short_code": "Short codes can only be answered, not texted first.",
    "too_short": "This number is too short. Enter it as you would dial it, or with + and the country code.",
    "too_long": "This number is too long. Check it for doubled digits.",
}

_CARIBBEAN_AND_PACIFIC = frozenset(
    map(
        str,
        (
            242,
            246,
            264,
            268,
            284,
            340,
            345,
            441,
            473,
            649,
            658,
            664,
            670,
            671,
            684,
            721,
            758,
            767,
            784,
            787,
            809,
            829,
            849,
            868,
            869,
            876,
            939,
        ),
    )
)
_NANP = re.compile(r"\+1([2-9][0-9]{2})[2-9][0-9]{6}", re.ASCII)
_NOT_GEOGRAPHIC = frozenset(map(str, (500, 521, 522, 523, 524, 525, 526, 527, 528, 529, 533, 544, 566, 577, 588, 600, 700, 710, 900)))
_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_SHORT = re.compile(r"[0-9]{3,8}", re.ASCII)


def read_typed(typed: str, habits: DialingHabits) -> TypedNumber | NumberProblem:
    """A typed number in E.164, or why it is none.

    `+`, `00` and `011` are international under every default country (Q7). Otherwise the user's country code goes in front, without
    the first zero where the user's setting says so (R31), with it where not (R32).
    """
    visible = _INVISIBLE.sub("", typed)
    text = _SPACES.sub(" ", visible).strip()
    if text[:4].lower() == "tel:":
        text = text[4:].strip()
    if not text:
        return _problem("empty")
    if any(character.isdigit() and not character.isascii() for character in text):
        return _problem("non_ascii_digits")
    if _EXTENSION.search(text):
        return _problem("extension")
    if not _ALLOWED.fullmatch(text):
        return _problem("not_a_number")
    result = _international(text, habits) or _national(text, habits)
    return TypedNumber(result, visible != typed) if isinstance(result, str) else result


def _international(text: str, habits: DialingHabits) -> str | NumberProblem | None:
    """The number behind `+`, `00` or `011`; None where the text is a national one.

    Where a national number may begin with 011 (Leeds is 0113), an impossible international reading falls back to the national one.
    """
    digits = _digits(_BRACKETED_ZERO.sub("", text))
    if text.startswith("+"):
        return _possible(digits)
    if digits in EMERGENCY:
        return _problem("emergency")
    if digits.startswith("00"):
        return _possible(digits[2:])
    if digits.startswith("011") and len(digits) > 8:
        result = _possible(digits[3:])
        return None if isinstance(result, NumberProblem) and habits.country_code != "1" else result
    return None


def _national(text: str, habits: DialingHabits) -> str | NumberProblem:
    digits = _digits(text)
    if digits in EMERGENCY:
        return _problem("emergency")
    if len(digits) <= 6 and not digits.startswith("0"):
        return _problem("short_code" if len(digits) >= 3 else "too_short")
    kept = digits[1:] if habits.exclude_leading_zero and digits.startswith("0") else digits
    plain = _possible(habits.country_code + kept)
    if isinstance(plain, str):
        return f"+{habits.country_code}{kept}" if kept.startswith("0") else plain
    if digits.startswith(habits.country_code) and plain.code == "too_long":
        own_code = _possible(digits)
        if isinstance(own_code, str):
            return own_code
    return plain


def _possible(digits: str) -> str | NumberProblem:
    """`+digits` in E.164 if its length is one that its country uses."""
    if len(digits) > 15:
        return _problem("too_long")
    try:
        number = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException as error:
        short = error.error_type in (phonenumbers.NumberParseException.TOO_SHORT_NSN, phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD)
        return _problem("too_short" if short else "not_a_number")
    if str(number.national_number) in EMERGENCY:
        return _problem("emergency")
    match phonenumbers.is_possible_number_with_reason(number):
        case ValidationResult.IS_POSSIBLE:
            return phonenumbers.format_number(number, PhoneNumberFormat.E164)
        case ValidationResult.TOO_LONG:
            return _problem("too_long")
        case ValidationResult.TOO_SHORT | ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            return _problem("too_short")
        case _:
            return _problem("not_a_number")


def display(number: str, region: str) -> str:
    """How a screen shows it: national form for the user's own country, international for others, anything else as it is (R30)."""
    if not _E164.fullmatch(number):
        return number
    if number.startswith("+1") and region in _NORTH_AMERICA and (parts := _TEN_DIGITS.fullmatch(number)):
        # Nearly every number of such a user, on every push to every screen: the library takes thirty times as long to say the same.
        return f"({parts[1]}) {parts[2]}-{parts[3]}" if is_north_american(number) else f"+1 {parts[1]}-{parts[2]}-{parts[3]}"
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    home = phonenumbers.country_code_for_region(region.upper()) == parsed.country_code
    if home and parsed.country_code == 1:
        home = is_north_american(number) == (region.upper() in ("US", "CA"))
    return phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL if home else PhoneNumberFormat.INTERNATIONAL)


def is_e164(number: str) -> bool:
    """Whether it is written as E.164: a plus sign and 7 to 15 digits."""
    return _E164.fullmatch(number) is not None


def is_north_american(e164: str) -> bool:
    """Whether it is a number of the United States or Canada in the sense of Q22: code +1, not the Caribbean or the Pacific."""
    match = _NANP.fullmatch(e164)
    return match is not None and match[1] not in _CARIBBEAN_AND_PACIFIC and match[1] not in _NOT_GEOGRAPHIC


_COSTLY_CODES = ("+870", "+878", "+881", "+882", "+883", "+888", "+979", "+808")
"""Satellite, shared-cost and premium networks: no country, and dear."""


def is_costly_destination(e164: str) -> bool:
    """Whether it looks ordinary and is not: outside the United States and Canada under +1, premium, satellite (bad input 34, toll fraud)."""
    return (e164.startswith("+1") and not is_north_american(e164)) or e164.startswith(_COSTLY_CODES)


def pieces_of(typed: str, habits: DialingHabits) -> list[str]:
    """The digits by which a number, or a piece of one, is found in numbers as they are kept, in whatever form (P9, R43); none for a lone digit."""
    digits = _digits(typed)
    if len(digits) < 2:
        return []
    wanted = {digits, digits.lstrip("0"), digits.removeprefix("011"), digits.removeprefix("00")}
    if digits.startswith("0"):
        wanted.add(habits.country_code + digits[1:])
    whole = read_typed(typed, habits)
    if isinstance(whole, TypedNumber):
        wanted.add(whole.e164[1:])
    return sorted(each for each in wanted if len(each) > 1)


def is_short_code(number: str) -> bool:
    """Whether it is a short code: three to eight digits and nothing else."""
    return _SHORT.fullmatch(number) is not None


def from_wire(raw: str) -> str:
    """A carrier's way of writing a number, in E.164 where that is certain; short codes and names come back trimmed (carriers.md §0.4).

    Carriers write `+1…`, `1…` with eleven digits, or ten digits for a number of the numbering plan of +1.
    """
    text = raw.strip()
    if _E164.fullmatch(text):
        return text
    if not (text.isascii() and text.isdigit()):
        return text
    if len(text) == 10 and text[0] >= "2":
        return "+1" + text
    return "+" + text if 11 <= len(text) <= 15 and text[0] != "0" else text


def _digits(text: str) -> str:
    return _NOT_DIGITS.sub("", text)


def _problem(code: NumberProblemCode) -> NumberProblem:
    return NumberProblem(code, _PROBLEMS[code])
