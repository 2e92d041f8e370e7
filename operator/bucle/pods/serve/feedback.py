"""True outcomes on their way to the store: committed in groups, acknowledged only after the put.

Knows the feedback contract, asyncio and a writer; knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa
from pydantic import ValidationError

from bucle.contracts.capture import RECEIVED, FeedbackBody, FeedbackRow
from bucle.podkit.capture_files import feedback_table, feedback_uri
from bucle.podkit.frames import label_text
from bucle.pods.serve.protocol import BadRequest

COMMIT_SECONDS = 0.25
"""How long a first row waits for others; with the put itself a caller waits less than a second."""


def feedback_rows(body: bytes) -> list[dict[str, Any]]:
    """The rows as they are stored, without their received time. Raises BadRequest with the path of each mistake."""
    try:
        rows = FeedbackBody.model_validate(orjson.loads(body)).rows
    except orjson.JSONDecodeError as error:
        raise BadRequest(400, f"the body is not JSON: {error}") from error
    except ValidationError as error:
        many = any(found["type"] == "too_long" for found in error.errors())
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise BadRequest(413 if many else 400, where) from error
    return [_stored(row, at) for at, row in enumerate(rows)]


def _stored(row: FeedbackRow, at: int) -> dict[str, Any]:
    if (row.id is None) == (row.request_id is None):
        raise BadRequest(400, f"rows.{at} must have exactly one of id and request_id")
    if not 0 <= row.row < 2**31:
        raise BadRequest(400, f"rows.{at}.row must be the index of a row, from 0")
    return {
        "id": None if row.id is None else label_text(row.id),
        "request_id": row.request_id,
        "row": row.row,
        "label": label_text(row.label),
        "label_time": _time(row.label_time, at),
    }


def _time(text: str | None, at: int) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest(400, f"rows.{at}.label_time must be an ISO 8601 time") from error


@dataclass
class _Group:
    rows: list[dict[str, Any]] = field(default_factory=list)
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class FeedbackLog:
    """`put(uri, table)` runs in its own thread and raises when the store fails."""

    def __init__(self, location: str, writer: str, put: Callable[[str, pa.Table], None]) -> None:
        self._location = location
        self._writer = writer
        self._put = put
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

    async def close(self) -> None:
        """Waits for commits under way."""
        await asyncio.gather(*self._commits, return_exceptions=True)
        self._thread.shutdown(wait=True)

    async def _commit(self, group: _Group) -> None:
        await asyncio.sleep(COMMIT_SECONDS)
        self._group = None
        # Stamped when the group is closed: a reader that waits two rolls cannot miss a row that was stamped before.
        now = datetime.now(UTC)
        self._sequence += 1
        uri = feedback_uri(self._location, now, f"{self._writer}-{self._sequence:06d}")
        try:
            table = feedback_table([row | {RECEIVED: now} for row in group.rows])
            await asyncio.get_running_loop().run_in_executor(self._thread, self._put, uri, table)
        except Exception as error:  # noqa: BLE001 whatever went wrong, every caller of the group must be told
            group.done.set_exception(error)
            group.done.exception()  # marks it as seen: all callers may have hung up
        else:
            self.stored_rows += len(group.rows)
            group.done.set_result(None)
