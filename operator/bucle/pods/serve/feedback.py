"""True outcomes on their way to the store: committed in groups, acknowledged only after the put.

Knows the feedback contract, asyncio and a writer; knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import pyarrow as pa
from pydantic import ValidationError

from bucle.contracts import names
from bucle.contracts.capture import RECEIVED, SOURCE, FeedbackBody, FeedbackRow, file_stem
from bucle.contracts.row_rules import CLOCKS_DIFFER, ID_LIMIT, Fault, LabelContract, Refused, cell_of, text_of, time_of
from bucle.contracts.table import Column
from bucle.podkit.capture_files import feedback_table, feedback_uri
from bucle.pods.serve.bodies import BadRequest, shown
from bucle.pods.serve.compaction import Compactor, Written

TOLD = 3
"""So many mistakes of one body are told, the others counted."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,32}")
UNJOINABLE = "unjoinable"
"""The reason under which labels are counted that no reader could find an answer for."""
COMMIT_SECONDS = 0.25
"""How long a first row waits for others; with the put itself a caller waits less than a second."""


@dataclass(frozen=True, slots=True)
class LabelRules:
    """What a label and an id may be. `id`: the schema's Id column; without one rows are named by their request.
    `key`: `feedback.key`, by which labels are joined; by RequestId no id can be."""

    label: LabelContract
    id: Column | None
    key: Literal["Id", "RequestId"] = "Id"


class RefusedRows(BadRequest):
    """Feedback with rows that may not enter: none of the body is stored. `counts`: such rows by reason."""

    def __init__(self, told: Sequence[str], counts: Counter[str]) -> None:
        more = sum(counts.values()) - len(told)
        super().__init__(400, "; ".join(told) + (f"; and {more} more rows" if more else "") + ": no row was stored")
        self.counts = counts


def source_of(headers: Mapping[str, str]) -> str | None:
    """What the caller calls itself, None without a name; raises BadRequest."""
    source = headers.get(names.HEADER_SOURCE, "").strip()
    if len(source) > names.SOURCE_LIMIT or not re.fullmatch(names.SOURCE_PATTERN, source):
        raise BadRequest(
            400,
            f"{names.HEADER_SOURCE} must have at most {names.SOURCE_LIMIT} letters, digits, dots, dashes and underscores, "
            "and begin with a letter or digit",
            "malformed",
        )
    return source or None


def feedback_rows(body: bytes, rules: LabelRules, source: str | None = None) -> list[dict[str, Any]]:
    """The rows as they are stored, without their received time. Raises BadRequest with the path of each mistake."""
    try:
        rows = FeedbackBody.model_validate(orjson.loads(body)).rows
    except orjson.JSONDecodeError as error:
        raise BadRequest(400, f"the body is not JSON: {error}", "not_json") from error
    except ValidationError as error:
        many = any(found["type"] == "too_long" for found in error.errors())
        where = "; ".join(f"{shown('.'.join(map(str, e['loc'])))}: {e['msg']}" for e in error.errors()[:TOLD])
        raise BadRequest(413 if many else 400, where, "too_large" if many else "malformed") from error
    stored: list[dict[str, Any]] = []
    told: list[str] = []
    counts: Counter[str] = Counter()
    for at, row in enumerate(rows):
        try:
            stored.append(_stored(row, rules) | {SOURCE: source})
        except _WrongField as wrong:
            counts[wrong.reason] += 1
            if len(told) < TOLD:
                told.append(f"rows.{at}{wrong.message}")
    if counts:
        raise RefusedRows(told, counts)
    return stored


