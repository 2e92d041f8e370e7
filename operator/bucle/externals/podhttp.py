"""Asking pods by their IP: which pods of an owner can answer, and one GET with a time limit.

Knows pods as raw dicts and HTTP by aiohttp; knows nothing of what the answers mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from bucle.engine.kube import Kube
from bucle.engine.objects import POD, JsonObject, uid_of

ANSWER_LIMIT_SECONDS = 1.5
"""Below the engine's 2 s for a whole read, so that one silent pod is told by name and does not hide the others."""


class PodSilent(Exception):
    """The pod did not answer, or not with what was asked; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """A pod with a running container and an IP. `leaving`: it was deleted and drains."""

    uid: str
    name: str
    ip: str
    leaving: bool


async def running_pods(kube: Kube, namespace: str, labels: dict[str, str]) -> list[Address]:
    """Pods that may be answering someone, by name. Raises KubeError."""
    found = [address_of(pod) for pod in await kube.list(POD, namespace, labels)]
    return sorted((address for address in found if address is not None), key=lambda address: address.name)


def address_of(pod: JsonObject) -> Address | None:
    """None for a pod that cannot answer anyone: no IP yet, ended, or between two starts of its container."""
    status = pod.get("status") or {}
    running = any("running" in (c.get("state") or {}) for c in status.get("containerStatuses") or ())
    if not status.get("podIP") or not running or status.get("phase") in ("Succeeded", "Failed"):
        return None
    metadata = pod["metadata"]
    return Address(uid_of(pod), metadata["name"], status["podIP"], bool(metadata.get("deletionTimestamp")))


async def get_json(session: aiohttp.ClientSession, url: str) -> Any:
    """The JSON of a 200 answer. Raises PodSilent for anything else, with the server's own words."""
    # Encoded by the caller: aiohttp would decode %2B in a pattern to a plus sign, which then means a space.
    from yarl import URL

    try:
        async with session.get(URL(url, encoded=True), timeout=aiohttp.ClientTimeout(ANSWER_LIMIT_SECONDS)) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise PodSilent(f"GET {url} was answered {answer.status}: {body[:300].decode(errors='replace')}")
            return orjson.loads(body)
    except TimeoutError as error:
        raise PodSilent(f"GET {url} was not answered within {ANSWER_LIMIT_SECONDS:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise PodSilent(f"GET {url} failed: {error}") from error
    except ValueError as error:
        raise PodSilent(f"GET {url} was answered with something that is no JSON") from error
