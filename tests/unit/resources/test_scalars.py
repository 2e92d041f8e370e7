"""Durations, quantities, decimals, times and names: what is taken, what is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bucle.resources import parse_duration
from bucle.resources.base import (
    MESSAGE_LIMIT,
    AliasName,
    Arguments,
    ColumnName,
    DecimalString,
    Duration,
    ObjectName,
    Quantity,
    Setting,
    StoreUri,
    Text,
    TimeLimit,
    Timestamp,
    TimeZone,
    Turn,
    Whole,
    wire_name,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0s", timedelta(0)),
        ("500ms", timedelta(milliseconds=500)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("0.0001s", timedelta(microseconds=100)),
        ("168h", timedelta(days=7)),
    ],
)
def test_a_go_duration_is_read(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "5", "1d", "-1s", "1 h", "h", "1.s", "1e3s", "1s\n", "PT1H"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        parse_duration(text)


@given(st.integers(0, 999_999), st.integers(0, 59), st.integers(0, 59))
def test_durations_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == timedelta(hours=hours, minutes=minutes, seconds=seconds)


@pytest.mark.parametrize(
    ("kind", "value", "good"),
    [
        (DecimalString, "0.05", True),
        (DecimalString, "-1e-9", True),
        (DecimalString, ".5", False),
        (DecimalString, "NaN", False),
        (DecimalString, "1e9999", False),
        (DecimalString, 0.05, False),
        (Duration, "10m", True),
        (Duration, "1d", False),
        (ObjectName, "a" * 38, True),
        (ObjectName, "a" * 39, False),
        (ObjectName, "a-", False),
        (ObjectName, "A", False),
        (ColumnName, "sepal length (cm)", True),
        (ColumnName, " padded", False),
        (ColumnName, "two\nlines", False),
        (StoreUri, "s3://bucle/raw/2013-0[12].parquet", True),
        (StoreUri, "file:///etc/passwd", False),
        (StoreUri, "s3:///key", False),
        (TimeZone, "America/Argentina/Buenos_Aires", True),
        (TimeZone, "Etc/GMT+3", True),
        (TimeZone, "../../etc/passwd", False),
        (Quantity, "500m", True),
        (Quantity, 1, True),
        (Quantity, 0.5, True),
        (Quantity, "1e3", True),
        (Quantity, "100n", True),
        (Quantity, True, False),
        (Quantity, -1, False),
        (Quantity, -0.5, False),
        (Quantity, "1e", False),
        (Quantity, "half", False),
        (Quantity, [], False),
        (Quantity, {}, False),
        (Setting, "-1e99", True),
        (Setting, "1e-99", True),
        (Setting, "1e308", False),
        (Setting, "-1e308", False),
        (TimeLimit, "1s", True),
        (TimeLimit, "87600h", True),
        (TimeLimit, "0s", False),
        (TimeLimit, "999ms", False),
        (TimeLimit, "999999h", False),
        (AliasName, "champion", True),
        (AliasName, "v1-candidate", True),
        (AliasName, "v1", False),
        (AliasName, "V22", False),
        (AliasName, "latest", False),
        (AliasName, "Latest", False),
        (Turn, 20_261_127, True),
        (Turn, 202_611_271_545, False),
        (Whole, -(2**53) + 1, True),
        (Whole, 2**53, False),
        (Timestamp, "2026-01-01T00:00:00Z", True),
        (Timestamp, "2026-01-01T00:00:00", False),
    ],
)
def test_scalars(kind: Any, value: Any, good: bool) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    if good:
        adapter.validate_python(value)
    else:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


@pytest.mark.parametrize(
    ("written", "read"), [(0.5, "0.5"), (2, "2"), (1e-07, "0.0000001"), (1e16, "10000000000000000"), ("500m", "500m")]
)
def test_half_a_core_may_be_written_as_kubernetes_takes_it(written: Any, read: str) -> None:
    assert TypeAdapter(Quantity).validate_python(written) == read


@pytest.mark.parametrize(
    ("text", "good"),
    [("[" * 32 + "]" * 32, True), ("[" * 33, False), ('{"a":' * 33 + "1" + "}" * 33, False), ("[[1],[2]]" * 90, True)],
)
def test_a_literal_that_nests_too_deep_is_refused_in_words(text: str, good: bool) -> None:
    adapter: TypeAdapter[dict[str, str]] = TypeAdapter(Arguments)
    if good:
        assert adapter.validate_python({"steps": text}) == {"steps": text}
    else:
        with pytest.raises(ValidationError, match="must not nest deeper than 32"):
            adapter.validate_python({"steps": text})


def test_times_are_utc_in_python_and_end_in_z_on_the_wire() -> None:
    adapter: TypeAdapter[datetime] = TypeAdapter(Timestamp)
    moment = adapter.validate_python("2026-01-01T02:00:00+02:00")
    assert moment.tzinfo is UTC
    assert adapter.dump_python(moment, mode="json") == "2026-01-01T00:00:00Z"


def test_a_long_message_is_cut_so_that_a_status_can_always_be_written() -> None:
    adapter: TypeAdapter[str] = TypeAdapter(Text)
    assert adapter.validate_python("x" * 10_000) == "x" * MESSAGE_LIMIT


@pytest.mark.parametrize(
    ("field", "expected"), [("max_trials", "maxTrials"), ("from_", "from"), ("schema_", "schema"), ("class_", "class")]
)
def test_names_on_the_wire(field: str, expected: str) -> None:
    assert wire_name(field) == expected
    assert re.fullmatch(r"[a-z][A-Za-z]*", expected)
