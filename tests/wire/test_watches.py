"""kopf as informer: which keys its events leave in the queue, what it asks for, and that it never writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.support.builders.objects import a_config_map, a_dataset, a_job, an_object
from tests.support.fakes.apiserver import FakeApiServer
from tests.support.fakes.kube import FakeKube
from tests.support.worlds.toykind import ROOM

from bucle.contracts.names import LABEL_KIND, LABEL_MANAGED_BY, LABEL_NAME
from bucle.engine import watches
from bucle.engine.clock import SystemClock
from bucle.engine.controller import Controller
from bucle.engine.leader import OpenFence
from bucle.engine.metrics import Metrics
from bucle.engine.objects import CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, JOB, POD, ObjectKey
from bucle.engine.reconcile import Surroundings
from bucle.resources.addresses import DATASET, Resource

WATCHED = (DATASET, CONFIG_MAP, JOB, POD)
NAMESPACES = Resource("", "v1", "Namespace", "namespaces")
# kopf starts no watch before discovery showed it these two, even if it is to ask for neither.
SERVED = (*WATCHED, NAMESPACES, CUSTOM_RESOURCE_DEFINITION)
FLIGHTS = ObjectKey(DATASET, "ml", "flights")


@dataclass(frozen=True)
class Running:
    kube: FakeKube
    server: FakeApiServer
    controller: Controller

    def taken(self) -> ObjectKey | None:
        key = self.controller.queue.take()
        if key is not None:
            self.controller.queue.done(key)
        return key


async def eventually(true: Callable[[], bool]) -> None:
    """kopf gives no sign of having handled an event, so the loop is let run until it shows, at most 10 s."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is waited for is plain state, not a signal
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    directory: Path, kube: FakeKube, silence: float = 70.0, compactions: int = 0
) -> AsyncIterator[Running]:
    server = FakeApiServer(kube, SERVED)
    server.compact_between_pages(compactions)
    around = Surroundings(kube, {}, {}, OpenFence(), SystemClock(), Metrics(CollectorRegistry()))
    controller = Controller([ROOM], around, jitter=lambda: 0.0)
    async with server.serving(directory) as kubeconfig:
        stop = asyncio.Event()
        children = (CONFIG_MAP, JOB, POD)
        found = watches.registry(controller, children, kubeconfig)
        chosen = watches.settings(children)
        chosen.watching.inactivity_timeout = silence
        watching = asyncio.create_task(watches.watch(found, chosen, ("ml",), stop))
        await eventually(lambda: len(server.watching) == len(WATCHED))
        yield Running(kube, server, controller)
        stop.set()
        await watching


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # kopf reads the kubeconfig's place from the environment only.
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    logging.getLogger("kopf").setLevel(logging.ERROR)


def ours(name: str, kind: str = "Dataset", owner: str = "flights") -> dict[str, object]:
    return {"name": name, "namespace": "ml", "labels": {LABEL_MANAGED_BY: "bucle", LABEL_KIND: kind, LABEL_NAME: owner}}


async def test_events_become_keys_and_nothing_is_ever_written(tmp_path: Path) -> None:
    kube = FakeKube(own_schemas=False)
    before = kube.put(DATASET, a_dataset())
    kube.put(CONFIG_MAP, a_config_map("someone-elses"))
    async with running(tmp_path, kube) as run:
        await eventually(lambda: run.taken() == FLIGHTS)
        kube.edit(DATASET, "ml", "flights", lambda obj: obj["spec"].update(value="2"))
        await eventually(lambda: run.taken() == FLIGHTS)

        job = a_job("flights-d1")
        job["metadata"] = ours("flights-d1")
        kube.put(JOB, job)
        await eventually(lambda: run.taken() == FLIGHTS)

        pod = an_object(POD, "flights-d1-x", spec=job["spec"]["template"]["spec"])
        pod["metadata"] = ours("flights-d1-x")
        kube.put(POD, pod)
        await eventually(lambda: run.taken() == FLIGHTS)

        kube.remove(DATASET, "ml", "flights")
        await eventually(lambda: run.taken() == FLIGHTS)
    assert before["metadata"].get("finalizers") is None
    assert {method for method, _, _ in run.server.requests} == {"GET"}


