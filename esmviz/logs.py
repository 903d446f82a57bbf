"""What a server writes to its log: lines that no visitor can forge, and never the text of a foreign exception."""

from __future__ import annotations

import json
import logging
import secrets
import time
import traceback
from typing import Any, Literal

Format = Literal["plain", "json"]


def trace(error: BaseException) -> str:
    """Class and places of an exception. Its message is left out: it can quote a sequence."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{type(error).__name__}\n{frames}".rstrip()


class _Record(logging.LogRecord):
    """A record whose exception, if any, is told by ``trace`` whichever handler writes it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.exc_info, tuple) and self.exc_info[1] is not None:
            self.exc_text = trace(self.exc_info[1])  # formatters keep a text that is there


def unforeseen(logger: logging.Logger, error: BaseException) -> str:
    """Log an error that nobody foresaw; its reference number, for whoever met it."""
    reference = secrets.token_hex(4)
    logger.error("reference %s", reference, extra={"reference": reference, "trace": trace(error)})
    return reference


class PlainLines(logging.Formatter):
    """Time, level, logger, message, and a trace where there is one; a visitor's text cannot begin a line."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"{text}\n{record.trace}" if hasattr(record, "trace") else text

    def formatMessage(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        return f"{when} {record.levelname} {record.name}: {_in_one_line(record.message)}"


class JsonLines(logging.Formatter):
    """One JSON object a line, in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{when}.{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if hasattr(record, "reference"):
            line["reference"] = record.reference
        if told := getattr(record, "trace", record.exc_text):
            line["error"], _, line["trace"] = told.partition("\n")
        return json.dumps(line, ensure_ascii=True)


def configure(format: Format) -> logging.Handler:
    """Write every record of the process to stderr in this format; the handler, for loggers that keep their own."""
    logging.setLogRecordFactory(_Record)
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if format == "json" else PlainLines())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    logging.getLogger("esmviz").setLevel(logging.INFO if format == "json" else logging.WARNING)
    return handler


def _in_one_line(text: str) -> str:
    """Control characters as escapes.

    >>> _in_one_line("one\\n2026 ERROR forged")
    'one\\\\n2026 ERROR forged'
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )
