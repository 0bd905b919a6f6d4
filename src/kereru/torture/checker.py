"""The judge: looks over the evidence and says in words what was promised and not kept. An empty list means clean.

Each rule names the guarantee of reliability.md §2 that it holds.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from kereru.torture.evidence import Evidence
from kereru.torture.folding import differences

_TAG = re.compile(r"^(in|out) .* from (\+\d+) to (\+\d+)$")
_QUEUED, _SENDING, _UNKNOWN = 1, 2, 8


def judge(evidence: Evidence) -> list[str]:
    """Everything that is wrong, worst first."""
    rules = (_texts_in, _receipts_in, _sends_kept, _handed_over_once, _nothing_silent, _unknown_listed, _final_states, _feeds, _clients, _tenants)
    return [*evidence.told, *(problem for rule in rules for problem in rule(evidence))]


def figures(evidence: Evidence) -> dict[str, int]:
    """How much was looked at."""
    statuses = Counter(row.status for row in evidence.messages if row.outbound)
    return {
        "texts_in": sum(1 for hook in evidence.webhooks if hook.state is None),
        "texts_in_answered": sum(1 for hook in evidence.webhooks if hook.state is None and hook.taken),
        "receipts_answered": sum(1 for hook in evidence.webhooks if hook.state is not None and hook.taken),
        "sends": sum(1 for entry in evidence.history if entry.what == "send" and entry.phase == "invoke"),
        "sends_unsure": sum(1 for entry in evidence.history if entry.what == "send" and entry.phase == "unknown"),
        "resends": sum(1 for entry in evidence.history if entry.what == "resend" and entry.phase == "invoke"),
        "hand_overs": len(evidence.hand_overs),
        "unknown": statuses[_UNKNOWN],
        "delivered": statuses[4],
        "changes": sum(len(numbers) for numbers in evidence.changes.values()),
        "misfortunes": sum(1 for entry in evidence.history if entry.who == "fate"),
    }


def _texts_in(evidence: Evidence) -> Iterator[str]:
    """G1: answered 2xx is there. G3: once, however often it was told."""
    there = Counter((row.carrier_id, row.e164) for row in evidence.messages if not row.outbound)
    texts = {(row.carrier_id, row.e164): row.text for row in evidence.messages if not row.outbound}
    for hook in dict.fromkeys(hook for hook in evidence.webhooks if hook.state is None):
        key = (hook.carrier_id, hook.to)
        if hook.taken and not there[key] and f"{hook.to} {hook.carrier_id}" not in evidence.quarantined:
            yield f"G1: {hook.carrier} was answered 2xx for {hook.carrier_id} ({hook.text!r}), which is nowhere"
        if there[key] and texts[key] != hook.text:
            yield f"G1: {hook.carrier_id} was {hook.text!r} and is kept as {texts[key]!r}"
    for (carrier_id, e164), count in there.items():
        if carrier_id is not None and count > 1:
            yield f"G3: {carrier_id} to {e164} is there {count} times"


def _receipts_in(evidence: Evidence) -> Iterator[str]:
    """G1, G20: a receipt answered 2xx is kept, whether or not it beat the answer to the send."""
    there = {(row.carrier, row.carrier_id, row.state) for row in evidence.receipts}
    for hook in dict.fromkeys(hook for hook in evidence.webhooks if hook.state is not None and hook.taken):
        if (hook.carrier, hook.carrier_id, hook.state) not in there:
            yield f"G20: {hook.carrier} was answered 2xx for the receipt {hook.state} of {hook.carrier_id}, which is nowhere"
    for row, count in Counter((row.platform_id, row.carrier_id, row.state) for row in evidence.receipts).items():
        if count > 1:
            yield f"G19: the receipt {row} is kept {count} times"


def _sends_kept(evidence: Evidence) -> Iterator[str]:
    """G9: one key is one message; what was answered 2xx is there; what was refused is not."""
    there = Counter(row.text for row in evidence.messages if row.outbound)
    last: dict[object, tuple[str, str]] = {}
    for entry in evidence.history:
        if entry.what == "send":
            last[entry.facts["key"]] = (entry.phase, str(entry.facts["text"]))
    for key, (phase, text) in last.items():
        if phase == "ok" and there[text] != 1:
            yield f"G9: {key} was accepted and is there {there[text]} times ({text!r})"
        if phase == "fail" and there[text]:
            yield f"G9: {key} was refused and is there ({text!r})"
        if there[text] > 1:
            yield f"G9: {key} is there {there[text]} times ({text!r})"


def _handed_over_once(evidence: Evidence) -> Iterator[str]:
    """G10: at most one hand-over an attempt that did not surely fail; nothing reaches a carrier that nobody sent."""
    allowed = {row.text: evidence.attempts.get(row.id, 0) for row in evidence.messages if row.outbound}
    tried: dict[str, list[bool]] = defaultdict(list)
    for one in evidence.hand_overs:
        tried[one.text].append(one.surely_failed)
        tag = _TAG.match(one.text)
        if tag and (one.from_, one.to) != (tag[2], tag[3]):
            yield f"G21: {one.text!r} was handed over from {one.from_} to {one.to}"
    for text, failed in tried.items():
        if text not in allowed:
            yield f"G10: {text!r} reached a carrier and is in no conversation"
        elif failed.count(False) > allowed[text]:
            yield f"G10: {text!r} was handed over {failed.count(False)} times in {allowed[text]} attempts"


def _nothing_silent(evidence: Evidence) -> Iterator[str]:
    """G12: nothing stays queued or sending past its deadline."""
    for row in evidence.messages:
        if row.outbound and row.status in (_QUEUED, _SENDING):
            yield f"G12: {row.text!r} is still {'queued' if row.status == _QUEUED else 'sending'}"


def _unknown_listed(evidence: Evidence) -> Iterator[str]:
    """G11: what nobody can tell is shown to its owner as unknown."""
    owners = {e164: name for name, numbers in evidence.numbers.items() for e164 in numbers}
    for row in evidence.messages:
        if row.outbound and row.status == _UNKNOWN and row.e164 in owners:
            fetched = evidence.held[owners[row.e164]][1]
            shown = next((message["status"] for message in fetched.messages.values() if message["text"] == row.text), "nothing")
            if shown != "unknown":
                yield f"G11: {row.text!r} is unknown and shown as {shown}"


def _final_states(evidence: Evidence) -> Iterator[str]:
    """G19: a part's status is what its hand-over and the set of its receipts say."""
    receipts: dict[tuple[int, int, str], set[int]] = defaultdict(set)
    for row in evidence.receipts:
        receipts[row.provider_id, row.platform_id, row.carrier_id].add(row.state)
    for part in evidence.parts:
        states = receipts[part.provider_id, part.platform_id, part.carrier_id] if part.carrier_id else set[int]()
        wanted = part_status(part.handover, states)
        if part.status != wanted:
            yield f"G19: part {part.message_id}-{part.attempt}-{part.part} is {part.status}, its receipts {sorted(states)} say {wanted}"


