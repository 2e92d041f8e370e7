"""Queue, reverse references and reconciler put together: what watches talk to and what workers run.

A write wakes nobody who wrote it. An event that carries the version of an object which the last run of a key has read or
written says nothing new to that key. Whoever points to an object is woken by what others act on (`Room.tells`), not by
its counters.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from bucle.engine.objects import ObjectKey, Ref, Version, owners_of, version_of
from bucle.engine.queue import WORKERS, KeyedQueue, work
from bucle.engine.reconcile import Again, Reconciler, RefMap, Surroundings, Verdict
from bucle.engine.room import AnyRoom
from bucle.engine.status import told_to_others
from bucle.resources.addresses import Resource

STEPS = 200
"""Runs that may follow each other without a pause because each wrote something: a search plans its trials so, one after
the other. A plan that never rests must not."""
CONFLICTS = 5
RESYNC = timedelta(minutes=10)
"""An object at rest is looked at again after that time: what a watch missed is found."""
RESTING_LOOKS_PER_SECOND = 5.0
"""More objects at rest than that allows for are looked at later: ten thousand would take a fifth of a core for ever."""
LONGEST_RESYNC = timedelta(hours=1)
GONE = "gone"
"""The version of what went away: no run has read it, whichever version the last event carries."""

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
        self._by_resource = {room.resource: room for room in self.rooms}
        self._by_kind = {room.resource.kind: room for room in self.rooms}
        self._told: dict[ObjectKey, str] = {}
        self._known: dict[ObjectKey, frozenset[Version]] = {}
        self._heard_meanwhile: dict[ObjectKey, set[Version]] = {}
        self._resting: set[ObjectKey] = set()
        self.metrics.watch_queue(lambda: float(len(self.queue)))

    def heard(self, resource: Resource, obj: Mapping[str, Any], *, gone: bool = False) -> None:
        """A watch event: an object of one of our kinds or a child of one appeared, changed or went away."""
        version = version_of(resource, obj)
        key = version.key
        if gone:
            version = Version(key, GONE)
        room = self._by_resource.get(resource)
        if room is not None:
            self._wake(key, version)
            if not self._is_news(room, key, obj, gone):
                return
        self.wake_pointing_at(Ref(f"{resource.plural}/{key.namespace}", key.name))
        for owner in owners_of(obj):
            if owner.kind in self._by_kind:
                self._wake(ObjectKey(self._by_kind[owner.kind].resource, owner.namespace, owner.name), version)

    def wake(self, key: ObjectKey) -> None:
        """Runs that object as soon as possible, whatever is known of it."""
        self.queue.add(key)

    def wake_pointing_at(self, ref: Ref) -> None:
        for key in self.refs.pointing_at(ref):
            self.queue.add(key)

    def _is_news(self, room: AnyRoom, key: ObjectKey, obj: Mapping[str, Any], gone: bool) -> bool:
        """Whether the event says something that another object may act on."""
        if gone:
            self._told.pop(key, None)
            return True
        told = told_to_others(obj, room.tells(obj))
        if self._told.get(key) == told:
            return False
        self._told[key] = told
        return True

    def _wake(self, key: ObjectKey, version: Version) -> None:
        if key in self._heard_meanwhile:
            # What the run is writing comes back before the answer to the write does: judged when it is over.
            self._heard_meanwhile[key].add(version)
        elif version not in self._known.get(key, frozenset()):
            self.queue.add(key)

    async def run(self, key: ObjectKey) -> Verdict:
        """One run, logged, counted, and planned again."""
        began = self._monotonic()
        self._heard_meanwhile[key] = set()
        try:
            verdict = await self._reconciler.reconcile(key)
        finally:
            heard = self._heard_meanwhile.pop(key)
        if verdict.known:
            self._known[key] = verdict.known
        else:
            self._known.pop(key, None)
        if heard - verdict.known:
            self.queue.add(key)
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
        self._resting.discard(key)
        if verdict.within is not None:
            self.queue.add_spread(key, verdict.within.total_seconds())
        if verdict.next is Again.AT_REST:
            self._resting.add(key)
            self.queue.succeeded(key)
            return self._look_again(key, resync(len(self._resting)))
        if isinstance(verdict.next, timedelta):
            self.queue.succeeded(key)
            return self._look_again(key, min(verdict.next, RESYNC))
        if verdict.next is Again.NOW:
            return self.queue.hurry(key, STEPS)
        if verdict.next is Again.AFRESH:
            return self.queue.hurry(key, CONFLICTS)
        if verdict.next is Again.BACKOFF:
            return self.queue.retry(key)
        self.queue.succeeded(key)
        return None

    def _look_again(self, key: ObjectKey, after: timedelta) -> float:
        seconds = after.total_seconds()
        self.queue.add_spread(key, seconds)
        return seconds

    async def work(self, stop: asyncio.Event, workers: int = WORKERS) -> None:
        """Runs until `stop` is set, then lets the running ones end."""

        async def run(key: ObjectKey) -> None:
            await self.run(key)

        await work(self.queue, run, workers, stop)


def resync(resting: int) -> timedelta:
    """How long an object at rest is left alone when so many are."""
    return min(LONGEST_RESYNC, max(RESYNC, timedelta(seconds=resting / RESTING_LOOKS_PER_SECOND)))
