"""Structured logs: one JSON object a line on standard error, redacted by key and by type (G33: no bodies, no secrets, numbers masked)."""

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from kereru.kernel.secrets import MASK, Secret

_SECRET_KEY = re.compile(r"password|secret|token|api_?key|authorization|cookie|credential|private", re.IGNORECASE)
_BODY_KEY = re.compile(r"^(text|body|html|message_text)$", re.IGNORECASE)
_NUMBER = re.compile(r"\+\d{7,15}\b")
# PostgreSQL tells the row, and the data it was reading, after these words; how long they go on, a stranger's text decides.
_ROW = re.compile(r"(?:\n|\\n)(?:DETAIL|CONTEXT):.*?(?=\n\n(?:During handling|The above)|\Z)", re.DOTALL)
_CONTROL = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def mask_number(number: str) -> str:
    """A phone number with all but its first three and last two digits hidden."""
    return number[:4] + "…" + number[-2:] if len(number) > 7 else number


def redact(value: object) -> object:
    """`value` without what logs must not hold."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, str):
        return _NUMBER.sub(lambda match: mask_number(match.group()), _ROW.sub("", value))
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        return {key: MASK if _SECRET_KEY.search(str(key)) or _BODY_KEY.match(str(key)) else redact(item) for key, item in entries.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in cast("list[object]", value)]
    return value


def _redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return cast("MutableMapping[str, Any]", redact(dict(event)))


def _render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """One line of JSON. JSON itself escapes control characters only up to U+001F; terminals obey others too (bad inputs 13 and 21)."""
    line = json.dumps(event, ensure_ascii=False, default=str)
    return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", line)


class _Bridge(logging.Handler):
    """Libraries that log by the standard library speak through us, in the same form and redacted alike."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger(source=record.name).log(record.levelno, record.getMessage())


class _StandardError:
    """Standard error as it is at each write: it may be redirected while we run (the demo's log file, tests)."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(level: str = "info", *, process: str = "", stream: Any = None) -> None:
    """Set logging up for this process. `process` names it in every line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            _redact_event,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=stream or cast("TextIO", _StandardError())),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Bridge()], level=logging.WARNING, force=True)
    if process:
        structlog.contextvars.bind_contextvars(process=process)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry `name` as their source."""
    return structlog.get_logger(source=name)