async def test_children_are_selected_on_the_server_and_parents_are_not(tmp_path: Path) -> None:
    async with running(tmp_path, FakeKube(own_schemas=False)) as run:
        selectors = {
            path.rsplit("/", 1)[-1]: query.get("labelSelector")
            for _, path, query in run.server.requests
            if query.get("watch") == "true"
        }
    managed = f"{LABEL_MANAGED_BY}=bucle"
    assert selectors == {"datasets": None, "configmaps": managed, "jobs": managed, "pods": managed}


async def test_narrow_rights_are_enough_no_namespace_or_crd_is_asked_for(tmp_path: Path) -> None:
    async with running(tmp_path, FakeKube(own_schemas=False)) as run:
        paths = [path for _, path, _ in run.server.requests]
    assert all("/namespaces/ml/" in path for path in paths if path.endswith(("datasets", "configmaps", "jobs", "pods")))
    assert not any(path.endswith(("/namespaces", "/customresourcedefinitions")) for path in paths)


async def test_a_first_list_of_many_objects_is_asked_for_in_pages_and_none_is_missed(tmp_path: Path) -> None:
    """In one answer, ten thousand objects cost 200 MB that a process never gives back."""
    kube = FakeKube(own_schemas=False)
    for index in range(250):
        kube.put(DATASET, a_dataset(f"flights{index}"))
    async with running(tmp_path, kube) as run:
        found: set[ObjectKey | None] = set()

        def all_found() -> bool:
            found.add(run.taken())
            return len(found - {None}) == 250

        await eventually(all_found)
        lists = [q for _, path, q in run.server.requests if path.endswith("/datasets") and "watch" not in q]
    assert [(query["limit"], query.get("continue")) for query in lists] == [
        ("100", None),
        ("100", "100"),
        ("100", "200"),
    ]


@pytest.mark.parametrize("compactions", [1, 3])
async def test_a_first_list_that_outlives_the_compaction_of_its_version_is_begun_anew_and_none_is_missed(
    tmp_path: Path, compactions: int
) -> None:
    """A slow server, or one that a restart of many operators keeps busy, may take more than five minutes for all pages."""
    kube = FakeKube(own_schemas=False)
    for index in range(250):
        kube.put(DATASET, a_dataset(f"flights{index}"))
    async with running(tmp_path, kube, compactions=compactions) as run:
        found: set[ObjectKey | None] = set()

        def all_found() -> bool:
            found.add(run.taken())
            return len(found - {None}) == 250

        await eventually(all_found)
        kube.put(DATASET, a_dataset("late"))
        await eventually(lambda: run.taken() == ObjectKey(DATASET, "ml", "late"))


Trouble = Callable[[FakeApiServer], None]


@pytest.mark.parametrize(
    "trouble", [FakeApiServer.expire, FakeApiServer.cut, FakeApiServer.fall_silent], ids=["410", "cut", "silent"]
)
async def test_a_watch_that_ends_or_falls_silent_is_begun_anew_and_nothing_is_deaf(
    tmp_path: Path, trouble: Trouble
) -> None:
    kube = FakeKube(own_schemas=False)
    kube.put(DATASET, a_dataset())
    async with running(tmp_path, kube, silence=0.5 if trouble is FakeApiServer.fall_silent else 70.0) as run:
        await eventually(lambda: run.taken() == FLIGHTS)
        before = dict(run.server.watching)
        trouble(run.server)
        await eventually(lambda: all(run.server.watching[plural] > count for plural, count in before.items()))
        while run.taken() is not None:  # what listing anew brought
            pass
        kube.edit(DATASET, "ml", "flights", lambda obj: obj["spec"].update(value="2"))
        await eventually(lambda: run.taken() == FLIGHTS)


async def test_what_changed_while_the_version_expired_is_found_by_listing_anew(tmp_path: Path) -> None:
    kube = FakeKube(own_schemas=False)
    kube.put(DATASET, a_dataset())
    async with running(tmp_path, kube) as run:
        await eventually(lambda: run.taken() == FLIGHTS)
        run.server.expire()
        kube.put(DATASET, a_dataset("late"))
        await eventually(lambda: run.taken() == ObjectKey(DATASET, "ml", "late"))
