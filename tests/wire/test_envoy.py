"""A real Envoy with our documents: who is asked, under which name, who gets a copy, and what is counted where."""

from __future__ import annotations

import asyncio
import io
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from tests.support.fakes.envoy import Envoy, Recorded, recorded

from bucle.externals.answers import AnswerCounts
from bucle.externals.envoy.documents import RDS_FILE, route_versions, router_documents
from bucle.externals.envoy.values import Mirror, Routes

INFER = "/v2/models/flights/infer"


@dataclass
class Bench:
    envoy: Envoy
    session: aiohttp.ClientSession
    old: Recorded
    new: Recorded

    def routes(self, new_weight: int = 0, mirror: int = 0) -> Routes:
        return Routes(
            name="flights",
            revisions=(self.old.backend(), self.new.backend()),
            stable="old",
            weights={"old": 100 - new_weight, "new": new_weight},
            mirror=Mirror("new", mirror) if mirror else None,
        )

    async def program(self, routes: Routes, *clusters: str) -> float:
        self.envoy.put(routes)
        return await self.envoy.programmed(self.session, routes, set(clusters))

    async def post(self, path: str = INFER, body: bytes = b"{}", **headers: str) -> tuple[int, dict[str, str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.post(self.envoy.url + path, data=io.BytesIO(body), headers=named) as answer:
            await answer.read()
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        old, new = [await stack.enter_async_context(recorded(name)) for name in ("old", "new")]
        session = await stack.enter_async_context(aiohttp.ClientSession())
        envoy = Envoy(tmp_path)
        stack.callback(envoy.stop)
        made = Bench(envoy, session, old, new)
        envoy.put(made.routes())
        await envoy.start(session)
        await envoy.programmed(session, made.routes(), {"old", "new", "new-shadow"})
        yield made


async def copies(backend: Recorded, wanted: int) -> None:
    """Copies are sent beside the answer, so they may arrive after it."""
    for _ in range(500):
        if len(backend.received) >= wanted:
            return
        await asyncio.sleep(0.01)


async def test_original_and_copy_carry_one_identity_that_a_client_cannot_choose(bench: Bench) -> None:
    await bench.program(bench.routes(mirror=100), "old", "new-shadow")
    answers = [await bench.post(x_bucle_id="mine", x_bucle_role="stable", x_request_id="r1") for _ in range(5)]
    await copies(bench.new, 5)
    told = [headers["x-bucle-id"] for _, headers in answers]
    assert len(set(told)) == 5 and "mine" not in told
    assert [seen.headers["x-bucle-id"] for seen in bench.old.received] == told
    assert {seen.headers["x-bucle-id"] for seen in bench.new.received} == set(told)
    assert {seen.headers["x-request-id"] for seen in bench.old.received + bench.new.received} == {"r1"}
    assert {seen.headers["x-bucle-role"] for seen in bench.old.received} == {"stable"}
    assert {seen.headers["x-bucle-role"] for seen in bench.new.received} == {"shadow"}


async def test_a_client_without_a_request_id_gets_none_made_up(bench: Bench) -> None:
    await bench.post()
    assert "x-request-id" not in bench.old.received[0].headers


async def test_a_canary_answers_as_candidate_and_its_share_is_its_weight(bench: Bench) -> None:
    await bench.program(bench.routes(new_weight=50), "old", "new")
    await asyncio.gather(*(bench.post() for _ in range(200)))
    assert {seen.headers["x-bucle-role"] for seen in bench.new.received} == {"candidate"}
    assert {seen.headers["x-bucle-role"] for seen in bench.old.received} == {"stable"}
    assert 60 <= len(bench.new.received) <= 140
    assert len(bench.new.received) + len(bench.old.received) == 200


async def test_a_promoted_revision_at_full_weight_answers_as_stable(bench: Bench) -> None:
    routes = Routes("flights", (bench.old.backend(), bench.new.backend()), "new", {"new": 100, "old": 0})
    await bench.program(routes, "new")
    await bench.post()
    assert [seen.headers["x-bucle-role"] for seen in bench.new.received] == ["stable"]
    assert bench.old.received == []


@pytest.mark.parametrize("path", ["/v1/models/flights/feedback", "/v2/models/other/infer", "/v2/models/flights", "/x"])
async def test_only_predictions_are_weighted_and_copied(bench: Bench, path: str) -> None:
    routes = Routes(
        "flights", (bench.old.backend(), bench.new.backend()), "old", {"old": 0, "new": 100}, Mirror("new", 100)
    )
    await bench.program(routes, "old", "new", "new-shadow")
    await bench.post(path)
    await bench.post(INFER)
    await copies(bench.new, 2)
    assert [(seen.path, seen.headers["x-bucle-role"]) for seen in bench.old.received] == [(path, "stable")]
    assert {seen.path for seen in bench.new.received} == {INFER}


async def test_copies_are_counted_apart_from_callers_requests(bench: Bench) -> None:
    await bench.program(bench.routes(mirror=100), "old", "new-shadow")
    bench.new.status = 500
    for _ in range(6):
        status, _ = await bench.post()
        assert status == 200
    await copies(bench.new, 6)
    view = await bench.envoy.view(bench.session)
    assert (view.counts["old"].requests, view.counts["old"].errors) == (6, 0)
    assert (view.counts["new-shadow"].requests, view.counts["new-shadow"].errors) == (6, 6)
    assert view.counts["new"].requests == 0


async def test_no_answer_at_all_counts_as_one_failure_per_request(bench: Bench) -> None:
    from tests.support.fakes.envoy import free_port

    dead = Recorded("new", free_port())
    routes = Routes("flights", (bench.old.backend(), dead.backend()), "old", {"old": 0, "new": 100})
    bench.envoy.put(routes)
    wanted = route_versions(routes).rds
    for _ in range(200):
        if (await bench.envoy.view(bench.session)).rds == wanted:
            break
        await asyncio.sleep(0.02)
    answers = [await bench.post() for _ in range(4)]
    view = await bench.envoy.view(bench.session)
    assert [status for status, _ in answers] == [503] * 4
    assert "new" not in view.healthy
    assert (view.counts["new"].requests, view.counts["new"].errors) == (4, 4)


@pytest.mark.thorough
async def test_a_body_as_large_as_a_server_takes_is_copied_whole(bench: Bench) -> None:
    await bench.program(bench.routes(mirror=100), "old", "new-shadow")
    size = 7 * 1024 * 1024
    status, _ = await bench.post(body=b"x" * size)
    await copies(bench.new, 1)
    assert status == 200
    assert [seen.size for seen in bench.old.received + bench.new.received] == [size, size]


async def test_status_can_be_read_and_nothing_can_be_done(bench: Bench) -> None:
    url = bench.envoy.status_url
    seen = {}
    for method, path in [
        ("GET", "/ready"),
        ("GET", "/stats"),
        ("POST", "/stats"),
        ("POST", "/quitquitquit"),
        ("GET", "/quitquitquit"),
        ("POST", "/drain_listeners"),
        ("GET", "/clusters"),
        ("POST", "/config_dump"),
        ("GET", "/stats/../logging"),
    ]:
        async with bench.session.request(method, url + path) as answer:
            seen[f"{method} {path}"] = answer.status
    assert {what for what, status in seen.items() if status == 200} == {"GET /ready", "GET /stats"}
    assert set(seen.values()) == {200, 404}


async def test_routes_to_a_cluster_that_is_not_there_are_shown_but_have_no_healthy_host(bench: Bench) -> None:
    stranger = Recorded("later", bench.new.port)
    routes = Routes("flights", (bench.old.backend(), stranger.backend()), "old", {"old": 0, "later": 100})
    files = router_documents(bench.routes(), bench.envoy.place)
    files[RDS_FILE] = router_documents(routes, bench.envoy.place)[RDS_FILE]
    bench.envoy.write(files)
    wanted = json.loads(files[RDS_FILE])["version_info"]
    for _ in range(200):
        view = await bench.envoy.view(bench.session)
        if view.rds == wanted:
            break
        await asyncio.sleep(0.02)
    assert view.rds == wanted, "a route to an unknown cluster is accepted, so its version alone proves nothing"
    assert "later" not in view.healthy
    assert (await bench.post())[0] == 503


async def test_an_unready_backend_leaves_the_healthy_ones(bench: Bench) -> None:
    bench.new.healthy = False
    for _ in range(300):
        if "new" not in (await bench.envoy.view(bench.session)).healthy:
            break
        await asyncio.sleep(0.02)
    view = await bench.envoy.view(bench.session)
    assert {"old", "old-shadow"} <= view.healthy
    assert not {"new", "new-shadow"} & view.healthy


@pytest.mark.thorough
async def test_weights_change_under_load_without_a_failed_request(bench: Bench) -> None:
    statuses: Counter[int] = Counter()
    stop = asyncio.Event()

    async def caller() -> None:
        for _ in range(20_000):
            if stop.is_set():
                return
            statuses[(await bench.post())[0]] += 1

    callers = [asyncio.create_task(caller()) for _ in range(8)]
    seconds = []
    for weight, mirror in [(0, 100), (10, 0), (50, 0), (100, 0), (0, 0), (50, 0), (0, 100), (100, 0)]:
        seconds.append(await bench.program(bench.routes(weight, mirror), "old", "new", "new-shadow"))
    stop.set()
    await asyncio.gather(*callers)
    print(f"{sum(statuses.values())} requests, routes shown after {min(seconds):.3f}–{max(seconds):.3f} s")
    assert set(statuses) == {200}
    assert bench.new.received and bench.old.received


async def test_nothing_ready_is_said_so(bench: Bench) -> None:
    routes = Routes("flights", (bench.new.backend(),), None)
    await bench.program(routes, "new")
    async with bench.session.post(bench.envoy.url + INFER, data=b"{}") as answer:
        assert (answer.status, await answer.json(content_type=None)) == (
            503,
            {"error": "no version of flights is ready yet"},
        )


async def test_refusals_are_counted_apart_from_failures_and_only_where_a_prediction_was_asked(bench: Bench) -> None:
    await bench.program(bench.routes(mirror=100), "old", "new-shadow")
    bench.new.status = 422
    for _ in range(5):
        await bench.post()
    await copies(bench.new, 5)
    bench.old.status = 503
    for path in ("/v1/models/flights/feedback", "/v2/models/other/infer"):
        assert (await bench.post(path))[0] == 503
    bench.old.status = 404
    assert (await bench.post("/x"))[0] == 404
    view = await bench.envoy.view(bench.session)
    assert view.counts["old"] == AnswerCounts(5, 0, 0)
    assert view.counts["new-shadow"] == AnswerCounts(5, 0, 5)
    assert "old" in view.healthy
