"""What the process looks at before it leads: all kinds, in all namespaces that it is to watch, one object of each."""

from __future__ import annotations

from tests.support.fakes.kube import FakeKube
from tests.support.worlds.simulation import PLATFORM

from bucle.app import kinds_served, rooms


async def test_every_watched_namespace_is_tried_before_anything_is_watched() -> None:
    kube = FakeKube()
    await kinds_served(kube, rooms(PLATFORM), ("first", "second"))
    asked = {(request.namespace, request.resource.plural) for request in kube.requests}
    plurals = ("datasets", "experiments", "modeldeployments", "driftpolicies")
    assert asked == {(namespace, plural) for namespace in ("first", "second") for plural in plurals}
