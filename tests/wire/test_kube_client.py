"""Our client on the wire: the requests it makes, and what each way of answering means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from tests.support.builders.objects import a_config_map, a_dataset
from tests.support.fakes.apiserver import KUBECONFIG

from bucle.engine.kube import AlreadyExists, Conflict, Forbidden, Invalid, Kube, KubeError, NotFound, Unavailable
from bucle.engine.kube_client import connect
from bucle.engine.metrics import Metrics
from bucle.engine.objects import CONFIG_MAP, DEPLOYMENT, EVENT, JOB
from bucle.resources.addresses import DATASET

UID = "11111111-2222-3333-4444-555555555555"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def client(directory: Path, answer: Answer) -> AsyncIterator[Kube]:
    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", answer)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG.format(address=f"http://{host}:{port}"), encoding="utf-8")
    kube = await connect(Metrics(CollectorRegistry()), str(kubeconfig))
    try:
        yield kube
    finally:
        await kube.close()
        await runner.cleanup()


def stored() -> dict[str, Any]:
    obj = a_dataset()
    obj["metadata"] |= {"uid": UID, "resourceVersion": "7"}
    return obj


REQUESTS: list[tuple[str, Callable[[Kube], Awaitable[Any]], str, str, str, Any]] = [
    (
        "get",
        lambda kube: kube.get(DATASET, "ml", "flights"),
        "GET /apis/bucle.dev/v1alpha1/namespaces/ml/datasets/flights",
        "",
        "application/json",
        None,
    ),
    (
        "list",
        lambda kube: kube.list(JOB, "ml", {"b": "2", "a": "1"}),
        "GET /apis/batch/v1/namespaces/ml/jobs",
        "labelSelector=a=1,b=2&limit=100",
        "application/json",
        None,
    ),
    (
        "create",
        lambda kube: kube.create(CONFIG_MAP, a_config_map("one")),
        "POST /api/v1/namespaces/ml/configmaps",
        "fieldManager=bucle",
        "application/json",
        a_config_map("one"),
    ),
    (
        "apply",
        lambda kube: kube.apply(CONFIG_MAP, a_config_map("one")),
        "PATCH /api/v1/namespaces/ml/configmaps/one",
        "fieldManager=bucle&force=true",
        "application/apply-patch+yaml",
        a_config_map("one"),
    ),
    (
        "replace_status",
        lambda kube: kube.replace_status(DATASET, stored()),
        "PUT /apis/bucle.dev/v1alpha1/namespaces/ml/datasets/flights/status",
        "fieldManager=bucle",
        "application/json",
        stored(),
    ),
    (
        "patch_annotations",
        lambda kube: kube.patch_annotations(DEPLOYMENT, "ml", "router", {"a": "b"}),
        "PATCH /apis/apps/v1/namespaces/ml/deployments/router",
        "fieldManager=bucle",
        "application/merge-patch+json",
        {"metadata": {"annotations": {"a": "b"}}},
    ),
    (
        "delete",
        lambda kube: kube.delete(JOB, "ml", "old", UID),
        "DELETE /apis/batch/v1/namespaces/ml/jobs/old",
        "",
        "application/json",
        {"propagationPolicy": "Background", "preconditions": {"uid": UID}},
    ),
]


@pytest.mark.parametrize(
    ("call", "line", "query", "content_type", "body"), [case[1:] for case in REQUESTS], ids=[c[0] for c in REQUESTS]
)
async def test_each_verb_is_one_request(
    tmp_path: Path,
    call: Callable[[Kube], Awaitable[Any]],
    line: str,
    query: str,
    content_type: str,
    body: Any,
) -> None:
    seen: list[tuple[str, str, str, Any, str]] = []

    async def answer(request: web.Request) -> web.Response:
        text = await request.text()
        queried = "&".join(f"{key}={value}" for key, value in sorted(request.query.items()))
        told = (f"{request.method} {request.path}", queried, request.content_type, text and json.loads(text))
        seen.append((*told, request.headers.get("Authorization", "")))
        return web.json_response({"items": []})

    async with client(tmp_path, answer) as kube:
        await call(kube)
    assert seen == [(line, query, content_type, body or "", "Bearer secret-token")]


@pytest.mark.parametrize(
    ("status", "reason", "message", "error"),
    [
        (404, "NotFound", "datasets not found", NotFound),
        (409, "AlreadyExists", "already exists", AlreadyExists),
        (409, "Conflict", "the object has been modified", Conflict),
        (422, "Invalid", "spec.template: field is immutable", Invalid),
        (400, "BadRequest", "strict decoding error", Invalid),
        (500, "InternalError", "failed to convert new object: quantities must match", Invalid),
        (403, "Forbidden", "exceeded quota: pods", Forbidden),
        (401, "Unauthorized", "Unauthorized", Forbidden),
        (429, "TooManyRequests", "too many requests", Unavailable),
        (500, "InternalError", "etcdserver: request is too large", Invalid),
        (500, "InternalError", "etcdserver: request timed out", Unavailable),
        (503, "ServiceUnavailable", "not ready", Unavailable),
    ],
)
async def test_what_an_answer_means(
    tmp_path: Path, status: int, reason: str, message: str, error: type[KubeError]
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "reason": reason, "message": message}, status=status)

    async with client(tmp_path, answer) as kube:
        with pytest.raises(KubeError) as caught:
            await kube.create(DATASET, a_dataset())
    assert type(caught.value) is error
    assert message in str(caught.value), "the server's own words are kept"


async def test_an_answer_that_is_no_status_is_an_outage(tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="<html>bad gateway</html>", status=502)

    async with client(tmp_path, answer) as kube:
        with pytest.raises(Unavailable, match="bad gateway"):
            await kube.get(DATASET, "ml", "flights")


@pytest.mark.parametrize("text", ["[]", '"no"', "null", "17", '{"message": ["no"]}'])
async def test_an_error_that_is_json_and_no_status_is_an_outage_too(tmp_path: Path, text: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, status=502, content_type="application/json")

    async with client(tmp_path, answer) as kube:
        with pytest.raises(Unavailable, match="datasets/flights"):
            await kube.get(DATASET, "ml", "flights")


async def test_a_long_list_is_asked_for_in_pages_and_a_probe_asks_for_one_object(tmp_path: Path) -> None:
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        begin = int(request.query.get("continue", "0"))
        end = min(begin + int(request.query["limit"]), 250)
        metadata = {"continue": str(end)} if end < 250 else {}
        return web.json_response(
            {"metadata": metadata, "items": [{"metadata": {"name": n}} for n in range(begin, end)]}
        )

    async with client(tmp_path, answer) as kube:
        assert [item["metadata"]["name"] for item in await kube.list(DATASET, "ml")] == list(range(250))
        assert [query.get("continue") for query in asked] == [None, "100", "200"]
        asked.clear()
        assert len(await kube.list(DATASET, "ml", at_most=1)) == 1
        assert asked == [{"limit": "1"}]
        asked.clear()
        await kube.list(EVENT, "ml", at_most=20, fields={"reason": "FailedCreate", "involvedObject.name": "try"})
        assert asked[0] == {"limit": "20", "fieldSelector": "involvedObject.name=try,reason=FailedCreate"}


@pytest.mark.parametrize("text", ["<html>sign in</html>", "[]", '{"items": ['])
async def test_a_success_that_is_no_json_object_is_an_outage(tmp_path: Path, text: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, status=200)

    async with client(tmp_path, answer) as kube:
        with pytest.raises(Unavailable, match="datasets/flights: the answer is not a JSON object"):
            await kube.get(DATASET, "ml", "flights")


async def test_a_connection_that_breaks_is_an_outage(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with client(tmp_path, answer) as kube:
        with pytest.raises(Unavailable, match="datasets/flights"):
            await kube.get(DATASET, "ml", "flights")


async def test_a_read_that_hangs_ends_after_two_seconds(tmp_path: Path) -> None:
    hanging = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await hanging.wait()
        return web.Response()

    async with client(tmp_path, answer) as kube:
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable, match="no answer within 2 s"):
            await kube.get(DATASET, "ml", "flights")
        assert asyncio.get_running_loop().time() - began < 4
        hanging.set()
