"""How Restcomm calls its customer: status callbacks and inbound texts (carriers.md §1.9, §1.10).

Promises: forms without any signature, never a retry; an inbound hook that fails is followed by the fallback URL once, if there is one.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit
from xml.etree import ElementTree

from kereru.simulators.forms import FORM, write_form
from kereru.simulators.hooks import Call, Result
from kereru.simulators.messages import Message, report
from kereru.simulators.phones import Picture
from kereru.simulators.receipts import Step
from kereru.simulators.restcomm.accounts import Account, Notice, Number
from kereru.simulators.restcomm.views import REASONS
from kereru.simulators.world import World

XML_TYPES = frozenset({"text/xml", "application/xml", "text/html"})
E164 = re.compile(r"\+[1-9]\d{6,14}")


class Reply(NamedTuple):
    """A text that the customer's answer to an inbound hook asks for (RCML `<Sms>`)."""

    from_: str
    to: str
    text: str
    callback: str | None


def call(what: str, method: str, url: str, fields: Sequence[tuple[str, str]]) -> Call:
    """A webhook as POST form, or as GET with the fields in place of the URL's own query."""
    form = write_form(fields)
    if method == "GET":
        url = urlunsplit(urlsplit(url)._replace(query=form.decode("ascii")))
        return Call("restcomm", what, "GET", url, b"", "", follow=True)
    return Call("restcomm", what, "POST", url, form, FORM.decode(), follow=True)


def callback_fields(account: Account, message: Message, step: Step) -> list[tuple[str, str]]:
    """The form of one status callback; the code alternates between number and name (C.12), the body comes twice (§1.10)."""
    fields = [("MessageSid", message.id), ("MessageStatus", step.word)]
    if step.error is not None:
        account.failures_told += 1
        style = account.modes.error_code
        by_name = style == "name" or (style == "alternate" and account.failures_told % 2 == 0)
        fields.append(("ErrorCode", REASONS[step.error] if by_name else str(step.error)))
    fields += [("AccountSid", account.sid), ("From", message.from_), ("To", message.to), ("Body", message.text)]
    if account.modes.duplicate_body:
        fields.append(("Body", message.text))
    return fields


async def tell_status(world: World, account: Account, message: Message, step: Step) -> None:
    """Write one report down and post it, once."""
    report(message, step.word, world.clock(), step.error)
    world.changed("message", carrier="restcomm")
    if message.callback is not None:
        await world.hooks.make(call("status", message.callback_method, message.callback, callback_fields(account, message, step)))


async def tell_inbound(
    world: World, account: Account, number: Number, message: Message, media: Sequence[Picture], reply: Callable[[Account, Reply], None]
) -> None:
    """Tell the customer of an inbound text, as often as the faults in force say."""
    times = world.webhook_times("restcomm", account.sid, message.to)
    target = _target(account, number)
    if target is None:
        _notice(world, account, message, 12003, "The number has neither an SmsUrl nor an application.")
        return
    fields = [("SmsSid", message.id), ("AccountSid", account.sid), ("From", message.from_), ("To", message.to), ("Body", message.text)]
    if media:
        fields.append(("NumMedia", str(len(media))))
        for index, picture in enumerate(media):
            fields += [(f"MediaUrl{index}", picture.url), (f"MediaContentType{index}", picture.content_type)]
    for _ in range(times):
        result = await world.hooks.make(call("inbound", target[1], target[0], fields))
        problem = _judge(world, account, message, result)
        if problem and number.sms_fallback_url:
            result = await world.hooks.make(call("fallback", number.sms_fallback_method, number.sms_fallback_url, fields))
            problem = _judge(world, account, message, result)
        if not problem:
            for wanted in _replies(world, account, message, result.body):
                reply(account, wanted)


def _target(account: Account, number: Number) -> tuple[str, str] | None:
    """An application wins over the number's own URL (carriers.md §1.4)."""
    app = account.applications.get(number.sms_application_sid or "")
    if app is not None and app.rcml_url:
        return app.rcml_url, "POST"
    return (number.sms_url, number.sms_method) if number.sms_url else None


def _judge(world: World, account: Account, message: Message, result: Result) -> bool:
    """Whether the hook counts as failed; each kind of trouble leaves its notice (carriers.md §1.9)."""
    if result.status == 0:
        _notice(world, account, message, 11205, f"The SmsUrl could not be reached: {result.problem}")
        return True
    if not result.good():
        _notice(world, account, message, 11206, f"The SmsUrl answered {result.status}.")
        return True
    if result.content_type not in XML_TYPES:
        _notice(world, account, message, 12300, f"The SmsUrl answered with the type {result.content_type or 'none'}.")
        return True
    return False


def _notice(world: World, account: Account, message: Message, code: int, text: str) -> None:
    account.notices.append(Notice(world.clock(), code, text, message.to))
    world.changed("notice", carrier="restcomm")


def _replies(world: World, account: Account, message: Message, body: bytes) -> list[Reply]:
    """The `<Sms>` verbs of an RCML answer; other verbs and wrong fields leave notices."""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314, at most 64 KiB from the system under test; expat bounds entity expansion
    except ElementTree.ParseError:
        _notice(world, account, message, 12100, "The answer is not well-formed RCML.")
        return []
    found: list[Reply] = []
    for verb in root:
        from_, to = verb.get("from", message.to), verb.get("to", message.from_)
        if verb.tag != "Sms":
            _notice(world, account, message, 14110, f"The verb {verb.tag} is not allowed in a reply to a text.")
        elif account.find(from_) is None or not E164.fullmatch(to):
            _notice(world, account, message, 14102, "The reply's from or to is not valid.")
        elif not (verb.text or "").strip():
            _notice(world, account, message, 14103, "The reply has no text.")
        else:
            found.append(Reply(from_, to, (verb.text or "").strip(), verb.get("statusCallback")))
    return found
