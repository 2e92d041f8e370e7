"""Asks server pods how many rows they stored. HTTP and Kubernetes; decides nothing."""

from __future__ import annotations

import asyncio

import aiohttp
from pydantic import ValidationError

from bucle.contracts import names
from bucle.contracts.canonical import short_hash
from bucle.contracts.capture import Watermark
from bucle.engine.clock import Clock
from bucle.engine.kube import Kube, KubeError
from bucle.engine.reads import Absent, Known, Observation, Source, Unavailable
from bucle.externals.podhttp import Address, PodSilent, get_json, running_pods
from bucle.externals.servers.values import WatermarkRead, Watermarks


class WatermarkSource:
    """Answers WatermarkRead. Unavailable when any pod is silent: a sum without it would look like fewer rows."""

    place = "the model servers"

    def __init__(self, kube: Kube, clock: Clock, port: int = names.PORT_HTTP) -> None:
        self._kube = kube
        self._clock = clock
        self._port = port

    async def read(self, read: WatermarkRead) -> Observation[Watermarks]:
        labels = {
            names.LABEL_KIND: "ModelDeployment",
            names.LABEL_NAME: read.deployment,
            names.LABEL_COMPONENT: "serve",
        }
        try:
            pods = [pod for pod in await running_pods(self._kube, read.namespace, labels) if not pod.leaving]
            if not pods:
                return Absent(self._clock.now())
            async with aiohttp.ClientSession() as session:
                marks = await asyncio.gather(*(self._ask(session, pod, read.deployment) for pod in pods))
        except (KubeError, PodSilent) as error:
            return Unavailable(str(error))
        except ValidationError as error:
            return Unavailable(f"a server of {read.deployment} answered with another release's document: {error}")
        return Known(add_up(list(zip((pod.uid for pod in pods), marks, strict=True))), self._clock.now())

    async def _ask(self, session: aiohttp.ClientSession, pod: Address, model: str) -> Watermark:
        url = f"http://{pod.ip}:{self._port}/v1/models/{model}/watermark"
        return Watermark.model_validate(await get_json(session, url))


def add_up(marks: list[tuple[str, Watermark]]) -> Watermarks:
    """The sums over (pod uid, its watermark)."""
    return Watermarks(
        pods=len(marks),
        captured_rows=sum(mark.captured_rows for _, mark in marks),
        feedback_rows=sum(mark.feedback_rows for _, mark in marks),
        dropped_rows=sum(mark.dropped_rows for _, mark in marks),
        token=short_hash(sorted((uid, mark.as_json()) for uid, mark in marks)),
    )


def sources(kube: Kube, clock: Clock) -> dict[type, Source]:
    return {WatermarkRead: WatermarkSource(kube, clock)}
