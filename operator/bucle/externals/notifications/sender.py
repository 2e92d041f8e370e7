"""Sends notices to sinks by HTTP POST: one worker a sink, each with a bounded queue and growing pauses. Knows HTTP and Events.

What was told is recorded on the Event itself (an annotation a sink). The engine of a new leader lets it hear again, at its first look at each
object, of what the status says and the Event has no record of. A sink may be told twice, under the same id, if the process ends between its answer and the
record. A sink that fails holds back nobody else, and nothing in the operator waits for one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Protocol

import aiohttp

from bucle.engine.clock import Clock
from bucle.engine.events import EVENT_LIFETIME
from bucle.engine.kube import Kube, KubeError
from bucle.engine.objects import EVENT, JsonObject
from bucle.engine.status import timestamp
from bucle.externals.notifications.formats import message, signed
from bucle.externals.notifications.values import Notice, Sink, notice_of

KEPT = 200
"""Notices that wait for one sink; more are dropped, and heard of again by the next leader."""
GIVEN_UP = EVENT_LIFETIME
ANSWER_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 300.0
DELIVERED, FAILED, DROPPED = "Delivered", "Failed", "Dropped"

log = logging.getLogger(__name__)


class Counts(Protocol):
    """Where outcomes are counted."""

    def notified(self, sink: str, outcome: str) -> None: ...

    def watch_sink(self, sink: str, depth: Callable[[], float]) -> None: ...


def pause(attempt: int) -> float:
    """Seconds before attempt number `attempt` (1 is the second one), with a spread so that sinks are not met by all at once."""
    return min(LONGEST_PAUSE_SECONDS, 2.0 ** min(attempt - 1, 16)) * random.uniform(0.8, 1.2)


class Notifier:
    """One per process. `heard` takes every Event that is written; `run` sends until it is cancelled."""

    def __init__(
        self,
        sinks: Iterable[Sink],
        kube: Kube,
        clock: Clock,
        cluster: str,
        counts: Counts,
        pauses: Callable[[int], float] = pause,
    ) -> None:
        self._queues: Mapping[Sink, asyncio.Queue[Notice]] = {sink: asyncio.Queue(KEPT) for sink in sinks}
        self._kube = kube
        self._clock = clock
        self._cluster = cluster
        self._counts = counts
        self._pauses = pauses
        self._seen: dict[tuple[str, str], None] = {}
        for sink, queue in self._queues.items():
            counts.watch_sink(sink.name, lambda queue=queue: float(queue.qsize()))  # type: ignore[misc]

    def heard(self, event: JsonObject) -> None:
        """Queues what the Event tells for each sink that wants it and has not taken it."""
        notice = notice_of(event, self._cluster)
        if notice is None:
            return
        for sink, queue in self._queues.items():
            if sink.wants(notice) and sink.mark not in notice.delivered and (sink.name, notice.id) not in self._seen:
                self._remember(sink, notice)
                try:
                    queue.put_nowait(notice)
                except asyncio.QueueFull:
                    self._drop(sink, notice, f"{KEPT} others wait for this sink")

    async def run(self) -> None:
        """Sends until it is cancelled; without sinks there is nothing to do."""
        if not self._queues:
            return
        limit = aiohttp.ClientTimeout(ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=limit) as session, asyncio.TaskGroup() as group:
            for sink, queue in self._queues.items():
                group.create_task(self._work(session, sink, queue), name=f"sink {sink.name}")

    async def _work(self, session: aiohttp.ClientSession, sink: Sink, queue: asyncio.Queue[Notice]) -> None:
        while True:
            notice = await queue.get()
            try:
                await self._deliver(session, sink, notice)
            except Exception:
                log.exception(
                    "a mistake in the operator: a notification is left out", extra={"sink": sink.name, "id": notice.id}
                )

    async def _deliver(self, session: aiohttp.ClientSession, sink: Sink, notice: Notice) -> None:
        for attempt in count(1):
            if self._clock.now() - notice.at > GIVEN_UP:
                self._drop(sink, notice, "it is too old")
                return
            failure = await self._post(session, sink, notice)
            if failure is None:
                self._counts.notified(sink.name, DELIVERED)
                await self._record(sink, notice)
                return
            self._counts.notified(sink.name, FAILED)
            wait = self._pauses(attempt)
            said = {"sink": sink.name, "id": notice.id, "error": failure, "attempt": attempt, "again": round(wait, 1)}
            log.warning("a sink did not take a notification", extra=said)
            await asyncio.sleep(wait)

    async def _post(self, session: aiohttp.ClientSession, sink: Sink, notice: Notice) -> str | None:
        """Why it was not taken; None if it was. Never the address or the answer, which may hold a secret."""
        made = signed(message(notice, sink.format), notice, sink.key, self._clock.now())
        try:
            # Not redirected: the address is the chart's, and nobody else's to choose.
            async with session.post(sink.url, data=made.body, headers=made.headers, allow_redirects=False) as answer:
                return None if 200 <= answer.status < 300 else f"answered {answer.status}"
        except TimeoutError:
            return f"no answer within {ANSWER_SECONDS:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return type(error).__name__

    async def _record(self, sink: Sink, notice: Notice) -> None:
        told = {sink.mark: timestamp(self._clock.now())}
        with contextlib.suppress(
            KubeError
        ):  # The Event may be gone, or was never written: then nobody finds it again either.
            await self._kube.patch_annotations(EVENT, notice.namespace, notice.id, told)

    def _remember(self, sink: Sink, notice: Notice) -> None:
        self._seen[sink.name, notice.id] = None
        while len(self._seen) > KEPT * (1 + 2 * len(self._queues)):
            self._seen.pop(next(iter(self._seen)))

    def _drop(self, sink: Sink, notice: Notice, why: str) -> None:
        self._counts.notified(sink.name, DROPPED)
        log.error("a notification is dropped", extra={"sink": sink.name, "id": notice.id, "error": why})
