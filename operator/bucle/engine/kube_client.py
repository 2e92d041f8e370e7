"""The `Kube` protocol over HTTP: the official asyncio client for login and transport, raw dicts for everything else.

Its generated models are not used: they refuse what the API server accepts (an integer CPU quantity), and parsing
them costs several times the request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client, config

from bucle.engine.kube import (
    FIELD_MANAGER,
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    KubeError,
    NotFound,
    Unavailable,
)
from bucle.engine.metrics import Metrics
from bucle.engine.objects import JsonObject
from bucle.resources.addresses import Resource

READ_SECONDS = 2.0
WRITE_SECONDS = 10.0
PAGE = 100
"""Objects in one answer: so many of the largest objects are read well within a read's deadline."""
SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


def in_pod() -> bool:
    return SERVICE_ACCOUNT_TOKEN.exists()


async def connect(metrics: Metrics, kubeconfig: str | None = None) -> HttpKube:
    """In a pod by its ServiceAccount, elsewhere by the given or default kubeconfig. Unavailable when neither leads anywhere."""
    inside = kubeconfig is None and in_pod()
    try:
        if inside:
            config.load_incluster_config()
        else:
            await config.load_kube_config(config_file=kubeconfig)
    except Exception as error:
        # The loader raises whatever a wrong file makes it stumble over.
        way = "the ServiceAccount of this pod" if inside else f"kubeconfig {kubeconfig or '~/.kube/config'}"
        raise Unavailable(f"{way} does not lead to an API server: {type(error).__name__}: {error}") from error
    return HttpKube(client.ApiClient(), metrics)


