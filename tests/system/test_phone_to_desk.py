"""The main job on the whole product: phone → desk → phone with receipts, through both carriers; judged by the simulators' ledger."""

import itertools
import os
import signal
import threading
import uuid

import pytest

from demo_fixture import Demo, Http, eventually, log_of

_phones = itertools.count(1000)


@pytest.fixture
def phone() -> str:
    """A phone of this test's own, from the fictional range, whose last digits have no special meaning to the simulators."""
    return f"+1202555{100 + next(_phones) % 90 + 9:04d}"


def new_text() -> str:
    """A text nobody else sends."""
    return f"Is the blue one still there? {uuid.uuid4().hex[:8]}"


def find(me: Http, text: str) -> tuple[dict, dict] | None:
    """(conversation, message) with that text, in the signed-in user's conversations."""
    for conversation in me.get("/api/v1/conversations")["items"]:
        for message in me.get(f"/api/v1/conversations/{conversation['id']}/messages")["items"]:
            if message["text"] == text:
                return conversation, message
    return None


def has_status(me: Http, text: str, *statuses: str) -> dict | None:
    """The message with that text once it has one of these statuses."""
    found = find(me, text)
    return found[1] if found and found[1]["status"] in statuses else None


@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_text_arrives_and_its_answer_is_delivered(demo: Demo, phone: str, letter: str) -> None:
    """R41, R76, R80, R104, R105, R109: through Restcomm (A) and Inteliquent (B)."""
    account = demo.user(letter)
    [number] = account.numbers
    me = demo.signed_in(account)
    text, answer = new_text(), new_text()
    demo.phone_sends(phone, number.number, text)
    conversation, message = eventually(lambda: find(me, text))
    assert (message["direction"], message["status"], conversation["remote"]) == ("in", "received", phone)
    body = {"number_id": number.id, "to": phone, "text": answer, "attachments": []}
    key = str(uuid.uuid4())
    assert me.call("PUT", f"/api/v1/messages/{key}", body)[0] == 201
    assert me.call("PUT", f"/api/v1/messages/{key}", body)[0] == 200
    assert me.call("PUT", f"/api/v1/messages/{key}", {**body, "text": "another"})[1]["code"] == "client_id_reused"
    eventually(lambda: has_status(me, answer, "delivered"))
    assert [m["text"] for m in demo.phone_has(phone) if m["direction"] == "in"].count(answer) == 1