class _WrongField(Exception):
    """`message` follows the path of the row."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


def _stored(row: FeedbackRow, rules: LabelRules) -> dict[str, Any]:
    if (row.id is None) == (row.request_id is None):
        raise _WrongField(" must have exactly one of id and request_id", "malformed")
    if row.id is not None and rules.key == "RequestId":
        raise _WrongField(
            ".id cannot be joined: the ModelDeployment's feedback.key is RequestId: send request_id and row", UNJOINABLE
        )
    if not 0 <= row.row < 2**31:
        raise _WrongField(".row must be the index of a row, from 0", Fault.OUT_OF_RANGE)
    if row.request_id is not None and not 0 < len(row.request_id) <= ID_LIMIT:
        raise _WrongField(f".request_id must have 1 to {ID_LIMIT} characters", Fault.TOO_LONG)
    return {
        "id": None if row.id is None else _judged(".id", _id_text, row.id, rules.id),
        "request_id": row.request_id,
        "row": row.row,
        "label": _judged(".label", rules.label.text, row.label),
        "label_time": None if row.label_time is None else _judged(".label_time", _past, row.label_time),
    }


def _judged(name: str, rule: Callable[..., Any], *given: Any) -> Any:
    try:
        return rule(*given)
    except Refused as refused:
        raise _WrongField(f"{name} {refused.problem}", refused.fault) from refused


def _past(value: str) -> datetime:
    """No outcome is known before it comes: of two labels the one of a wrong clock must not be the last for ever."""
    found = time_of(value)
    if found > datetime.now(UTC) + CLOCKS_DIFFER:
        raise Refused(Fault.IN_FUTURE, "must not lie in the future")
    return found


def _id_text(value: str | int, column: Column | None) -> str:
    """The id as the captured column is compared as text."""
    if column is None:
        raise Refused(Fault.MISSING, "names no column: the schema has none of role Id, use request_id and row")
    if column.type == "Integer" and isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    return text_of(cell_of(column, value))


@dataclass
class _Group:
    rows: list[dict[str, Any]] = field(default_factory=list)
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class FeedbackLog:
    """`put(uri, table)` runs in its own thread and raises when the store fails."""

    def __init__(self, location: str, writer: str, put: Callable[[str, pa.Table], None], compactor: Compactor) -> None:
        self._location = location
        self._writer = writer
        self._put = put
        self._compactor = compactor
        self._group: _Group | None = None
        self._sequence = 0
        self._commits: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feedback")
        self.stored_rows = 0

    async def append(self, rows: list[dict[str, Any]]) -> None:
        """Returns after the put of the group these rows went into; raises what the put raised."""
        if not rows:
            return
        if self._group is None:
            self._group = _Group()
            task = asyncio.create_task(self._commit(self._group))
            self._commits.add(task)
            task.add_done_callback(self._commits.discard)
        group = self._group
        group.rows += rows
        # Shielded: a caller that hangs up must not take the group of the others with it.
        await asyncio.shield(group.done)

    async def close(self, seconds: float) -> None:
        """Waits for commits under way, at most so many seconds: who was not told by then sends its rows again."""
        if self._commits:
            await asyncio.wait(set(self._commits), timeout=seconds)
        self._thread.shutdown(wait=False)

    async def _commit(self, group: _Group) -> None:
        await asyncio.sleep(COMMIT_SECONDS)
        self._group = None
        # Stamped when the group is closed: a reader that waits two rolls cannot miss a row that was stamped before.
        now = datetime.now(UTC)
        self._sequence += 1
        sequence = self._sequence
        uri = feedback_uri(self._location, now, file_stem(self._writer, sequence))
        try:
            table = feedback_table([row | {RECEIVED: now} for row in group.rows])
            await asyncio.get_running_loop().run_in_executor(self._thread, self._put, uri, table)
            hour = now.replace(minute=0, second=0, microsecond=0)
            written = Written(sequence, sequence, table.num_rows, table.nbytes)
            self._compactor.wrote(uri.rpartition("/")[0], hour, written)
        except Exception as error:  # noqa: BLE001 whatever went wrong, every caller of the group must be told
            group.done.set_exception(error)
            group.done.exception()  # marks it as seen: all callers may have hung up
        else:
            self.stored_rows += len(group.rows)
            group.done.set_result(None)