class HttpKube:
    """Implements `bucle.engine.kube.Kube`. One instance per process; `close` ends its connections."""

    def __init__(self, api: Any, metrics: Metrics) -> None:
        self._api = api
        self._metrics = metrics

    async def close(self) -> None:
        await self._api.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        return await self._call(_Request("GET", resource, _path(resource, namespace, name)))

    async def list(
        self,
        resource: Resource,
        namespace: str,
        labels: Mapping[str, str] | None = None,
        at_most: int | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[JsonObject]:
        query = [("limit", str(min(PAGE, at_most or PAGE)))]
        if labels:
            query.append(("labelSelector", ",".join(f"{key}={value}" for key, value in sorted(labels.items()))))
        if fields:
            query.append(("fieldSelector", ",".join(f"{key}={value}" for key, value in sorted(fields.items()))))
        items: list[JsonObject] = []
        following: list[tuple[str, str]] = []
        while True:
            answer = await self._call(_Request("GET", resource, _path(resource, namespace), query=query + following))
            items += answer.get("items") or []
            token = (answer.get("metadata") or {}).get("continue")
            if not token or (at_most is not None and len(items) >= at_most):
                return items[:at_most]
            following = [("continue", token)]

    async def create(self, resource: Resource, manifest: JsonObject) -> JsonObject:
        namespace = manifest["metadata"].get("namespace", "")
        query = [("fieldManager", FIELD_MANAGER)]
        return await self._call(_Request("POST", resource, _path(resource, namespace), query, manifest))

    async def apply(self, resource: Resource, manifest: JsonObject) -> JsonObject:
        metadata = manifest["metadata"]
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        path = _path(resource, metadata.get("namespace", ""), metadata["name"])
        return await self._call(_Request("PATCH", resource, path, query, manifest, APPLY))

    async def merge(self, resource: Resource, manifest: JsonObject) -> JsonObject:
        metadata = manifest["metadata"]
        path = _path(resource, metadata.get("namespace", ""), metadata["name"])
        return await self._call(_Request("PATCH", resource, path, [("fieldManager", FIELD_MANAGER)], manifest, MERGE))

    async def replace(self, resource: Resource, obj: JsonObject) -> JsonObject:
        return await self._put(resource, obj, "")

    async def replace_status(self, resource: Resource, obj: JsonObject) -> JsonObject:
        return await self._put(resource, obj, "/status")

    async def _put(self, resource: Resource, obj: JsonObject, suffix: str) -> JsonObject:
        metadata = obj["metadata"]
        path = _path(resource, metadata.get("namespace", ""), metadata["name"]) + suffix
        return await self._call(_Request("PUT", resource, path, [("fieldManager", FIELD_MANAGER)], obj))

    async def patch_annotations(
        self, resource: Resource, namespace: str, name: str, annotations: Mapping[str, str]
    ) -> JsonObject:
        body = {"metadata": {"annotations": dict(annotations)}}
        query = [("fieldManager", FIELD_MANAGER)]
        return await self._call(_Request("PATCH", resource, _path(resource, namespace, name), query, body, MERGE))

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        await self._call(_Request("DELETE", resource, _path(resource, namespace, name), body=body))

    async def _call(self, request: _Request) -> JsonObject:
        seconds = READ_SECONDS if request.verb == "GET" else WRITE_SECONDS
        code = "timeout"
        try:
            async with asyncio.timeout(seconds):
                code, text = await self._send(request)
        except TimeoutError as error:
            raise Unavailable(f"{request}: no answer within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            code = "error"
            raise Unavailable(f"{request}: {type(error).__name__}: {error}") from error
        finally:
            self._metrics.request(request.verb, request.resource.plural, code)
        if code.startswith("2"):
            return _answer(text, request)
        raise _error(int(code), text, request)

    async def _send(self, request: _Request) -> tuple[str, str]:
        headers = {"Accept": "application/json", "Content-Type": request.content_type}
        prepared = await self._api.param_serialize(
            method=request.verb,
            resource_path=request.path,
            query_params=request.query,
            header_params=headers,
            body=request.body,
            auth_settings=["BearerToken"],
        )
        answer = await self._api.call_api(*prepared, _request_timeout=aiohttp.ClientTimeout(total=WRITE_SECONDS))
        raw = await answer.read()
        return str(answer.status), raw.decode() if raw else ""


class _Request:
    """One request; `str()` names it for error messages."""

    def __init__(
        self,
        verb: str,
        resource: Resource,
        path: str,
        query: list[tuple[str, str]] | None = None,
        body: JsonObject | None = None,
        content_type: str = "application/json",
    ) -> None:  # fmt: skip
        self.verb = verb
        self.resource = resource
        self.path = path
        self.query = query or []
        self.body = body
        self.content_type = content_type

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"


def _path(resource: Resource, namespace: str, name: str = "") -> str:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{scope}/{resource.plural}" + (f"/{name}" if name else "")


def _answer(text: str, request: _Request) -> JsonObject:
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        # Something between us and the API server answered in its place.
        raise Unavailable(f"{request}: the answer is not a JSON object: {text[:200]!r}")
    return answer


OUR_FAULT_AS_500 = ("failed to convert new object", "request is too large")
"""A quantity that cannot be parsed, and an object beyond etcd's limit: wrong until it is changed, however it is answered."""


def _error(code: int, text: str, request: _Request) -> KubeError:
    """The API server's Status object as one of our errors, its own words kept."""
    try:
        status = json.loads(text)
    except ValueError:
        status = None
    if not isinstance(status, dict):
        # A proxy's error may be JSON and still no object.
        status = {}
    reason, message = str(status.get("reason") or ""), str(status.get("message") or text[:500])
    told = f"{request}: {message}"
    if code == 404:
        return NotFound(told)
    if code == 409:
        return AlreadyExists(told) if reason == "AlreadyExists" else Conflict(told)
    if code in (401, 403):
        return Forbidden(told)
    if code == 422 and "metadata.uid" in message:
        # Server-side apply answers a uid that is no longer the object's with 422, where PUT and DELETE say 409.
        return Conflict(told)
    if code in (400, 405, 413, 415, 422) or (code == 500 and any(words in message for words in OUR_FAULT_AS_500)):
        return Invalid(told)
    return Unavailable(f"{told} ({code})")
