"""What of MLflow's error is fit for a condition: its own sentence, without SQL, parameters, values and credentials. Pure.

MLflow passes on what its database library says, and that ends with the statement and all it was to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

LIMIT = 300
TELLING = 8
"""A value of fewer characters tells little, and would be found in many a word."""

_TITLE = re.compile(r"<title>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_STATEMENT = re.compile(r"\[(?:SQL|parameters):|\(Background on this error")
_INVALID = re.compile(r"Invalid value (.*) for parameter '([^']*)'", re.DOTALL)
_QUOTED = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
_VALUES = (
    re.compile(rf"(value'?\s*[=:]\s*|new value\s+){_QUOTED}"),
    re.compile(rf"(Duplicate entry\s+){_QUOTED}"),
    re.compile(rf"(invalid input syntax for [^:]*:\s*){_QUOTED}"),
)
_CREDENTIALS = re.compile(r"://[^/@\s]+@")


def own_sentence(message: str, body: Any = None) -> str:
    """The first line that says something. `body`: what was sent; its values are left out wherever they stand."""
    title = _TITLE.search(message)
    told = title.group(1) if title else message
    told = _INVALID.sub(_without_value, told)
    # Before the line is cut: of a value on several lines the first would be left.
    for value in sorted(_values_of(body), key=len, reverse=True):
        told = told.replace(value, "…")
    told = _STATEMENT.split(told)[0]
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    if not lines:
        return ""
    line = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    for values in _VALUES:
        line = values.sub(r"\1…", line)
    return _CREDENTIALS.sub("://…@", line)[:LIMIT]


def _without_value(found: re.Match[str]) -> str:
    """Names stay: a person must know which one MLflow does not take."""
    value, parameter = found.groups()
    name = parameter.rsplit(".", 1)[-1] in ("name", "key", "alias")
    return (
        f"Invalid value {value} for parameter '{parameter}'" if name else f"Invalid value for parameter '{parameter}'"
    )


def _values_of(body: Any) -> Iterator[str]:
    """The values of tags and parameters that were sent."""
    if isinstance(body, list):
        for item in body:
            yield from _values_of(item)
    elif isinstance(body, dict):
        for key, item in body.items():
            if key == "value" and isinstance(item, str):
                if len(item) >= TELLING:
                    yield item
            else:
                yield from _values_of(item)
