"""Queue, reverse references and reconciler put together: what wake-ups talk to and what workers run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta

from bucle.engine.objects import ObjectKey, Ref
from bucle.engine.queue import KeyedQueue, work
from bucle.engine.reconcile import RESYNC, Again, Reconciler, RefMap, Surroundings, Verdict
from bucle.engine.room import AnyRoom

WORKERS = 8

log = logging.getLogger(__name__)


class Controller:
    """One per process. `jitter` gives numbers in [-1, 1); a test gives a constant 0."""

    def __init__(self, rooms: Iterable[AnyRoom], around: Surroundings, jitter: Callable[[], float]) -> None:
        self.rooms = tuple(rooms)
        self.refs = RefMap()
        self.metrics = around.metrics
        self.queue: KeyedQueue[ObjectKey] = KeyedQueue(around.clock.monotonic, jitter)
        self._monotonic = around.clock.monotonic
        self._reconciler = Reconciler(self.rooms, around, self.refs)
        self._by_plural = {room.resource.plural: room for room in self.rooms}
        self._by_kind = {room.resource.kind: room for room in self.rooms}
        self.metrics.watch_queue(lambda: float(len(self.queue)))

    def wake(self, key: ObjectKey) -> None:
        """An object of one of our kinds changed, appeared or went away."""
        if key.resource.plural in self._by_plural:
            self.queue.add(key)
        self.wake_pointing_at(Ref(f"{key.resource.plural}/{key.namespace}", key.name))

    def wake_owner(self, kind: str, namespace: str, name: str) -> None:
        """Something that belongs to this object changed; names of other kinds are not ours to wake."""
        if kind in self._by_kind:
            self.queue.add(ObjectKey(self._by_kind[kind].resource, namespace, name))

    def wake_pointing_at(self, ref: Ref) -> None:
        for key in self.refs.pointing_at(ref):
            self.queue.add(key)

    async def run(self, key: ObjectKey) -> Verdict:
        """One run, logged, counted, and planned again."""
        began = self._monotonic()
        verdict = await self._reconciler.reconcile(key)
        seconds = self._monotonic() - began
        self.metrics.reconciled(key.resource.kind, verdict.outcome, seconds)
        for ref in verdict.changed:
            self.wake_pointing_at(ref)
        again = self._plan_next(key, verdict)
        level = logging.DEBUG if verdict.outcome == "Unchanged" else logging.INFO
        log.log(
            level,
            verdict.outcome,
            extra={"key": str(key), "seconds": round(seconds, 4), "again": again, "detail": verdict.detail},
        )
        return verdict

    def _plan_next(self, key: ObjectKey, verdict: Verdict) -> float | None:
        if verdict.within is not None:
            self.queue.add_spread(key, verdict.within.total_seconds())
        if isinstance(verdict.next, timedelta):
            self.queue.succeeded(key)
            seconds = min(verdict.next, RESYNC).total_seconds()
            self.queue.add_spread(key, seconds)
            return seconds
        if verdict.next is Again.NOW:
            self.queue.add(key)
            return 0.0
        if verdict.next is Again.BACKOFF:
            return self.queue.retry(key)
        self.queue.succeeded(key)
        return None

    async def work(self, stop: asyncio.Event, workers: int = WORKERS) -> None:
        """Runs until `stop` is set, then lets the running ones end."""

        async def run(key: ObjectKey) -> None:
            await self.run(key)

        await work(self.queue, run, workers, stop)
