"""One JSON object per line for machines, one readable line for people. Knows the standard library's logging only."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    """Every `extra=` of a record becomes a field of its own."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in _STANDARD},
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


class TextLines(logging.Formatter):
    """The same fields, appended as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{k}={v}" for k, v in vars(record).items() if k not in _STANDARD and v not in ("", None))
        return f"{super().format(record)} {extra}".rstrip()


def configure(log_format: str) -> None:
    """Logs to standard output. Libraries speak only from WARNING on; kopf's per-event chatter is not ours to print."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        JsonLines() if log_format == "json" else TextLines("%(asctime)s %(levelname)-7s %(name)s %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("bucle").setLevel(logging.INFO)