def test_twenty_texts_at_once_are_one_conversation(demo: Demo, phone: str) -> None:
    """R41, P2: over real HTTP."""
    account = demo.user("A")
    me = demo.signed_in(account)
    texts = [new_text() for _ in range(20)]
    threads = [threading.Thread(target=demo.phone_sends, args=(phone, account.numbers[0].number, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    conversation, _ = eventually(lambda: find(me, texts[-1]))

    def all_there() -> bool:
        held = me.get(f"/api/v1/conversations/{conversation['id']}/messages?limit=200")["items"]
        return {m["text"] for m in held} >= set(texts)

    eventually(all_there)
    assert [c["remote"] for c in me.get("/api/v1/conversations?limit=200")["items"]].count(phone) == 1


@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_carrier_that_accepts_and_hangs_up_is_settled_and_sent_once(demo: Demo, phone: str, letter: str) -> None:
    """G10, G11: the answer is lost after the carrier took the text; the receipt (or asking) settles it, nothing is sent again."""
    account = demo.user(letter)
    [number] = account.numbers
    me = demo.signed_in(account)
    demo.fault(number.carrier, "reset_after_accept", count=1, to=phone)
    text = new_text()
    me.put(f"/api/v1/messages/{uuid.uuid4()}", {"number_id": number.id, "to": phone, "text": text, "attachments": []})
    eventually(lambda: has_status(me, text, "sent", "delivered"), 40)
    assert [m["text"] for m in demo.phone_has(phone)].count(text) == 1


@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_failed_receipt_shows_why_and_a_resend_is_a_new_attempt(demo: Demo, phone: str, letter: str) -> None:
    """R78, R79, R81: the reason in words; the second attempt really reaches the carrier."""
    account = demo.user(letter)
    [number] = account.numbers
    me = demo.signed_in(account)
    demo.fault(number.carrier, "failed_receipt", count=1, to=phone)
    text = new_text()
    me.put(f"/api/v1/messages/{uuid.uuid4()}", {"number_id": number.id, "to": phone, "text": text, "attachments": []})
    failed = eventually(lambda: has_status(me, text, "failed", "undelivered"))
    assert failed["reason"]["text"]
    assert failed["can"] == ["resend"]
    answers = [me.call("POST", f"/api/v1/messages/{failed['id']}/resend", {"attempt": 1}) for _ in range(2)]
    assert [status for status, _ in answers] == [200, 409]
    assert eventually(lambda: has_status(me, text, "delivered"))["attempt"] == 2


@pytest.mark.parametrize("kind", ["early_receipt", "double_receipt", "reorder_receipts", "double_webhook"])
@pytest.mark.parametrize("letter", ["A", "B"])
def test_receipts_and_webhooks_in_any_order_and_number(demo: Demo, phone: str, letter: str, kind: str) -> None:
    """G3, G19, G20: over real HTTP."""
    account = demo.user(letter)
    [number] = account.numbers
    me = demo.signed_in(account)
    demo.fault(number.carrier, kind, count=1)
    text, answer = new_text(), new_text()
    demo.phone_sends(phone, number.number, text)
    conversation, _ = eventually(lambda: find(me, text))
    me.put(f"/api/v1/messages/{uuid.uuid4()}", {"number_id": number.id, "to": phone, "text": answer, "attachments": []})
    eventually(lambda: has_status(me, answer, "delivered"))
    held = [m["text"] for m in me.get(f"/api/v1/conversations/{conversation['id']}/messages")["items"]]
    assert held.count(text) == 1
    demo.simulator.delete("/faults")


def test_a_long_poll_brings_what_a_socket_would(demo: Demo, phone: str) -> None:
    """Design §7, the fallback: the same change objects as the socket's. That it is the wake-up which answers is shown by tests of realtime."""
    account = demo.user("B")
    me = demo.signed_in(account)
    cursor = me.get("/api/v1/changes")["cursor"]
    text = new_text()
    threading.Timer(0.3, demo.phone_sends, (phone, account.numbers[0].number, text)).start()
    texts: list[str] = []
    while text not in texts:
        page = me.get(f"/api/v1/changes?after={cursor}&wait=20")
        cursor = page["cursor"]
        texts += [change["message"]["text"] for change in page["items"] if change["message"]]


def test_the_portal_accounts_have_no_texting(demo: Demo) -> None:
    """Design §7: end users do not enter the portal, and portal accounts have no licence."""
    for account in demo.accounts:
        if account.role != "user":
            me = demo.signed_in(account)
            assert me.call("GET", "/api/v1/licence")[0] == 403
            assert me.get("/api/v1/session")["roles"]


def test_a_killed_sender_is_replaced_and_goes_on_at_once(demo: Demo, phone: str) -> None:
    """Issue 2 §2: what dies is restarted; the new sender need not sit out the dead one's lease."""
    account = demo.user("A")
    me = demo.signed_in(account)
    os.kill(demo.info["pids"]["sender"], signal.SIGKILL)
    text = new_text()
    me.put(f"/api/v1/messages/{uuid.uuid4()}", {"number_id": account.numbers[0].id, "to": phone, "text": text, "attachments": []})
    eventually(lambda: has_status(me, text, "delivered"), 9)
    assert [message["text"] for message in demo.phone_has(phone)].count(text) == 1, "handed over by the new one alone"


def test_no_log_holds_what_people_write_or_prove_themselves_with(demo: Demo, phone: str) -> None:
    """G33, design §9: texts, passwords, session tokens, webhook secrets; also when things go wrong."""
    account = demo.user("A")
    [number] = account.numbers
    me = demo.signed_in(account)
    canary, refused = f"canary {uuid.uuid4().hex}", f"Wrong{uuid.uuid4().hex}"
    assert Http(demo.client).call("POST", "/api/v1/session", {"email": account.email, "password": refused})[0] == 401
    demo.fault(number.carrier, "error", count=1, to=phone)
    demo.phone_sends(phone, number.number, f"{canary} in")
    body = {"number_id": number.id, "to": phone, "text": f"{canary} out", "attachments": []}
    assert me.call("PUT", f"/api/v1/messages/{uuid.uuid4()}", body)[0] == 201
    eventually(lambda: find(me, f"{canary} in") and has_status(me, f"{canary} out", "delivered", "failed", "unknown"), 30)
    logs = [log_of(demo), *(demo.home / "logs").glob("*")]
    written = "".join(log.read_text(errors="replace") for log in logs)
    hook = demo.simulator.get("/deliveries?limit=1")["items"][0]["url"].split("/")[-2]
    secrets = [canary, refused, account.password, hook, *(cookie.value for cookie in me.jar)]
    assert [secret for secret in secrets if secret and secret in written] == []
    assert '"event"' in written
