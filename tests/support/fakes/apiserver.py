"""FakeKube over HTTP, as far as kopf and our client need it: discovery, lists, watches, and the verbs of `Kube`.

What a network does to watches is done by `expire`, `cut` and `fall_silent`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from tests.support.fakes.kube import FakeKube
from tests.support.fakes.stored import selected_by

from bucle.engine.kube import AlreadyExists, Conflict, KubeError, NotFound
from bucle.engine.objects import JsonObject, labels_of
from bucle.resources.addresses import Resource

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: fake
contexts: [{{name: fake, context: {{cluster: fake, user: fake}}}}]
clusters: [{{name: fake, cluster: {{server: "{address}"}}}}]
users: [{{name: fake, user: {{token: "secret-token"}}}}]
"""


class FakeApiServer:
    """`requests` holds (method, path, query) of all that came in; `watching` counts open watches by plural."""

    def __init__(self, kube: FakeKube, resources: tuple[Resource, ...]) -> None:
        self.kube = kube
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.watching: dict[str, int] = {}
        self.denied: set[tuple[str, str]] = set()
        """Verb and plural of what the user may not do: `("list", "datasets")`."""
        self._resources = {(r.group, r.version, r.plural): r for r in resources}
        self._streams: list[tuple[Resource, dict[str, str], asyncio.Queue[Any]]] = []
        self._compactions = 0
        kube.on_change.append(self._changed)

    @asynccontextmanager
    async def serving(self, directory: Path) -> AsyncIterator[str]:
        """Serves on a free port of the loopback; gives the path of a kubeconfig that leads there."""
        app = web.Application()
        app.add_routes([web.route("*", "/{path:.*}", self._answer)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        kubeconfig = directory / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG.format(address=f"http://{host}:{port}"), encoding="utf-8")
        try:
            yield str(kubeconfig)
        finally:
            for _, _, queue in self._streams:
                queue.put_nowait(None)
            await runner.cleanup()

    def expire(self) -> None:
        """Every watch is told that its resourceVersion is too old, as after five quiet minutes, and ends."""
        gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
        for _, _, queue in self._streams:
            queue.put_nowait({"type": "ERROR", "object": gone})
        self.cut()

    def compact_between_pages(self, times: int) -> None:
        """The next so many answers to a `continue` are 410: what the first page was read from is compacted by then."""
        self._compactions = times

    def cut(self) -> None:
        """Every watch ends, as when the API server restarts or a proxy closes long connections."""
        for _, _, queue in self._streams:
            queue.put_nowait(None)
        self._streams.clear()

    def fall_silent(self) -> None:
        """Every watch stays open and says nothing any more, as behind a firewall that forgot the connection."""
        self._streams.clear()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.query)))
        parts = request.path.strip("/").split("/")
        if parts == ["version"]:
            return web.json_response({"major": "1", "minor": "34"})
        if parts == ["api"]:
            return web.json_response({"versions": ["v1"]})
        if parts == ["apis"]:
            return web.json_response({"groups": self._groups()})
        group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
        if not rest:
            return web.json_response({"resources": self._discovery(group, version)})
        namespace, rest = (rest[1], rest[2:]) if rest[0] == "namespaces" and len(rest) > 2 else ("", rest)
        resource = self._resources.get((group, version, rest[0]))
        if resource is None:
            return _refused(NotFound(f"no kind {group}/{version} {rest[0]} is served"))
        many = request.method == "GET" and len(rest) == 1
        verb = "list" if many else "get" if request.method == "GET" else request.method.lower()
        if (verb, resource.plural) in self.denied:
            return _forbidden(verb, resource, namespace)
        if many:
            return await self._many(request, resource, namespace)
        try:
            return web.json_response(await self._one(request, resource, namespace, rest[1:]))
        except KubeError as error:
            return _refused(error)

    async def _one(self, request: web.Request, resource: Resource, namespace: str, rest: list[str]) -> JsonObject:
        """One verb of `Kube` on one object; `rest` is its name and subresource."""
        body = json.loads(await request.text() or "null")
        if request.method == "GET":
            return await self.kube.get(resource, namespace, rest[0])
        if request.method == "POST":
            return await self.kube.create(resource, body)
        if request.method == "PUT":
            put = self.kube.replace_status if rest[1:] == ["status"] else self.kube.replace
            return await put(resource, body)
        if request.method == "DELETE":
            await self.kube.delete(resource, namespace, rest[0], body["preconditions"]["uid"])
            return {"kind": "Status", "status": "Success"}
        if request.content_type == "application/apply-patch+yaml":
            return await self.kube.apply(resource, body)
        if set(body) != {"metadata"}:
            return await self.kube.merge(resource, body)
        return await self.kube.patch_annotations(resource, namespace, rest[0], body["metadata"]["annotations"])

    async def _many(self, request: web.Request, resource: Resource, namespace: str) -> web.StreamResponse:
        if request.query.get("watch") == "true":
            return await self._watch(request, resource)
        items = [item for item in self.kube.all(resource, namespace or None) if _selected(item, dict(request.query))]
        begin = int(request.query.get("continue") or 0)
        if begin and self._compactions:
            self._compactions -= 1
            message = "The provided continue parameter is too old to display a consistent list result."
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410}
            return web.json_response({**status, "message": message}, status=410)
        end = begin + int(request.query.get("limit") or len(items) or 1)
        more = {"continue": str(end)} if end < len(items) else {}
        return web.json_response({"metadata": {"resourceVersion": "100", **more}, "items": items[begin:end]})

    async def _watch(self, request: web.Request, resource: Resource) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._streams.append((resource, dict(request.query), queue))
        self.watching[resource.plural] = self.watching.get(resource.plural, 0) + 1
        while (event := await queue.get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        return response

    def _changed(self, resource: Resource, obj: JsonObject, event: str) -> None:
        for watched, query, queue in self._streams:
            if watched == resource and _selected(obj, query):
                queue.put_nowait({"type": event, "object": obj})

    def _groups(self) -> list[JsonObject]:
        found = sorted({(group, version) for group, version, _ in self._resources if group})
        versions = [(group, {"groupVersion": f"{group}/{version}", "version": version}) for group, version in found]
        return [{"name": group, "versions": [entry], "preferredVersion": entry} for group, entry in versions]

    def _discovery(self, group: str, version: str) -> list[JsonObject]:
        return [
            {
                "name": resource.plural,
                "singularName": resource.kind.lower(),
                "kind": resource.kind,
                "namespaced": True,
                "verbs": ["get", "list", "watch", "patch"],
            }
            for (g, v, _), resource in self._resources.items()
            if (g, v) == (group, version)
        ]


def _refused(error: KubeError) -> web.Response:
    code = 404 if isinstance(error, NotFound) else 409 if isinstance(error, AlreadyExists | Conflict) else 422
    status = {"kind": "Status", "code": code, "reason": type(error).__name__, "message": str(error)}
    return web.json_response(status, status=code)


def _forbidden(verb: str, resource: Resource, namespace: str) -> web.Response:
    """In a real server's words."""
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    qualified = f"{resource.plural}.{resource.group}".rstrip(".")
    message = (
        f'{qualified} is forbidden: User "jane" cannot {verb} resource "{resource.plural}" '
        f'in API group "{resource.group}" {where}'
    )
    status = {"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": message}
    return web.json_response(status, status=403)


def _selected(obj: JsonObject, query: dict[str, str]) -> bool:
    pairs = [pair.split("=", 1) for pair in query.get("labelSelector", "").split(",") if pair]
    fields = dict(pair.split("=", 1) for pair in query.get("fieldSelector", "").split(",") if pair)
    return all(labels_of(obj).get(key) == value for key, value in pairs) and selected_by(fields, obj)
