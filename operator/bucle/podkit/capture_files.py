"""Captured answers and feedback as Parquet: typed columns in, one object in the store out.

May know pyarrow, the capture contract and the store's layout; knows nothing of HTTP or threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from bucle.contracts import capture
from bucle.contracts.table import Column
from bucle.podkit.frames import ARROW, WrongValues, is_text, typed

_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "list<float64>": pa.list_(pa.float64()),
    "timestamp[us, UTC]": pa.timestamp("us", tz="UTC"),
}
CAPTURE_ARROW = {name: _TYPES[word] for name, word in capture.CAPTURE_TYPES.items()}
FEEDBACK_ARROW = {name: _TYPES[word] for name, word in capture.FEEDBACK_TYPES.items()}


@dataclass(frozen=True, slots=True)
class Captured:
    """One answered request of n rows. `columns` are the request's own, by name, each with n JSON values."""

    id: str
    request_id: str | None
    received: datetime
    role: str
    revision: str
    latency_ms: float
    rows: int
    columns: Mapping[str, Sequence[Any]]
    labels: Sequence[str] | None = None
    numbers: Sequence[float] | None = None
    scores: Sequence[Sequence[float]] | None = None


def capture_table(entries: Sequence[Captured], columns: Sequence[Column], dropped: int = 0) -> pa.Table:
    """Rows of all entries: our columns, then those of `columns` that any request had. Values that do not fit are null."""
    ours: dict[str, list[Any]] = {name: [] for name in CAPTURE_ARROW}
    for entry in entries:
        _append(ours, entry)
    arrays = [pa.array(ours[name], type_) for name, type_ in CAPTURE_ARROW.items()]
    fields = [pa.field(name, type_) for name, type_ in CAPTURE_ARROW.items()]
    for column in columns:
        if any(column.name in entry.columns for entry in entries):
            values = [v for e in entries for v in (e.columns.get(column.name) or [None] * e.rows)]
            arrays.append(lenient(values, column))
            fields.append(pa.field(column.name, ARROW[column.type]))
    metadata = {capture.DROPPED_KEY: str(dropped).encode()}
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata))


def lenient(values: list[Any], column: Column) -> pa.Array:
    """The typed column, with null for each value that does not fit: a caller's slip must not cost the other rows."""
    try:
        return typed(_plain(values), column.type)
    except (WrongValues, pa.ArrowException, OverflowError):
        return pa.concat_arrays([_one(value, column) for value in values])


def capture_uri(location: str, revision: str, hour: datetime, file: str) -> str:
    return f"{location}/capture/version={revision}/date={hour:%Y-%m-%d}/hour={hour:%H}/{file}.parquet"


def feedback_uri(location: str, hour: datetime, file: str) -> str:
    return f"{location}/feedback/date={hour:%Y-%m-%d}/hour={hour:%H}/{file}.parquet"


def hour_of(entry: Captured) -> datetime:
    """The hour (UTC) in which the request was received."""
    return entry.received.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def feedback_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=pa.schema(list(FEEDBACK_ARROW.items())))


def _append(ours: dict[str, list[Any]], entry: Captured) -> None:
    n = entry.rows
    nothing: list[Any] = [None] * n
    ours[capture.ID] += [entry.id] * n
    ours[capture.ROW] += range(n)
    ours[capture.REQUEST_ID] += [entry.request_id] * n
    ours[capture.RECEIVED] += [entry.received] * n
    ours[capture.ROLE] += [entry.role] * n
    ours[capture.REVISION] += [entry.revision] * n
    ours[capture.STATUS] += [200] * n
    ours[capture.LATENCY_MS] += [entry.latency_ms] * n
    # extend, not +=: answers come as arrays, with which a sum is arithmetic.
    ours[capture.LABEL].extend(nothing if entry.labels is None else entry.labels)
    ours[capture.NUMBER].extend(nothing if entry.numbers is None else entry.numbers)
    ours[capture.SCORES].extend(nothing if entry.scores is None else entry.scores)


def _plain(values: list[Any]) -> pa.Array:
    return pa.array(values, from_pandas=True)


def _one(value: Any, column: Column) -> pa.Array:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        # JSON has integers that Arrow has not; the model was given them as a number or a text.
        value = str(value) if is_text(column) else float(value)
    try:
        return typed(_plain([value]), column.type)
    except (WrongValues, pa.ArrowException, OverflowError):
        return pa.nulls(1, ARROW[column.type])
