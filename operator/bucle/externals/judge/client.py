"""Asks the judge pod of a running rollout for its evidence. HTTP and Kubernetes; decides nothing."""

from __future__ import annotations

from urllib.parse import urlencode

import aiohttp
from pydantic import ValidationError

from bucle.contracts import names
from bucle.contracts.evidence import Evidence
from bucle.engine.clock import Clock
from bucle.engine.kube import Kube, KubeError
from bucle.engine.reads import Absent, Known, Observation, Source, Unavailable
from bucle.externals.judge.values import EvidenceRead
from bucle.externals.podhttp import PodSilent, get_json, running_pods


class EvidenceSource:
    """Answers EvidenceRead."""

    place = "the judge's pod"

    def __init__(self, kube: Kube, clock: Clock, port: int = names.PORT_JUDGE) -> None:
        self._kube = kube
        self._clock = clock
        self._port = port

    async def read(self, read: EvidenceRead) -> Observation[Evidence]:
        labels = {names.LABEL_UID: read.owner_uid, names.LABEL_COMPONENT: "judge"}
        try:
            pods = [pod for pod in await running_pods(self._kube, read.namespace, labels) if not pod.leaving]
        except KubeError as error:
            return Unavailable(str(error))
        if not pods:
            return Absent(self._clock.now())
        asked = urlencode({name: str(value) for name, value in read.query.model_dump(by_alias=False).items()})
        try:
            async with aiohttp.ClientSession() as session:
                body = await get_json(session, f"http://{pods[0].ip}:{self._port}/evidence?{asked}")
            evidence = Evidence.model_validate(body)
        except PodSilent as error:
            return Unavailable(f"judge pod {pods[0].name}: {error}")
        except ValidationError as error:
            return Unavailable(
                f"judge pod {pods[0].name} answered with another release's document: {error.errors()[0]}"
            )
        if evidence.query != read.query:
            return Unavailable(f"judge pod {pods[0].name} answered an older question; it is asked again")
        return Known(evidence, self._clock.now())


def sources(kube: Kube, clock: Clock) -> dict[type, Source]:
    return {EvidenceRead: EvidenceSource(kube, clock)}
