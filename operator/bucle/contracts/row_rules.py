"""What a row and a label are, the same for everybody who takes one in: servers, builds, judges, evaluations.

Values are judged where they enter: whatever these functions let pass can be carried by JSON, by Parquet and by
NumPy, and can break no batch, window or Dataset later. A rule of a column stands here for one value, in
`podkit.table_check` for whole tables, and in `podkit.request_check` for the many values of a request. Problems name
columns, rules and classes, never the values of a caller: they can be personal data. Standard library only.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

from bucle.contracts.metrics import TaskName
from bucle.contracts.table import Column

_Number = TypeVar("_Number", int, float)
Cell: TypeAlias = int | float | bool | str | datetime

INTEGER_LOWEST, INTEGER_HIGHEST = -(2**63), 2**63 - 1
"""What a 64-bit column of Parquet can hold; JSON has more."""
EXACT_FLOATS_END = 2**53
"""Above this a JSON reader that makes a float of a whole number has lost digits."""
TIME_FROM, TIME_BEFORE = datetime(1678, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)
"""What 64 bits of nanoseconds hold, and a day of every time zone to spare."""
DATED_AHEAD = timedelta(days=366)
"""A row is dated wrongly when its time lies so far after its receipt: it is answered, counted, and never trained on."""
CLOCKS_DIFFER = timedelta(hours=1)
"""What a clock of a caller or of another pod may show beside ours."""
NUMBER_LABEL_LIMIT = 1e60
"""|label| and |prediction| of a Regression stay below: squares of squared errors, summed, are still finite."""
ID_LIMIT = 512
"""Characters of an id."""
CLASSES_NAMED = 20

_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_EXPONENT = re.compile(r"-?[0-9](?:\.[0-9]+)?[eE][+-][0-9]{1,2}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class Fault(StrEnum):
    """Why a value is refused or its row set aside; the closed list by which they are counted."""

    MISSING = "missing"
    NULL = "null"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    NOT_A_TIME = "not_a_time"
    IN_FUTURE = "in_future"
    UNKNOWN_CATEGORY = "unknown_category"
    NOT_A_CLASS = "not_a_class"
    TOO_LONG = "too_long"


class Refused(ValueError):
    """A value that may not enter. `problem` continues "column x …" or "label …" and may be shown to the sender."""

    def __init__(self, fault: Fault, problem: str) -> None:
        super().__init__(problem)
        self.fault = fault
        self.problem = problem


def text_of(value: Any) -> str:
    """The one text of a scalar: 1, 1.0 and Decimal("1.00") are "1", True is "true", 0.50 is "0.5"."""
    value = value.item() if hasattr(value, "item") else value  # a scalar of NumPy
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(float(value))
    if isinstance(value, Decimal):
        return _decimal_text(value)
    return str(value)


def category_text(value: Any) -> str:
    """The one text of a category or class: as `text_of`, and a text that is a decimal number alone is that number.

    A text file cannot say which it is: integers with one empty cell are written as 1.0, 2.0, … by many programs, and
    1.50 of a database is 1.5 elsewhere. A number with zeros in front, as codes have them, stays as it is.
    """
    text = text_of(value)
    if text in ("True", "False"):  # as Python writes a boolean
        return text.lower()
    if not text.isascii():
        return unicodedata.normalize("NFC", text)
    if _DECIMAL.fullmatch(text):
        return _decimal_text(Decimal(text))
    return text_of(float(text)) if _EXPONENT.fullmatch(text) else text


def time_of(value: Any) -> datetime:
    """An ISO 8601 time in UTC; one without an offset is UTC. Raises Refused: a number may be seconds or milliseconds."""
    if isinstance(value, str):
        try:
            # Digits alone may be seconds, milliseconds or a date without its dashes.
            found: datetime | None = None if value.strip().isdigit() else datetime.fromisoformat(value.strip())
        except ValueError:
            found = None
    else:
        found = value if isinstance(value, datetime) else None
    if found is None:
        raise Refused(Fault.NOT_A_TIME, "must be an ISO 8601 time such as 2026-01-31T09:00:00Z")
    try:
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        found = datetime.min.replace(tzinfo=UTC)
    if not TIME_FROM <= found < TIME_BEFORE:
        raise Refused(Fault.OUT_OF_RANGE, f"must be a time from {TIME_FROM.year} to {TIME_BEFORE.year - 1}")
    return found


def cell_of(column: Column, value: Any) -> Cell | None:
    """The value as the column's type holds it, None for a null; raises Refused.

    A null is refused for a Feature that must not be null. Of another role it passes: the model can answer without,
    and `required` says that the row is not one to train on.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        if column.nullable == "Never" and column.role == "Feature":
            raise Refused(Fault.NULL, "must not be null")
        return None
    match column.type:
        case "Timestamp":
            return time_of(value)
        case "Category" | "Text":
            return _text(column, value)
        case "Boolean":
            return _boolean(value)
        case "Integer":
            return _in_range(column, _integer(value))
        case _:
            return _in_range(column, _number(value))


def required(column: Column) -> bool:
    """Whether a row without a value of this column is no row to train on."""
    return column.nullable == "Never"


