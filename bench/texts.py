"""Texts as Restcomm's webhooks bring them, and the same texts as the batch function takes them."""

import random
from collections import deque
from collections.abc import Sequence
from urllib.parse import quote_plus

from bench.world import ACCOUNT, Company

KIND = "application/x-www-form-urlencoded; charset=utf-8"
_WORDS = "the order is ready can you come by before six today thanks see you then call me when you are at the door".split()


class Texts:
    """An endless row of texts to random people from random strangers; a part of them come twice."""

    def __init__(self, company: Company, seed: int, *, doubles: float = 0.02, prefix: str = "SM") -> None:
        self.company = company
        self._dice = random.Random(seed)  # noqa: S311 - repeatable, guards nothing
        self._doubles = doubles
        self._prefix = f"{prefix}{seed:06x}"
        self._number = 0
        self._late: deque[tuple[str, str, str, str]] = deque(maxlen=500)
        self.distinct: list[str] = []

    def next(self) -> tuple[str, str, str, str]:
        """(carrier id, to, from, text)."""
        if self._late and self._dice.random() < self._doubles:
            return self._late[self._dice.randrange(len(self._late))]
        self._number += 1
        cid = f"{self._prefix}{self._number:024x}"
        to = self._dice.choice(self.company.people).e164
        remote = f"+1{self._dice.randrange(200, 999)}55501{self._dice.randrange(100):02}"
        text = " ".join(self._dice.choices(_WORDS, k=self._dice.randrange(4, 20)))
        made = (cid, to, remote, text)
        self._late.append(made)
        self.distinct.append(cid)
        return made


def form(made: tuple[str, str, str, str]) -> bytes:
    """The body of an inbound webhook (carriers.md §1.9)."""
    cid, to, remote, text = made
    return f"SmsSid={cid}&AccountSid={ACCOUNT}&From={quote_plus(remote)}&To={quote_plus(to)}&Body={quote_plus(text)}".encode()


def webhook(company: Company, port: int, made: tuple[str, str, str, str]) -> bytes:
    """A whole request."""
    return _head(company, port, "in", body := form(made)) + body


def receipt_webhook(company: Company, port: int, part: int, cid: str, state: str) -> bytes:
    """A status callback for one of our parts (carriers.md §1.10)."""
    body = f"MessageSid={cid}&MessageStatus={state}&AccountSid={ACCOUNT}".encode()
    return _head(company, port, f"status/{part}", body) + body


def _head(company: Company, port: int, tail: str, body: bytes) -> bytes:
    lines = (
        f"POST /ingress/restcomm/{company.token}/{tail} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: Restcomm\r\nAccept: */*\r\n"
        f"Content-Type: {KIND}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return lines.encode()


def item(company: Company, made: tuple[str, str, str, str]) -> dict[str, object]:
    """The text as `ingest_texts` takes it, with the raw exchange as the ingress would have written it."""
    cid, to, remote, text = made
    body = form(made)
    raw = (
        f"POST /ingress/restcomm/•••/in\nhost: localhost:8080\nuser-agent: Restcomm\naccept: */*\ncontent-type: {KIND}\n"
        f"content-length: {len(body)}\n\n{body.decode()}"
    )
    return {
        "provider": company.provider_id, "platform": company.platform_id, "to": to, "remote": remote, "cid": cid, "text": text,
        "consent": None, "raw": raw, "request": "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f",
    }  # fmt: skip


def batches(company: Company, texts: Texts, count: int, size: int) -> Sequence[list[dict[str, object]]]:
    """`count` batches of `size` items."""
    return [[item(company, texts.next()) for _ in range(size)] for _ in range(count)]
