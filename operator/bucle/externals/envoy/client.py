"""Asks router pods for their status and touches them. HTTP and Kubernetes; decides nothing."""

from __future__ import annotations

import asyncio

import aiohttp

from bucle.contracts import names
from bucle.engine.clock import Clock
from bucle.engine.kube import API_SERVER, Kube, KubeError, NotFound
from bucle.engine.objects import POD
from bucle.engine.plan import EffectFailed, Executor
from bucle.engine.reads import Known, Observation, Source, Unavailable
from bucle.externals.envoy import stats
from bucle.externals.envoy.values import RouterPod, RouterRead, RouterStatus, TouchRouters
from bucle.externals.podhttp import Address, PodSilent, get_json, running_pods


def _labels(owner_uid: str) -> dict[str, str]:
    return {names.LABEL_UID: owner_uid, names.LABEL_COMPONENT: "router"}


class RouterSource:
    """Answers RouterRead. A living pod that does not answer is in the status and says why (`silent`)."""

    place = "the router's pods"

    def __init__(self, kube: Kube, clock: Clock, port: int = names.PORT_ROUTER_STATUS) -> None:
        self._kube = kube
        self._clock = clock
        self._port = port

    async def read(self, read: RouterRead) -> Observation[RouterStatus]:
        try:
            pods = await running_pods(self._kube, read.namespace, _labels(read.owner_uid))
        except KubeError as error:
            return Unavailable(str(error))
        async with aiohttp.ClientSession() as session:
            asked = await asyncio.gather(*(self._ask(session, pod) for pod in pods))
        # A pod that was deleted and no longer answers is gone for callers too.
        living = tuple(shown for pod, shown in zip(pods, asked, strict=True) if not (pod.leaving and shown.silent))
        return Known(RouterStatus(living), self._clock.now())

    async def _ask(self, session: aiohttp.ClientSession, pod: Address) -> RouterPod:
        base = f"http://{pod.ip}:{self._port}"
        try:
            config, counted = await asyncio.gather(
                get_json(session, base + stats.CONFIG_PATH), get_json(session, base + stats.STATS_PATH)
            )
            versions, numbers = stats.shown_versions(config), stats.cluster_numbers(counted)
        except (PodSilent, KeyError, TypeError, ValueError) as error:
            return RouterPod(pod.uid, pod.name, silent=f"router pod {pod.name}: {error}")
        return RouterPod(
            uid=pod.uid,
            name=pod.name,
            cds_version=versions.cds,
            rds_version=versions.rds,
            healthy=stats.healthy_clusters(numbers),
            counts=stats.counts(numbers),
        )


class TouchExecutor:
    """Carries out TouchRouters."""

    place = API_SERVER

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def execute(self, effect: TouchRouters) -> None:
        try:
            pods = await self._kube.list(POD, effect.namespace, _labels(effect.owner_uid))
            await asyncio.gather(*(self._touch(effect, pod["metadata"]["name"]) for pod in pods))
        except KubeError as error:
            raise EffectFailed(f"touching the router pods in {effect.namespace}: {error}") from error

    async def _touch(self, effect: TouchRouters, pod: str) -> None:
        annotations = {names.ANNOTATION_TOUCHED: effect.annotation}
        try:
            await self._kube.patch_annotations(POD, effect.namespace, pod, annotations)
        except NotFound:
            return  # gone since it was listed: nothing to tell it


def sources(kube: Kube, clock: Clock) -> dict[type, Source]:
    return {RouterRead: RouterSource(kube, clock)}


def executors(kube: Kube) -> dict[type, Executor]:
    return {TouchRouters: TouchExecutor(kube)}