def part_status(handover: int, receipts: set[int]) -> int:
    """The rule of design §6 said once more, not taken from the database: delivered wins, then the worst, then what the hand-over says."""
    for state in (4, 6, 5, 7):
        if state in receipts:
            return state
    if handover == 4:
        return 6
    if 3 in receipts or (receipts & {1, 2} and handover in (2, 5)):
        return 3
    if 8 in receipts:
        return 8
    return {1: 1, 2: 2, 3: 3, 5: 8}[handover]


def _feeds(evidence: Evidence) -> Iterator[str]:
    """G23: numbers without a gap up to the head."""
    for feed in evidence.feeds:
        numbers = list(evidence.changes.get(feed.id, ()))
        if numbers != list(range(1, feed.head + 1)):
            yield f"G23: feed {feed.id} stands at {feed.head} and holds {len(numbers)} changes"


def _clients(evidence: Evidence) -> Iterator[str]:
    """G22, G24: what each client folded equals what it fetches anew."""
    for name, (folded, fetched) in evidence.held.items():
        for difference in differences(folded, fetched):
            yield f"G22: {name}: {difference}"


def _tenants(evidence: Evidence) -> Iterator[str]:
    """G21: a text stands under the number it was for, and is shown to that number's owner only."""
    for row in evidence.messages:
        tag = _TAG.match(row.text)
        if tag:
            ours, remote = (tag[2], tag[3]) if tag[1] == "out" else (tag[3], tag[2])
            if (row.e164, row.remote) != (ours, remote):
                yield f"G21: {row.text!r} stands under {row.e164} with {row.remote}"
    for name, (folded, _) in evidence.held.items():
        for message in folded.messages.values():
            tag = _TAG.match(message["text"])
            if tag and (tag[2] if tag[1] == "out" else tag[3]) not in evidence.numbers[name]:
                yield f"G21: {name} was shown {message['text']!r}"
