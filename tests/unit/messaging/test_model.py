"""The rules of a text: what cannot be sent, what should be known before, and in which order reasons speak."""

import msgspec
import pytest

from kereru.carriers.contract import INTELIQUENT, RESTCOMM
from kereru.carriers.registry import capabilities_of
from kereru.messaging.model import SendFacts, carrier_problem, parts_of, permission_problem, replacements, text_problem, verdict, warnings

FACTS = SendFacts(
    assignment_id=1, group_id=2, feed_id=3, platform_id=4, carrier="restcomm", takes_long_texts=False, queue_deadline_s=600,
    own_number="+12015550110", enabled=True, licensed=True, opt_in=2, blocked=False, stopped=False, to_own_number=False,
    platform_stopped=False, conversation_id=None, has_inbound=False, platform_mms=True, number_mms=True,
    perhaps_no_mobile=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("", "empty_text", id="input 1"),
        pytest.param(" \n\u200b\u2060 ", "empty_text", id="input 2"),
        pytest.param("x" * 1601, "text_too_long", id="input 3"),
        pytest.param("x" * 100_000, "text_too_long", id="input 4"),
        pytest.param("half \ud83d", "not_text", id="input 9"),
        pytest.param("nul \x00", "not_text", id="input 10"),
        pytest.param("x" * 1600, None, id="at the limit"),
        pytest.param("<script>{{7*7}} %s ${x}", None, id="inputs 18, 19: literal"),
    ],
)
def test_what_cannot_be_sent_says_so(text: str, code: str | None) -> None:
    """Reliability §4, text."""
    problem = text_problem(text)
    assert (problem.code if problem else None) == code


def test_the_count_is_named() -> None:
    """Input 3: with the count."""
    problem = text_problem("x" * 1700)
    assert problem is not None
    assert "1,700" in problem.text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"enabled": False}, "number_not_enabled"),
        ({"licensed": False}, "no_licence"),
        ({"opt_in": 1}, "opt_in_pending"),
        ({"opt_in": 4}, "opt_in_pending"),
        ({"opt_in": 3}, "opted_out"),
        ({"to_own_number": True}, "own_number"),
        ({"blocked": True}, "blocked"),
        ({"stopped": True}, "stopped"),
        ({"perhaps_no_mobile": True}, "not_known_mobile"),
        ({}, None),
        ({"stopped": True, "opt_in": 3}, "opted_out"),
    ],
)
def test_permission_names_the_first_reason(change: dict[str, object], code: str | None) -> None:
    """The verdicts of issue 2 point 13, in the order of the gate."""
    problem = permission_problem(msgspec.structs.replace(FACTS, **change))
    assert (problem.code if problem else None) == code


@pytest.mark.parametrize(
    ("text", "long", "stops"),
    [("x" * 160, False, False), ("x" * 161, False, True), ("é" * 80, False, False), ("é" * 81, False, True), ("x" * 900, True, False)],
)
def test_restcomm_counts_bytes_unless_it_takes_long_texts(text: str, *, long: bool, stops: bool) -> None:
    """Design §7: 160 bytes of UTF-8."""
    facts = msgspec.structs.replace(FACTS, takes_long_texts=long)
    assert (carrier_problem(text, facts, capabilities_of(RESTCOMM)) is not None) is stops
    assert carrier_problem(text, facts, capabilities_of(INTELIQUENT)) is None


def test_a_curly_quote_that_doubles_the_price_is_named() -> None:
    """Input 8, P78: offered, never changed silently."""
    text = "It’s " + "x" * 100
    [warning] = [reason for reason in warnings(text, FACTS) if reason.code == "costs_more"]
    assert "’" in warning.text
    assert "".join(replacements(text)) == text.replace("’", "'")


def test_the_light_turns_amber_for_many_segments_and_a_waiting_carrier() -> None:
    """Idea 6."""
    codes = {reason.code for reason in warnings("x" * 700, msgspec.structs.replace(FACTS, platform_stopped=True))}
    assert codes == {"several_segments", "carrier_waits"}
    assert [verdict((), ()), verdict((), [object()]), verdict([object()], [object()])] == ["ok", "warn", "stop"]  # type: ignore[list-item]


def test_a_text_the_carrier_takes_whole_is_one_part() -> None:
    """Splitting is for carriers that do not segment by themselves; joined again the parts are the text."""
    capabilities = capabilities_of(INTELIQUENT)
    assert parts_of("x" * 1600, capabilities) == ("x" * 1600,)
    import dataclasses

    small = dataclasses.replace(capabilities, max_characters=100)
    parts = parts_of("y" * 400, small)
    assert len(parts) == 3
    assert "".join(parts) == "y" * 400
