"""The simulators' own rules: segments, faults, receipts, stores, state file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.simulators.app import Simulators
from kereru.simulators.asgi import Request
from kereru.simulators.config import config_from, example_config
from kereru.simulators.faults import Fault, Faults
from kereru.simulators.forms import folded, parse_form, write_form
from kereru.simulators.ledger import Ledger
from kereru.simulators.messages import Message, MessageStore, report
from kereru.simulators.phones import Phones
from kereru.simulators.receipts import Timing, magic, script
from kereru.simulators.segments import size
from kereru.simulators.statefile import StateFile


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 0), ("1" * 160, 1), ("1" * 161, 2), ("1" * 306, 2), ("1" * 307, 3), ("€" + "1" * 158, 1), ("€" + "1" * 159, 2),
        ("😀" + "1" * 68, 1), ("😀" + "1" * 69, 2), ("ç", 1), ("^" * 76 + "1" * 9, 2), ("😀" * 67, 3),
    ],
)  # fmt: skip
def test_segments(text: str, segments: int) -> None:
    """carriers.md A: the boundary checks; a two-unit character is never split (67 emoji need three parts of 33)."""
    assert size(text).segments == segments


def test_c_cedilla_is_not_in_the_basic_set() -> None:
    """carriers.md A: lower-case ç turns the text into UCS-2."""
    assert size("ç").encoding == "ucs2"
    assert size("Ç€").encoding == "gsm7"


@given(st.lists(st.tuples(st.text(min_size=1), st.text())))
def test_forms_survive_the_trip(fields: list[tuple[str, str]]) -> None:
    """What is written is what is read, repeated names included."""
    assert parse_form(write_form(fields)) == fields


def test_repeated_names_fold_into_a_list() -> None:
    """carriers.md §1.10: Body twice."""
    assert folded([("Body", "a"), ("From", "b"), ("Body", "a"), ("Body", "c")]) == {"Body": ["a", "a", "c"], "From": "b"}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_faults_bite_by_count_time_carrier_and_recipient() -> None:
    """Design §8: count, seconds; narrower faults leave other sends alone."""
    clock = Clock()
    faults = Faults(clock)
    faults.add(Fault("restcomm", "error", count=1, to="+12025550142"))
    faults.add(Fault("*", "slow", seconds=10))
    assert faults.take("restcomm", ("error",), to="+12025550143") is None
    assert faults.take("inteliquent", ("error",), to="+12025550142") is None
    assert faults.take("restcomm", ("error",), to="+12025550142") is not None
    assert faults.take("restcomm", ("error",), to="+12025550142") is None
    assert faults.take("inteliquent", ("slow",)) is not None
    clock.now += 10
    assert faults.items() == []


def test_several_receipt_faults_work_together() -> None:
    """Each kind of receipt fault is taken for the same message."""
    faults = Faults(Clock())
    faults.add(Fault("*", "failed_receipt", count=1))
    faults.add(Fault("*", "double_receipt", count=1))
    taken = faults.take_receipts("restcomm", account="", to="")
    assert [step.word for step in script(taken, "", Timing(150, 1000))] == ["sent", "undelivered", "undelivered"]


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("", ["sent", "delivered"]), ("01", ["sent", "undelivered"]), ("02", ["failed"]), ("03", []), ("04", ["sent", "delivered"]),
        ("05", ["sent", "delivered", "delivered"]), ("06", ["delivered", "sent"]), ("07", ["sent", "delivered"]), ("08", ["failed"]),
    ],
)  # fmt: skip
def test_magic_digits(digits: str, words: list[str]) -> None:
    """carriers.md C.13."""
    steps = script({}, digits, Timing(150, 1000))
    assert [step.word for step in steps] == words
    if steps and digits not in ("05", "06"):
        assert sum(step.after_ms for step in steps) == (1000 if digits == "04" else 150)


def test_only_fictional_numbers_are_magic() -> None:
    """A bench that uses other numbers never meets one."""
    assert magic("+12025550107", enabled=True) == "07"
    assert magic("+12025550107", enabled=False) == ""
    assert magic("+12025551107", enabled=True) == ""
    assert magic("+12025550109", enabled=True) == ""


def message(serial: int, status: str = "sent") -> Message:
    return Message(serial, f"SM{serial}", "AC", "outbound-api", "+12015550110", "+12025550142", "Hi", (), status, 0.0, 0.0)


def test_stores_are_bounded() -> None:
    """The oldest goes, and with it the way to find it; phones share one bound."""
    store = MessageStore(3)
    for serial in range(1, 6):
        store.add(message(serial))
    assert [m.serial for m in store.newest_first()] == [5, 4, 3]
    assert store.get("SM2") is None
    phones = Phones(3)
    for turn in range(5):
        phones.put(f"+1202555010{turn % 2}", "in", "+12015550110", "x", str(turn), (), 0.0, "restcomm", "SM")
    assert [h.text for h in phones.texts("+12025550100")] == ["2", "4"]
    assert [h.text for h in phones.texts("+12025550101")] == ["3"]
    ledger = Ledger(2, Clock())
    for _ in range(3):
        ledger.open("restcomm", Request("GET", b"/restcomm/x", b"", (), b""))
    assert [item["id"] for item in ledger.items()] == [2, 3]


def test_a_final_state_stays() -> None:
    """carriers.md 0.2: a late "sent" does not take "delivered" back."""
    held = message(1)
    report(held, "delivered", 5.0, None)
    report(held, "sent", 6.0, None)
    report(held, "undelivered", 7.0, 30003)
    assert (held.status, held.error, held.updated) == ("delivered", None, 5.0)


def test_an_inventory_takes_one_account_or_several() -> None:
    """Several providers may each have an account; a wrong field is named."""
    account = {"account_sid": "AC1", "auth_token": "t"}
    assert len(config_from({"restcomm": account}).restcomm) == 1
    assert len(config_from({"restcomm": [account, account]}).restcomm) == 2
    with pytest.raises(ValueError, match="auth_token"):
        config_from({"restcomm": {"account_sid": "AC1"}})
    with pytest.raises(ValueError, match="colour"):
        config_from({"colour": "red"})


def test_an_unreadable_state_file_is_put_aside(tmp_path: Path) -> None:
    """Never overwritten, never half read."""
    path = tmp_path / "state.json"
    path.write_text("{")
    app = Simulators(example_config())
    file = StateFile(path, app.world, app.restcomm, app.inteliquent)
    assert file.load() is False
    assert (tmp_path / "state.unreadable").read_text() == "{"
    file.write(file.encoded())
    assert file.load() is True
    assert path.stat().st_mode & 0o077 == 0
