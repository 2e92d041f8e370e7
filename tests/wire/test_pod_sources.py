"""The sources that ask pods by IP, against small HTTP servers on loopback: what is known, absent, unavailable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from tests.support.fakes.envoy import free_port

from bucle.contracts.evidence import Evidence, Query
from bucle.contracts.names import ANNOTATION_TOUCHED
from bucle.engine.clock import SystemClock
from bucle.engine.kube import NotFound
from bucle.engine.kube import Unavailable as KubeUnavailable
from bucle.engine.plan import EffectFailed
from bucle.engine.reads import Absent, Known, Unavailable
from bucle.externals.envoy.client import RouterSource, TouchExecutor
from bucle.externals.envoy.values import RouterRead, TouchRouters
from bucle.externals.judge.client import EvidenceSource
from bucle.externals.judge.values import EvidenceRead
from bucle.externals.servers.client import WatermarkSource
from bucle.externals.servers.values import WatermarkRead

QUERY = Query(rollout="ro", step=0, started_at="2026-01-01T00:00:00+00:00", stable="old", candidate="new")


@dataclass
class Pods:
    """As much of the Kube protocol as these clients use."""

    pods: list[dict[str, Any]] = field(default_factory=list)
    down: bool = False
    gone: set[str] = field(default_factory=set)
    touched: dict[str, Mapping[str, str]] = field(default_factory=dict)

    async def list(
        self, resource: Any, namespace: str, labels: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        if self.down:
            raise KubeUnavailable("the API server did not answer")
        return list(self.pods)

    async def patch_annotations(self, resource: Any, namespace: str, name: str, annotations: Mapping[str, str]) -> Any:
        if name in self.gone:
            raise NotFound(name)
        self.touched[name] = annotations
        return {}


def pod(name: str, ip: str = "127.0.0.1", *, running: bool = True, leaving: bool = False) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "uid": f"uid-{name}"}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    state = {"running": {}} if running else {"waiting": {"reason": "CrashLoopBackOff"}}
    return {"metadata": metadata, "status": {"podIP": ip, "phase": "Running", "containerStatuses": [{"state": state}]}}


@asynccontextmanager
async def answering(answers: dict[str, Any]) -> AsyncIterator[int]:
    """A pod on 127.0.0.1 that answers JSON by path, 500 to everything else; yields its port."""

    async def answer(request: web.Request) -> web.Response:
        if request.path not in answers:
            return web.Response(status=500, text="no such thing")
        return web.json_response(answers[request.path])

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


Serve = Callable[[dict[str, Any]], Any]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:
        yield lambda answers: stack.enter_async_context(answering(answers))


ROUTER = {
    "/config_dump": {
        "configs": [
            {"@type": "x/envoy.admin.v3.ClustersConfigDump", "version_info": "c"},
            {
                "@type": "x/envoy.admin.v3.RoutesConfigDump",
                "dynamic_route_configs": [{"version_info": "r", "route_config": {"name": "bucle"}}],
            },
        ]
    },
    "/stats": {"stats": [{"name": "cluster.old.membership_healthy", "value": 1}]},
}


async def test_every_living_router_pod_is_in_the_status_also_one_that_is_silent(serve: Serve) -> None:
    port = await serve(ROUTER)
    kube = Pods([pod("a"), pod("b", "127.0.0.9"), pod("c", running=False), pod("d", "127.0.0.9", leaving=True)])
    seen = await RouterSource(kube, SystemClock(), port).read(RouterRead("ns", "u"))  # type: ignore[arg-type]
    assert isinstance(seen, Known)
    a, b = seen.value.pods
    assert (a.uid, a.cds_version, a.rds_version, a.healthy, a.silent) == ("uid-a", "c", "r", frozenset({"old"}), None)
    assert (b.name, b.cds_version) == ("b", None)
    assert b.silent is not None and "router pod b" in b.silent


async def test_a_router_that_leaves_but_still_answers_still_counts(serve: Serve) -> None:
    port = await serve(ROUTER)
    kube = Pods([pod("a", leaving=True)])
    seen = await RouterSource(kube, SystemClock(), port).read(RouterRead("ns", "u"))  # type: ignore[arg-type]
    assert isinstance(seen, Known) and [p.name for p in seen.value.pods] == ["a"]


async def test_without_the_api_server_nothing_is_known_about_pods() -> None:
    kube: Any = Pods(down=True)
    clock = SystemClock()
    for seen in (
        await RouterSource(kube, clock).read(RouterRead("ns", "u")),
        await EvidenceSource(kube, clock).read(EvidenceRead("ns", "u", QUERY)),
        await WatermarkSource(kube, clock).read(WatermarkRead("ns", "flights")),
    ):
        assert seen == Unavailable("the API server did not answer")
    with pytest.raises(EffectFailed):
        await TouchExecutor(kube).execute(TouchRouters("ns", "u", "v", "1"))


async def test_touching_reaches_every_pod_and_forgives_one_that_went() -> None:
    kube: Any = Pods([pod("a"), pod("b")], gone={"a"})
    await TouchExecutor(kube).execute(TouchRouters("ns", "u", "v", "7"))
    assert kube.touched == {"b": {ANNOTATION_TOUCHED: "v-7"}}


def evidence(query: Query) -> dict[str, Any]:
    counts = dict.fromkeys(("requests", "pairs", "labelled", "missing", "dropped", "open_rows", "ungrouped"), 0)
    now = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    return Evidence.model_validate(
        {"query": query, "metric": "log_loss", "watermark": now, "groups": (), **counts}
    ).as_json()


async def test_evidence_counts_only_as_the_answer_to_this_question(serve: Serve) -> None:
    kube: Any = Pods([pod("j")])
    read = EvidenceRead("ns", "u", QUERY)
    current = await serve({"/evidence": evidence(QUERY)})
    older = await serve({"/evidence": evidence(QUERY.model_copy(update={"step": 1}))})
    broken = await serve({})
    seen = await EvidenceSource(kube, SystemClock(), current).read(read)
    assert isinstance(seen, Known) and seen.value.query == QUERY
    assert isinstance(await EvidenceSource(kube, SystemClock(), older).read(read), Unavailable)
    silent = await EvidenceSource(kube, SystemClock(), broken).read(read)
    assert isinstance(silent, Unavailable) and "500: no such thing" in silent.why
    kube.pods = [pod("j", running=False)]
    assert isinstance(await EvidenceSource(kube, SystemClock(), current).read(read), Absent)


async def test_watermarks_are_added_up_or_unknown(serve: Serve) -> None:
    mark = {"startedAt": "t", "capturedRows": 3, "feedbackRows": 2, "droppedRows": 1}
    port = await serve({"/v1/models/flights/watermark": mark})
    kube: Any = Pods([pod("a"), pod("b")])
    source = WatermarkSource(kube, SystemClock(), port)
    seen = await source.read(WatermarkRead("ns", "flights"))
    assert isinstance(seen, Known)
    assert (seen.value.pods, seen.value.captured_rows, seen.value.feedback_rows, seen.value.dropped_rows) == (
        2,
        6,
        4,
        2,
    )
    assert (await source.read(WatermarkRead("ns", "flights"))).value.token == seen.value.token  # type: ignore[union-attr]
    kube.pods = [pod("a"), pod("b", "127.0.0.9")]
    assert isinstance(await source.read(WatermarkRead("ns", "flights")), Unavailable)
    kube.pods = []
    assert isinstance(await source.read(WatermarkRead("ns", "flights")), Absent)
