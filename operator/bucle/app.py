"""The composition root: settings, clients, kinds, queue, leadership and kopf put together, started and ended in order.

The only module that knows every room. Whatever ends (watches, workers, leadership, a signal) ends the process: the
next one starts from what is stored, which is all that counts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

from prometheus_client import REGISTRY

from bucle import health, logs
from bucle.contracts.names import ANNOTATION_SCHEMA_HASH
from bucle.engine import kube_client, watches
from bucle.engine.apply import nobody
from bucle.engine.clock import Clock, SystemClock
from bucle.engine.controller import Controller
from bucle.engine.kube import Forbidden, Kube, KubeError
from bucle.engine.leader import Candidate, Fence, Leader, LeadershipLost
from bucle.engine.metrics import Metrics
from bucle.engine.objects import CUSTOM_RESOURCE_DEFINITION, POD
from bucle.engine.plan import Executor, Executors
from bucle.engine.reads import Source
from bucle.engine.reconcile import Surroundings
from bucle.engine.room import AnyRoom
from bucle.engine.sources import Sources, kube_sources
from bucle.externals.envoy import client as envoy
from bucle.externals.judge import client as judge
from bucle.externals.notifications.sender import Notifier
from bucle.externals.registry import executors as registry_executors
from bucle.externals.registry import sources as registry_sources
from bucle.externals.registry.client import MlflowClient
from bucle.externals.sampler import optuna_sampler as sampler
from bucle.externals.servers import client as servers
from bucle.kinds import dataset, driftpolicy, experiment, modeldeployment
from bucle.resources.addresses import Resource
from bucle.resources.crd import expected_hashes
from bucle.settings import Settings, SettingsInvalid
from bucle.workloads.platform import Platform

LEASE_NAME = "bucle-operator"
SHUTDOWN_SECONDS = 15.0
SERVED_RETRY_SECONDS = 3.0
READY_SECONDS = 30.0
"""How long the schemas count as right once they were: a probe asks every few seconds, and CRDs are large."""

log = logging.getLogger("bucle")


def rooms(platform: Platform) -> tuple[AnyRoom, ...]:
    """The rooms of the four kinds on that installation."""
    return (
        dataset.room(platform),
        experiment.room(platform),
        modeldeployment.room(platform),
        driftpolicy.room(platform),
    )


def platform_of(settings: Settings) -> Platform:
    return Platform(
        cluster_name=settings.cluster_name,
        store_uri=settings.store_uri,
        storage_secret=settings.storage_secret,
        image_worker=settings.image_worker,
        image_serve=settings.image_serve,
        image_router=settings.image_router,
        image_pull_policy=settings.image_pull_policy,
        image_pull_secrets=settings.image_pull_secrets,
    )


def all_sources(kube: Kube, mlflow: MlflowClient, clock: Clock) -> Sources:
    """Who answers which read."""
    found: dict[type, Source] = {}
    for part in (
        kube_sources(kube, clock),
        registry_sources.sources(mlflow),
        sampler.sources(),
        envoy.sources(kube, clock),
        judge.sources(kube, clock),
        servers.sources(kube, clock),
    ):
        found.update(part)
    return found


def all_executors(kube: Kube, mlflow: MlflowClient) -> Executors:
    """Who carries out which effect."""
    found: dict[type, Executor] = {}
    for part in (registry_executors.executors(mlflow), envoy.executors(kube)):
        found.update(part)
    return found


def assemble(
    settings: Settings,
    kube: Kube,
    mlflow: MlflowClient,
    fence: Fence,
    metrics: Metrics,
    notifier: Notifier | None = None,
) -> Controller:
    """A controller for all kinds; what remains is to feed it events and let it work."""
    clock = SystemClock()
    around = Surroundings(
        kube=kube,
        sources=all_sources(kube, mlflow, clock),
        executors=all_executors(kube, mlflow),
        fence=fence,
        clock=clock,
        metrics=metrics,
        heard=notifier.heard if notifier is not None else nobody,
    )
    return Controller(rooms(platform_of(settings)), around, lambda: random.uniform(-1, 1))


def watched_children(found: tuple[AnyRoom, ...]) -> frozenset[Resource]:
    return frozenset({POD}.union(*(room.children for room in found)))


async def schema_problem(kube: Kube, expected: Mapping[str, str]) -> str | None:
    """Whether the cluster serves the schemas this operator was built with; the answer says how to mend it.

    An installation limited to namespaces may not read CRDs: then nothing can be said against them.
    """
    for name, wanted in sorted(expected.items()):
        try:
            crd = await kube.get(CUSTOM_RESOURCE_DEFINITION, "", name)
        except Forbidden:
            continue
        except KubeError as error:
            return f"CRD {name} cannot be read: {error}. Install it: kubectl apply --server-side -f crds/"
        served = (crd["metadata"].get("annotations") or {}).get(ANNOTATION_SCHEMA_HASH)
        if served != wanted:
            return (
                f"CRD {name} has schema {served}, this operator needs {wanted}. "
                "Bring it up to date: kubectl apply --server-side --force-conflicts -f crds/"
            )
    return None


async def kinds_served(kube: Kube, found: tuple[AnyRoom, ...], namespaces: Iterable[str]) -> None:
    """Returns once all kinds can be listed in all watched namespaces: kopf looks for kinds only at its start, and a
    watch that is refused would end the process. One object of each is enough to know."""
    for namespace, room in ((namespace, room) for namespace in namespaces for room in found):
        while True:
            try:
                await kube.list(room.resource, namespace, at_most=1)
                break
            except KubeError as error:
                log.warning("waits until its kinds are served and may be listed", extra={"error": str(error)})
                await asyncio.sleep(SERVED_RETRY_SECONDS)


class CannotStart(Exception):
    """What the installation gave does not do; the message names the setting."""


class Operator:
    """One process from start to end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stop = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self._clock = SystemClock()
        # Making the schemas takes half a second of computing: once, and before anything waits for the event loop.
        self._expected = expected_hashes()
        self._ready_until = 0.0

    async def run(self) -> int:
        """Exit code: 0 after a signal, 1 when a part ended by itself. Raises CannotStart."""
        metrics = Metrics(REGISTRY)
        try:
            kube = await kube_client.connect(metrics, self.settings.kubeconfig)
        except KubeError as error:
            raise CannotStart(str(error)) from error
        mlflow = MlflowClient(self.settings.mlflow_uri, self.settings.mlflow_authorization)
        leader = Leader(kube, Candidate(self.settings.namespace, LEASE_NAME, self.settings.pod_name), self._clock)
        host, port = self.settings.listen_host, self.settings.listen_port
        try:
            server = await health.serve(host, port, REGISTRY, self._live, lambda: self._ready(kube))
        except OSError as error:
            await kube.close()
            raise CannotStart(f"BUCLE_LISTEN {host}:{port} cannot be listened on: {error.strerror}") from error
        self._listen_to_signals()
        try:
            notifier = Notifier(self.settings.sinks, kube, self._clock, self.settings.cluster_name, metrics)
            controller = assemble(self.settings, kube, mlflow, leader, metrics, notifier)
            namespaces = self.settings.watch_namespaces or ("",)
            if not await self._unless_stopped(kinds_served(kube, controller.rooms, namespaces)):
                return 0
            return await self._lead(controller, notifier, leader, metrics)
        finally:
            await leader.release()
            await server.cleanup()
            await mlflow.close()
            await kube.close()

    async def _lead(self, controller: Controller, notifier: Notifier, leader: Leader, metrics: Metrics) -> int:
        if not await self._unless_stopped(leader.acquire()):
            return 0
        metrics.leading(True)
        children = watched_children(controller.rooms)
        found = watches.registry(controller, children, self.settings.kubeconfig)
        watch_stop = asyncio.Event()
        self.tasks = [
            asyncio.create_task(leader.hold(), name="leadership"),
            asyncio.create_task(controller.work(self.stop), name="workers"),
            asyncio.create_task(
                watches.watch(
                    found,
                    watches.settings(children),
                    self.settings.watch_namespaces,
                    watch_stop,
                    self._listen_to_signals,
                ),
                name="watches",
            ),
        ]
        # Not one of the parts without which a leader is none: what it does not get to send, the next one is told of.
        notifying = asyncio.create_task(notifier.run(), name="notifications")
        stopped = asyncio.create_task(self.stop.wait(), name="signal")
        await asyncio.wait([*self.tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        code = 0 if stopped.done() else 1
        self.stop.set()
        watch_stop.set()
        _, late = await asyncio.wait(self.tasks[1:], timeout=SHUTDOWN_SECONDS)
        for task in (*late, self.tasks[0], notifying, stopped):
            task.cancel()
        for result in await asyncio.gather(*self.tasks, notifying, return_exceptions=True):
            if isinstance(result, LeadershipLost):
                log.error("leadership lost", extra={"error": str(result)})
            elif isinstance(result, Exception):
                log.error("a part ended", exc_info=result)
        return code

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop.set)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        task = asyncio.create_task(work)
        stopped = asyncio.create_task(self.stop.wait())
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not task.done():
            task.cancel()
            return False
        task.result()
        return True

    async def _live(self) -> str | None:
        ended = [task.get_name() for task in self.tasks if task.done()]
        return f"ended: {', '.join(ended)}" if ended else None

    async def _ready(self, kube: Kube) -> str | None:
        """A standby is ready too: it has nothing to do but is able to."""
        if self._clock.monotonic() < self._ready_until:
            return None
        problem = await schema_problem(kube, self._expected)
        if problem is None:
            self._ready_until = self._clock.monotonic() + READY_SECONDS
        return problem


def main() -> int:
    """`python -m bucle run`."""
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsInvalid as error:
        print(error, file=sys.stderr)  # noqa: T201 - logging is not set up yet
        return 2
    logs.configure(settings.log_format)
    try:
        return asyncio.run(Operator(settings).run())
    except CannotStart as error:
        log.error("cannot start", extra={"error": str(error)})
        return 2
