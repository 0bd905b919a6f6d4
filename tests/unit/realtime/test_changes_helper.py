"""The check itself can fail: each way in which changes may lie is noticed."""

import pytest

from changes import assert_changes_explain, fold, state_of


def message(id_: int, version: int = 1, conversation: str = "10", **more: object) -> dict:
    return {
        "id": str(id_),
        "conversation_id": conversation,
        "version": version,
        "text": f"{id_}.{version}",
        "at": f"2026-01-01T00:00:{id_:02}Z",
        **more,
    }


def conversation(version: int, last: dict, unread: int = 0) -> dict:
    return {"id": "10", "version": version, "unread": unread, "last_message": last, "last_at": last["at"]}


def number(opt_in: str, *, ask: bool) -> dict:
    return {"id": "5", "opt_in": opt_in, "ask": ask}


BEFORE = state_of([number("pending", ask=True)], [conversation(1, message(1))], [message(1)])
RECEIVED = {"message": message(2), "conversation": conversation(2, message(2), 1), "licence_number": None}
AFTER = state_of([number("pending", ask=False)], [conversation(2, message(2), 1)], [message(1), message(2)])


def test_changes_that_tell_everything_pass() -> None:
    assert_changes_explain(BEFORE, [RECEIVED], AFTER)
    answered = {"message": None, "conversation": None, "licence_number": number("opted_in", ask=False)}
    assert_changes_explain(BEFORE, [answered], state_of([number("opted_in", ask=False)], [conversation(1, message(1))], [message(1)]))


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [RECEIVED | {"conversation": None}],
        [RECEIVED | {"message": message(2, text="x", version=2)}],
        [RECEIVED, {"message": message(3), "conversation": None}],
        [RECEIVED | {"conversation": conversation(3, message(2), 1)}],
    ],
)
def test_changes_that_tell_less_or_more_fail(changes: list[dict]) -> None:
    with pytest.raises(AssertionError):
        assert_changes_explain(BEFORE, changes, AFTER)


def test_a_later_receipt_shows_in_the_list_too() -> None:
    """As the client's reducer: a message's new version is also its conversation's preview, an older version changes nothing."""
    folded = fold(AFTER, [{"message": message(2, 2)}, {"message": message(1, 5)}, {"message": message(2, 1)}])
    assert folded.conversations["10"]["last_message"]["version"] == 2
    assert folded.messages["1"]["version"] == 5
    assert AFTER.conversations["10"]["last_message"]["version"] == 1
