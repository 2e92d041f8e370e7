"""A whole operator on an API server in memory, driven by hand: no sleeps, no kopf, no real time.

    sim = Simulation(rooms=[dataset.room(PLATFORM)], sources={SomeRead: fake}, executors={SomeEffect: fake})
    sim.create(manifest)                      # a person's `kubectl apply` of a new object
    await sim.settle()                        # runs everything that is due now; time stands still
    sim.finish_job("flights-…", result)       # the Job's pod ends with this Result (or fails: sim.fail_job)
    await sim.pass_time(timedelta(hours=1))   # runs everything as it becomes due; the clock jumps from one to the next
    await sim.until(lambda: sim.condition(DATASET, "flights", "Ready") == "True", within=timedelta(hours=2))
    sim.status(DATASET, "flights"); sim.jobs(); sim.events()
    sim.restart()                             # the operator process is replaced: only what is stored survives
    await sim.settle_killing_after(1)         # settles, with a kill after the n-th write and a restart after it

    sim.latency(0.05)                         # from now on every request takes so long, and watch events arrive late
    (await sim.pace(timedelta(minutes=5))).requests   # what a minute costs

`rooms` may be left out: then those of all kinds are built by `bucle.app`. Every change in the fake API server wakes
like a watch event does in production: the object itself, its controller owner, and whoever points to it.
Fake executors call `sim.kube.count_write()` after their effect, so that kills hit them too.
A run that never comes to rest fails the test with the list of what ran last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry
from tests.support.fakes import drivers
from tests.support.fakes.clock import START, FakeClock
from tests.support.fakes.kube import Crashed, FakeKube
from tests.support.fakes.rights import OF_THE_OPERATOR, Right

from bucle.contracts.result import Result
from bucle.engine.controller import Controller
from bucle.engine.leader import Fence, OpenFence
from bucle.engine.metrics import Metrics
from bucle.engine.objects import DEPLOYMENT, EVENT, JOB, POD, JsonObject, key_of
from bucle.engine.plan import Executors
from bucle.engine.reconcile import Surroundings
from bucle.engine.room import AnyRoom
from bucle.engine.sources import Sources, kube_sources
from bucle.engine.status import condition
from bucle.resources.addresses import Resource
from bucle.workloads.platform import Platform

NAMESPACE = "ml"
PLATFORM = Platform(
    cluster_name="test",
    store_uri="s3://bucle",
    storage_secret="bucle-storage",
    image_worker="bucle-worker:test",
    image_serve="bucle-serve:test",
    image_router="bucle-router:test",
)
RUNS_LIMIT = 2000
COLLECTS_AFTER = 3.0
"""Seconds the collector of garbage is behind, as on a small real cluster."""


class Restless(AssertionError):
    """The operator keeps running without ever having nothing to do."""


@dataclass(frozen=True)
class Pace:
    """What one simulated minute costs."""

    runs: float
    requests: float
    writes: float


@dataclass(frozen=True)
class _Slow:
    """A source or executor whose answers take their time."""

    behind: Any
    toll: Callable[[], Awaitable[None]]

    @property
    def place(self) -> str:
        return str(self.behind.place)

    async def read(self, read: Any) -> Any:
        await self.toll()
        return await self.behind.read(read)

    async def execute(self, effect: Any) -> None:
        await self.toll()
        await self.behind.execute(effect)


class Simulation:
    """One operator and its API server. `namespace` is where short names are looked up.

    `rights`: what the chart grants; None for a toy kind, whose children are not ours.
    """

    def __init__(
        self,
        rooms: Iterable[AnyRoom] | None = None,
        sources: Sources | None = None,
        executors: Executors | None = None,
        *,
        start: datetime = START,
        namespace: str = NAMESPACE,
        fence: Fence | None = None,
        rights: Collection[Right] | None = OF_THE_OPERATOR,
    ) -> None:
        self.clock = FakeClock(start)
        self.kube = FakeKube(self.clock, rights, own_schemas=rights is not None)
        self.namespace = namespace
        self.fence: Fence = fence or OpenFence()
        self._rooms = tuple(rooms) if rooms is not None else _all_rooms()
        self._sources = dict(sources or {})
        self._executors = dict(executors or {})
        self.kube.on_change.append(self._changed)
        self.kube.collects_after = COLLECTS_AFTER
        self.ran: deque[str] = deque(maxlen=30)
        self.runs = 0
        self._others = 0
        self._events: deque[tuple[float, Resource, JsonObject, str]] = deque()
        self.told: deque[JsonObject] = deque(maxlen=200)
        self.controller = self._fresh()

    # --- people and other controllers -----------------------------------------------------------------------------

    def create(self, manifest: JsonObject) -> JsonObject:
        """Puts a new object of any of our kinds; its namespace defaults to the simulation's."""
        resource = next(room.resource for room in self._rooms if room.resource.kind == manifest["kind"])
        placed = {**manifest, "metadata": {"namespace": self.namespace, **manifest["metadata"]}}
        return self.kube.put(resource, placed)

    def edit(self, resource: Resource, name: str, change: Callable[[JsonObject], None]) -> JsonObject:
        return self.kube.edit(resource, self.namespace, name, change)

    def delete(self, resource: Resource, name: str) -> None:
        self.kube.remove(resource, self.namespace, name)

    def finish_job(self, name: str, result: Result | str) -> None:
        """The Job's pod exits 0 with this termination message, and the Job completes."""
        drivers.finish_job(self.kube, self.namespace, name, result)

    def fail_job(self, name: str, exit_code: int = 1, result: Result | str = "") -> None:
        """The Job's pod exits with that code, and the Job fails."""
        drivers.fail_job(self.kube, self.namespace, name, exit_code, result)

    def ready_deployments(self) -> None:
        """Every Deployment has as many ready pods as it wants."""
        for deployment in self.kube.all(DEPLOYMENT):
            drivers.ready_deployment(self.kube, deployment)

    # --- looking ---------------------------------------------------------------------------------------------------

    def get(self, resource: Resource, name: str) -> JsonObject:
        found = self.kube.peek(resource, self.namespace, name)
        assert found is not None, f"there is no {resource.kind} {name}"
        return found

    def status(self, resource: Resource, name: str) -> JsonObject:
        status: JsonObject = self.get(resource, name).get("status", {})
        return status

    def condition(self, resource: Resource, name: str, type_: str) -> str | None:
        """True, False or Unknown; None when it was never said. `reason` gives the why."""
        found = condition(self.status(resource, name), type_)
        return found["status"] if found else None

    def reason(self, resource: Resource, name: str, type_: str = "Ready") -> str | None:
        found = condition(self.status(resource, name), type_)
        return found["reason"] if found else None

    def jobs(self, *, open_only: bool = False) -> list[JsonObject]:
        return [job for job in self.kube.all(JOB) if not open_only or not drivers.is_finished(job)]

    def pods(self) -> list[JsonObject]:
        return self.kube.all(POD)

    def events(self) -> list[tuple[str, str, str]]:
        """(type, reason, message), oldest first."""
        told = sorted(self.kube.all(EVENT), key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [(event["type"], event["reason"], event["message"]) for event in told]

    # --- time ------------------------------------------------------------------------------------------------------

    def latency(self, seconds: float) -> None:
        """From now on each request takes that long, and what it changes is heard of that much later."""
        self.kube.request_seconds = seconds

    async def settle(self) -> int:
        """Runs what is due until nothing is; returns how many runs that took."""
        return await self._work(None)

    async def pass_time(self, span: timedelta) -> None:
        """Lets that much time pass, running everything when it is due."""
        end = self.clock.now() + span
        await self._work(end)
        while (wait := self._seconds_to_next()) is not None:
            if self.clock.now() + timedelta(seconds=wait) > end:
                break
            self.clock.advance(wait)
            await self._work(end)
        if self.clock.now() < end:
            self.clock.advance(end - self.clock.now())
            await self._work(end)

    async def until(self, true: Callable[[], bool], within: timedelta = timedelta(hours=1)) -> None:
        """Lets time pass until `true()`; fails when it is still not after `within`."""
        end = self.clock.now() + within
        await self._work(end)
        while not true():
            wait = self._seconds_to_next()
            if wait is None or self.clock.now() + timedelta(seconds=wait) > end:
                raise AssertionError(f"not true within {within}; the last runs:\n" + "\n".join(self.ran))
            self.clock.advance(wait)
            await self._work(end)

    async def pace(self, span: timedelta) -> Pace:
        """Lets that much time pass and counts what the operator does in it."""
        runs, requests, writes = self.runs, self._asked, len(self.kube.writes)
        began = self.clock.now()
        await self.pass_time(span)
        minutes = (self.clock.now() - began) / timedelta(minutes=1)
        asked = self._asked - requests
        return Pace(*(n / minutes for n in (self.runs - runs, asked, len(self.kube.writes) - writes)))

    async def _work(self, end: datetime | None) -> int:
        """Runs what is due; with requests that take their time, until the end at the latest."""
        done, at_once, instant = 0, 0, self.clock.now()
        while end is None or self.clock.now() <= end:
            self._hear()
            key = self.controller.queue.take()
            if key is None:
                return done
            try:
                verdict = await self.controller.run(key)
            finally:
                self.controller.queue.done(key)
            self.runs += 1
            self.ran.append(f"{key}: {verdict.outcome} {verdict.detail}")
            done += 1
            # Without an end, or without time passing, only the number of runs can tell that there will be no rest.
            at_once = at_once + 1 if end is None or self.clock.now() == instant else 0
            instant = self.clock.now()
            if at_once >= RUNS_LIMIT:
                raise Restless("does not come to rest; the last runs:\n" + "\n".join(self.ran))
        return done

    def _hear(self) -> None:
        self.kube.collect()
        while self._events and self._events[0][0] <= self.clock.monotonic():
            _, resource, obj, event = self._events.popleft()
            self._heard(resource, obj, event)

    def _seconds_to_next(self) -> float | None:
        """Seconds until there is something to do: a key that is due, an event that arrives, children to collect."""
        heard = max(0.0, self._events[0][0] - self.clock.monotonic()) if self._events else None
        waits = (self.controller.queue.seconds_to_next(), self.kube.seconds_to_collection(), heard)
        return min((wait for wait in waits if wait is not None), default=None)

    async def _toll(self) -> None:
        """What another system is asked costs as much as a request to the API server."""
        self._others += 1
        self.clock.advance(self.kube.request_seconds)

    @property
    def _asked(self) -> int:
        return len(self.kube.requests) + self._others

    # --- death and resurrection ------------------------------------------------------------------------------------

    def restart(self) -> None:
        """A new process: queue, references and memory are empty, and every object is listed anew."""
        self.controller = self._fresh()
        self._events.clear()
        for room in self._rooms:
            for obj in self.kube.all(room.resource):
                self.controller.wake(key_of(room.resource, obj))

    def upgrade(self, *rooms: AnyRoom) -> None:
        """`helm upgrade` with other values: a new process that knows only these rooms."""
        self._rooms = rooms
        self.restart()

    async def settle_killing_after(self, writes: int) -> bool:
        """Settles, killed right after so many writes and restarted; False if it came to rest before that."""
        self.kube.crash_after(writes)
        try:
            await self.settle()
        except Crashed:
            self.restart()
            await self.settle()
            return True
        finally:
            self.kube.crash_after(None)
        return False

    def _fresh(self) -> Controller:
        others = {type_: _Slow(source, self._toll) for type_, source in self._sources.items()}
        sources: dict[type, Any] = {**kube_sources(self.kube, self.clock), **others}
        executors = {type_: _Slow(executor, self._toll) for type_, executor in self._executors.items()}
        metrics = Metrics(CollectorRegistry())
        around = Surroundings(self.kube, sources, executors, self.fence, self.clock, metrics, self.told.append)
        return Controller(self._rooms, around, jitter=lambda: 0.0)

    def _changed(self, resource: Resource, obj: JsonObject, event: str) -> None:
        if self.kube.request_seconds:
            self._events.append((self.clock.monotonic() + self.kube.request_seconds, resource, obj, event))
        else:
            self._heard(resource, obj, event)

    def _heard(self, resource: Resource, obj: Mapping[str, Any], event: str) -> None:
        self.controller.heard(resource, obj, gone=event == "DELETED")


def _all_rooms() -> tuple[AnyRoom, ...]:
    from bucle.app import rooms

    return rooms(PLATFORM)
