"""The table of opt-in states, alone (R7 to R17, Q1)."""

import pytest

from kereru.provisioning.errors import AlreadyAnswered, NotAsked
from kereru.provisioning.opt_in.model import Answer, OptIn, decide

IN, OUT, LATER = OptIn.OPTED_IN, OptIn.OPTED_OUT, OptIn.POSTPONED
TABLE = {
    (OptIn.PENDING, Answer.YES): IN, (OptIn.PENDING, Answer.NO): OUT, (OptIn.PENDING, Answer.CANCEL): LATER,
    (LATER, Answer.YES): IN, (LATER, Answer.NO): OUT, (LATER, Answer.CANCEL): LATER,
    (IN, Answer.YES): None, (IN, Answer.NO): AlreadyAnswered, (IN, Answer.CANCEL): AlreadyAnswered,
    (OUT, Answer.YES): AlreadyAnswered, (OUT, Answer.NO): None, (OUT, Answer.CANCEL): AlreadyAnswered,
    (OptIn.NOT_NEEDED, Answer.YES): NotAsked, (OptIn.NOT_NEEDED, Answer.NO): NotAsked, (OptIn.NOT_NEEDED, Answer.CANCEL): NotAsked,
}  # fmt: skip


def test_the_table_is_whole() -> None:
    """Every state and answer has its line."""
    assert set(TABLE) == {(state, answer) for state in OptIn for answer in Answer}


@pytest.mark.parametrize(("state", "answer"), TABLE)
def test_each_line(state: OptIn, answer: Answer) -> None:
    """Where an answer leads: a state, nothing (given before), or a refusal."""
    wanted = TABLE[state, answer]
    if isinstance(wanted, type):
        with pytest.raises(wanted):
            decide(state, answer)
    else:
        assert decide(state, answer) is wanted


def test_only_two_states_let_texts_through() -> None:
    """R4, R10, R14: pending, opted out and postponed are unavailable."""
    assert [state.wire for state in OptIn if state.usable] == ["not_needed", "opted_in"]
