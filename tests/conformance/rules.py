"""How a rule is written down, and what several of them do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bucle.engine.kube import Conflict, Kube
from bucle.engine.objects import JsonObject, uid_of
from bucle.resources.addresses import Resource

Rule = Callable[[Kube, str], Awaitable[None]]
RULES: list[Rule] = []
PATIENCE_SECONDS = 30


def rule(function: Rule) -> Rule:
    RULES.append(function)
    return function


def partial(resource: Resource, live: JsonObject, **fields: Any) -> JsonObject:
    """A server-side apply of only these fields, on exactly that object."""
    metadata = {"name": live["metadata"]["name"], "namespace": live["metadata"]["namespace"], "uid": uid_of(live)}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **fields}


async def put_spec(kube: Kube, resource: Resource, namespace: str, name: str, spec: JsonObject) -> JsonObject:
    """The object as stored with that spec, although a real controller writes its status meanwhile."""
    for _ in range(PATIENCE_SECONDS * 10):
        live = await kube.get(resource, namespace, name)
        try:
            return await kube.replace(resource, {**live, "spec": spec})
        except Conflict:
            await asyncio.sleep(0.1)
    raise AssertionError(f"{resource.kind} {name}: its controller still writes status after {PATIENCE_SECONDS} s")


async def put_status(
    kube: Kube, resource: Resource, namespace: str, name: str, change: Callable[[JsonObject], JsonObject]
) -> tuple[JsonObject, JsonObject]:
    """The object as read and as stored. A real controller writes the status of a new object several times, so what it
    wrote in between is read again, as the engine does, until a write goes through."""
    for _ in range(PATIENCE_SECONDS * 10):
        live = await kube.get(resource, namespace, name)
        try:
            return live, await kube.replace_status(resource, change(live))
        except Conflict:
            await asyncio.sleep(0.1)
    raise AssertionError(f"{resource.kind} {name}: its controller still writes status after {PATIENCE_SECONDS} s")
