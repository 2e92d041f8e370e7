"""A caller of the model: sends flights in time order as prediction requests, and their outcomes as feedback. Knows HTTP and flights only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp
import pandas as pd

FEATURES = ("carrier", "origin", "dest", "hour", "weekday", "distance", "flight_id", "time_hour")
DATATYPES = {"hour": "INT64", "weekday": "INT64", "distance": "INT64"}
IN_FLIGHT = 4
LABELS_PER_POST = 400
FEEDBACK_TRIES = 8


@dataclass
class Tally:
    """What a caller noticed. Feedback retries are the client's part of the contract (503 with Retry-After), not failures."""

    sent: int = 0
    failed: int = 0
    rows: int = 0
    feedback_sent: int = 0
    feedback_failed: int = 0
    feedback_retries: int = 0
    feedback_rows: int = 0
    seconds: float = 0.0
    by_revision: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def fail(self, what: str) -> None:
        self.failed += 1
        if len(self.failures) < 10:
            self.failures.append(what)


@dataclass
class Pace:
    """How fast the caller goes; changed from outside while it runs."""

    requests_per_second: float = 20.0
    rows: int = 10
    stopped: bool = False


class Replay:
    """Plays `frame` (time order, with `day` and `late`) until it ends or `pace.stopped`."""

    def __init__(self, address: str, model: str, frame: pd.DataFrame, pace: Pace) -> None:
        self.infer_url = f"{address}/v2/models/{model}/infer"
        self.feedback_url = f"{address}/v1/models/{model}/feedback"
        self.frame = frame
        self.pace = pace
        self.tally = Tally()
        self.day = ""
        self._labels: asyncio.Queue[dict[str, object] | None] = asyncio.Queue()

    async def run(self) -> Tally:
        """Returns when all flights were sent or the pace says stop; every answered flight's outcome was posted."""
        began = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            poster = asyncio.create_task(self._post_labels(session))
            await self._send_all(session)
            await self._labels.put(None)
            await poster
        self.tally.seconds = time.monotonic() - began
        return self.tally

    async def _send_all(self, session: aiohttp.ClientSession) -> None:
        slots = asyncio.Semaphore(IN_FLIGHT)
        running: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        for batch in self._batches():
            due = max(due + 1.0 / self.pace.requests_per_second, time.monotonic() - 0.5)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await slots.acquire()
            task = asyncio.create_task(self._send(session, batch))
            running.add(task)
            task.add_done_callback(running.discard)
            task.add_done_callback(lambda _: slots.release())
        await asyncio.gather(*running)

    def _batches(self) -> Iterator[pd.DataFrame]:
        position = 0
        while position < len(self.frame) and not self.pace.stopped:
            batch = self.frame.iloc[position : position + self.pace.rows]
            self.day = str(batch["day"].iloc[0])
            position += len(batch)
            yield batch

    async def _send(self, session: aiohttp.ClientSession, batch: pd.DataFrame) -> None:
        self.tally.sent += 1
        try:
            async with session.post(self.infer_url, json=_body(batch)) as answer:
                text = await answer.text()
                if answer.status != 200:
                    self.tally.fail(f"{answer.status} {text[:200]}")
                    return
                revision = answer.headers.get("x-bucle-revision", "?")
        except (aiohttp.ClientError, TimeoutError) as error:
            self.tally.fail(f"{type(error).__name__}: {error}")
            return
        self.tally.rows += len(batch)
        self.tally.by_revision[revision] = self.tally.by_revision.get(revision, 0) + len(batch)
        for flight, late in zip(batch["flight_id"], batch["late"], strict=True):
            await self._labels.put({"id": flight, "label": int(late)})

    async def _post_labels(self, session: aiohttp.ClientSession) -> None:
        rows: list[dict[str, object]] = []
        ended = False
        while not ended:
            try:
                row = await asyncio.wait_for(self._labels.get(), timeout=1.0)
                if row is None:
                    ended = True
                else:
                    rows.append(row)
            except TimeoutError:
                pass
            if rows and (ended or len(rows) >= LABELS_PER_POST or self._labels.empty()):
                await self._post(session, rows)
                rows = []

    async def _post(self, session: aiohttp.ClientSession, rows: list[dict[str, object]]) -> None:
        self.tally.feedback_sent += 1
        problem = ""
        for attempt in range(FEEDBACK_TRIES):
            try:
                async with session.post(self.feedback_url, json={"rows": rows}) as answer:
                    if answer.status == 202:
                        self.tally.feedback_rows += len(rows)
                        return
                    problem = f"{answer.status} {(await answer.text())[:200]}"
            except (aiohttp.ClientError, TimeoutError) as error:
                problem = f"{type(error).__name__}: {error}"
            self.tally.feedback_retries += 1
            await asyncio.sleep(0.5 * (attempt + 1))
        self.tally.feedback_failed += 1
        if len(self.tally.failures) < 10:
            self.tally.failures.append(f"feedback: {problem}")


def _body(batch: pd.DataFrame) -> dict[str, object]:
    inputs = []
    for name in FEATURES:
        values = batch[name]
        data = [v.isoformat() for v in values] if name == "time_hour" else values.tolist()
        inputs.append({"name": name, "datatype": DATATYPES.get(name, "BYTES"), "shape": [len(batch)], "data": data})
    return {"inputs": inputs}
