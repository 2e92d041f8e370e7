"""Columns and layout of the tables a server writes: captured predictions and feedback. Names only, no I/O.

`<deployment location>/capture/version=<revision>/date=YYYY-MM-DD/hour=HH/<writer>-<sequence>.parquet`
`<deployment location>/feedback/date=YYYY-MM-DD/hour=HH/<writer>-<sequence>.parquet`
A writer is one start of one pod, and counts its files. When it has many in one folder it merges them into
`<writer>-<first>_<last>.parquet` and removes them some minutes later: whoever lists a folder reads what `uncovered`
leaves, and every row once.
`<deployment location>/references/<revision>.json`: the Reference of the model that a revision serves, written before
its first answer, so that whoever reads the answers knows schema, classes and prior without the model.
Dates and hours are those of the received time in UTC. The request's own columns stand beside ours under
their own names with the types of the schema; ours carry the prefix `bucle_`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Literal

from pydantic import Field

from bucle.contracts.base import Document

ID = "bucle_id"
ROW = "bucle_row"
REQUEST_ID = "bucle_request_id"
RECEIVED = "bucle_received"
ROLE = "bucle_role"
REVISION = "bucle_revision"
STATUS = "bucle_status"
LATENCY_MS = "bucle_latency_ms"
LABEL = "bucle_label"
NUMBER = "bucle_number"
SCORES = "bucle_scores"
SOURCE = "source"
PREFIX = "bucle_"

CAPTURE_TYPES: dict[str, str] = {
    ID: "string",
    ROW: "int32",
    REQUEST_ID: "string",
    RECEIVED: "timestamp[us, UTC]",
    ROLE: "string",
    REVISION: "string",
    STATUS: "int16",
    LATENCY_MS: "float32",
    LABEL: "string",
    NUMBER: "float64",
    SCORES: "list<float64>",
}

FEEDBACK_TYPES: dict[str, str] = {
    "id": "string",
    "request_id": "string",
    "row": "int32",
    "label": "string",
    "label_time": "timestamp[us, UTC]",
    RECEIVED: "timestamp[us, UTC]",
    SOURCE: "string",
}

FEEDBACK_ROWS_LIMIT = 10_000

ROLL_SECONDS = 5.0
"""A server writes what it captured at least this often."""

SETTLED = timedelta(seconds=2 * ROLL_SECONDS)
"""What was received longer ago has been written by every server that could write: whoever reads all rows waits so long."""

ROLL_ROWS = 50_000

DROPPED_KEY = b"bucle_dropped"
"""Parquet schema metadata: rows this server had to drop since its file before this one."""


_FILE = re.compile(r"(?P<writer>[^/]+)-(?P<first>[0-9]{6,})(?:_(?P<last>[0-9]{6,}))?\.parquet")


def file_stem(writer: str, first: int, last: int | None = None) -> str:
    """The name, without `.parquet`, of a writer's file number `first`, or of the one that holds what stood in all from `first` to `last`."""
    return f"{writer}-{first:06d}" if last is None else f"{writer}-{first:06d}_{last:06d}"


def uncovered(uris: Iterable[str]) -> list[str]:
    """Files without those whose rows stand in a merged file of the same folder and writer as well, in the order given."""
    given = list(uris)
    spans = {uri: span for uri in given if (span := _span(uri)) is not None}
    widest: dict[str, list[tuple[int, int]]] = {}
    for writer, first, last in spans.values():
        if last > first:
            widest.setdefault(writer, []).append((first, last))
    return [uri for uri in given if uri not in spans or not _inside(spans[uri], widest.get(spans[uri][0], []))]


def _span(uri: str) -> tuple[str, int, int] | None:
    """Folder and writer, first and last number."""
    folder, _, name = uri.rpartition("/")
    found = _FILE.fullmatch(name)
    if found is None:
        return None
    first = int(found["first"])
    return f"{folder}/{found['writer']}", first, int(found["last"] or first)


def _inside(span: tuple[str, int, int], merged: Sequence[tuple[int, int]]) -> bool:
    _, first, last = span
    return any(low <= first and last <= high and (low, high) != (first, last) for low, high in merged)


def reference_path(location: str, revision: str) -> str:
    return f"{location}/references/{revision}.json"


def in_sample(id_: str, percent: int) -> bool:
    """Whether the answer with that id is kept: the same ids in every pod, revision and role."""
    return zlib.crc32(id_.encode()) % 100 < percent


class FeedbackRow(Document):
    """One true outcome. Either `id` (the value of the schema's Id column) or `request_id` with `row`."""

    model_config = Document.model_config | {"alias_generator": None}

    id: str | int | None = None
    request_id: str | None = None
    row: int = 0
    label: str | int | float | bool
    label_time: str | None = None


class FeedbackBody(Document):
    """POST /v1/models/{m}/feedback"""

    rows: tuple[FeedbackRow, ...] = Field(max_length=FEEDBACK_ROWS_LIMIT)


class Watermark(Document):
    """GET /v1/models/{m}/watermark of one server pod: what it has stored since it started."""

    started_at: str
    captured_rows: int
    feedback_rows: int
    dropped_rows: int


Role = Literal["stable", "candidate", "shadow"]