@dataclass(frozen=True)
class LabelContract:
    """What a label may be: one of the classes, or a bounded number. Without known classes any text is one."""

    task: TaskName
    classes: Sequence[str] = ()

    @cached_property
    def _by_spelling(self) -> dict[str, str]:
        spelt: dict[str, list[str]] = {}
        for name in self.classes:
            spelt.setdefault(_spelling(name), []).append(name)
        # Two classes that differ in spelling alone are told apart by their spelling alone.
        return {spelling: names[0] for spelling, names in spelt.items() if len(names) == 1}

    @cached_property
    def _by_truth(self) -> dict[bool, str]:
        """For two classes that say true and false in some way."""
        found = {_TRUTHS[s]: name for name in self.classes if (s := _spelling(name)) in _TRUTHS}
        return found if len(found) == len(self.classes) == 2 else {}

    def text(self, value: Any) -> str:
        """The class as the model spells it, or the number as text; raises Refused with what would be right."""
        if self.task == "Regression":
            return text_of(_label_number(value))
        if not isinstance(value, (str, int, float, bool, Decimal)) or not category_text(value).strip():
            raise Refused(Fault.WRONG_TYPE, f"must be {self._wanted()}")
        if not self.classes:
            return category_text(value)
        spelling = _spelling(value)
        found = value if isinstance(value, str) and value in self.classes else self._by_spelling.get(spelling)
        if found is None and spelling in _TRUTHS:
            found = self._by_truth.get(_TRUTHS[spelling])
        if found is None:
            raise Refused(Fault.NOT_A_CLASS, f"must be {self._wanted()}")
        return found

    def _wanted(self) -> str:
        if not self.classes:
            return "a text, a number or a boolean"
        more = len(self.classes) - CLASSES_NAMED
        named = ", ".join(self.classes[:CLASSES_NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"one of the classes {named}"


_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def _spelling(value: Any) -> str:
    """What two ways of writing one class have in common: numbers by value, True and true alike."""
    text = category_text(value).strip()
    if text.casefold() in ("true", "false"):
        return text.casefold()
    if _NUMBER.fullmatch(text) and len(text) <= 40:
        number = float(text)
        if math.isfinite(number) and abs(number) < EXACT_FLOATS_END:
            return text_of(number + 0.0)
    return text


def _label_number(value: object) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise Refused(Fault.WRONG_TYPE, "must be a number")
    number = _float(value)
    if not abs(number) < NUMBER_LABEL_LIMIT:
        limit = f"{NUMBER_LABEL_LIMIT:g}"
        raise Refused(Fault.OUT_OF_RANGE, f"must be a finite number between -{limit} and {limit}")
    return number


def _text(column: Column, value: Any) -> str:
    if not isinstance(value, (str, bool, int, float, Decimal)):
        raise Refused(Fault.WRONG_TYPE, "must be a text")
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused(Fault.WRONG_TYPE, "must be a text")
    if column.role == "Id" and isinstance(value, float) and abs(value) >= EXACT_FLOATS_END:
        raise Refused(Fault.OUT_OF_RANGE, "must be sent as a text: a number of this size loses digits in JSON")
    text = category_text(value) if column.type == "Category" else text_of(value)
    if column.role == "Id" and not 0 < len(text) <= ID_LIMIT:
        raise Refused(Fault.TOO_LONG, f"must have 1 to {ID_LIMIT} characters")
    return text


def _boolean(value: Any) -> bool:
    if isinstance(value, (bool, int, float)) and value in (0, 1):
        return bool(value)
    raise Refused(Fault.WRONG_TYPE, "must be true or false")


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused(Fault.WRONG_TYPE, "must be a whole number")
    if isinstance(value, float):
        if not value.is_integer():
            raise Refused(Fault.WRONG_TYPE, "must be a whole number")
        if abs(value) >= EXACT_FLOATS_END:
            raise Refused(Fault.OUT_OF_RANGE, "must fit into 64 bits")
    if not INTEGER_LOWEST <= value <= INTEGER_HIGHEST:
        raise Refused(Fault.OUT_OF_RANGE, "must fit into 64 bits")
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused(Fault.WRONG_TYPE, "must be a number")
    number = _float(value)
    if not math.isfinite(number):
        raise Refused(Fault.OUT_OF_RANGE, "must be finite")
    return number


def _float(value: float | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _in_range(column: Column, value: _Number) -> _Number:
    if column.minimum is not None and value < float(column.minimum):
        raise Refused(Fault.OUT_OF_RANGE, f"must be at least {column.minimum}")
    if column.maximum is not None and value > float(column.maximum):
        raise Refused(Fault.OUT_OF_RANGE, f"must be at most {column.maximum}")
    if column.role == "Weight" and value < 0:
        raise Refused(Fault.OUT_OF_RANGE, "must not be negative: it is a weight")
    return value


def _decimal_text(value: Decimal) -> str:
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value():
        # Not by way of int, which refuses to be written down with more than 4,300 digits.
        text = format(value, "f").partition(".")[0]
        return "0" if text == "-0" else text
    number = float(value)
    return str(number) if Decimal(repr(number)) == value else format(value.normalize(), "f")
