"""The rules of tests/conformance on a real API server, through our own client: what FakeKube claims is true.

Kubeconfig: BUCLE_TEST_KUBECONFIG, else ~/.cache/bucle/kubeconfig. Each rule gets a namespace that is deleted afterwards.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests import conformance
from tests.support.builders.objects import a_deployment, an_object

from bucle.engine.kube import Conflict, Forbidden, Invalid, NotFound
from bucle.engine.kube_client import HttpKube, connect
from bucle.engine.metrics import Metrics
from bucle.engine.objects import DEPLOYMENT, uid_of
from bucle.resources.addresses import Resource

NAMESPACES = Resource("", "v1", "Namespace", "namespaces")

pytestmark = pytest.mark.cluster


@pytest.fixture
async def kube() -> AsyncIterator[HttpKube]:
    kubeconfig = os.environ.get("BUCLE_TEST_KUBECONFIG") or str(Path.home() / ".cache/bucle/kubeconfig")
    found = await connect(Metrics(CollectorRegistry()), kubeconfig)
    yield found
    await found.close()


@pytest.fixture
async def namespace(kube: HttpKube) -> AsyncIterator[str]:
    name = f"conformance-{uuid.uuid4().hex[:8]}"
    manifest = an_object(NAMESPACES, name)
    del manifest["metadata"]["namespace"]
    made = await kube.create(NAMESPACES, manifest)
    yield name
    with contextlib.suppress(NotFound, Conflict):
        await kube.delete(NAMESPACES, "", name, uid_of(made))


@pytest.mark.parametrize("rule", conformance.RULES, ids=lambda rule: rule.__name__)
async def test_rule(rule: conformance.Rule, kube: HttpKube, namespace: str) -> None:
    await rule(kube, namespace)


async def test_a_wrong_quantity_is_the_users_mistake(kube: HttpKube, namespace: str) -> None:
    manifest = a_deployment("server", namespace)
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "xx"}}
    with pytest.raises(Invalid, match=r"(?i)quantit"):
        await kube.create(DEPLOYMENT, manifest)


async def test_an_unknown_kind_is_not_found(kube: HttpKube, namespace: str) -> None:
    with pytest.raises(NotFound):
        await kube.list(Resource("bucle.dev", "v1alpha1", "Nothing", "nothings"), namespace)


async def test_a_namespace_under_deletion_refuses_children(kube: HttpKube, namespace: str) -> None:
    live = await kube.get(NAMESPACES, "", namespace)
    await kube.delete(NAMESPACES, "", namespace, uid_of(live))
    with pytest.raises((Forbidden, NotFound)):
        await kube.create(DEPLOYMENT, a_deployment("late", namespace))
