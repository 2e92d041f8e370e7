"""What the API server makes of what it is given: defaults, pruning, refusals."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from tests.conformance.rules import partial, put_status, rule
from tests.support.builders.objects import a_config_map, a_deployment, a_job, a_service, an_object

from bucle.engine.kube import Invalid, Kube
from bucle.engine.objects import CONFIG_MAP, DEPLOYMENT, JOB, SERVICE, JsonObject
from bucle.resources.addresses import DATASET, Resource


@rule
async def a_quantity_is_stored_in_the_largest_unit_in_which_it_is_whole(kube: Kube, namespace: str) -> None:
    manifest = a_deployment("server", namespace)
    written = {"cpu": "0.5", "memory": "1024Mi", "ephemeral-storage": "1500M"}
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = {
        "requests": written,
        "limits": {"cpu": "1000m", "memory": "2.5Gi", "ephemeral-storage": "2000M"},
    }
    live = await kube.create(DEPLOYMENT, manifest)
    assert live["spec"]["template"]["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi", "ephemeral-storage": "1500M"},
        "limits": {"cpu": "1", "memory": "2560Mi", "ephemeral-storage": "2G"},
    }


DATASET_SPEC: JsonObject = {
    "sources": [{"uri": {"location": "s3://bucle/raw/*.parquet", "parquet": {}}}],
    "schema": {
        "target": {"name": "late", "task": "Binary", "positive": "1"},
        "columns": [{"name": "hour", "type": "Integer"}, {"name": "flight_id", "type": "Text", "role": "Id"}],
    },
    "splits": {"hash": {"key": "flight_id"}, "train": 70, "validation": 15, "test": 15},
}


@rule
async def a_new_object_of_ours_has_the_defaults_of_its_schema(kube: Kube, namespace: str) -> None:
    live = await kube.create(DATASET, an_object(DATASET, "flights", namespace, spec=DATASET_SPEC))
    assert live["status"] == {"observedGeneration": -1}


@rule
async def a_field_that_our_schema_does_not_name_is_dropped(kube: Kube, namespace: str) -> None:
    spec = {**DATASET_SPEC, "surprise": 1, "splits": {**DATASET_SPEC["splits"], "more": {"deep": True}}}
    live = await kube.create(DATASET, an_object(DATASET, "flights", namespace, spec=spec))
    assert "surprise" not in live["spec"]
    assert "more" not in live["spec"]["splits"]
    _, stored = await put_status(kube, DATASET, namespace, "flights", lambda obj: {**obj, "status": {"surprise": 1}})
    assert "surprise" not in stored["status"]


def a_condition(**fields: Any) -> JsonObject:
    now = "2026-01-01T00:00:00Z"
    return {"type": "Ready", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": now, **fields}


STATUSES_REFUSED: dict[str, JsonObject] = {
    "too long": {"conditions": [a_condition(message="x" * 40_000)]},
    "no instant": {"conditions": [a_condition(lastTransitionTime="yesterday")]},
    "not of the enum": {"conditions": [a_condition(status="Perhaps")]},
    "required": {"conditions": [{"type": "Ready"}]},
    "twice in a map": {"conditions": [a_condition(), a_condition()]},
    "another type": {"observedGeneration": "one"},
}


def _with_status(status: JsonObject) -> Callable[[JsonObject], JsonObject]:
    return lambda obj: {**obj, "status": status}


@rule
async def a_status_that_breaks_our_schema_is_refused(kube: Kube, namespace: str) -> None:
    await kube.create(DATASET, an_object(DATASET, "flights", namespace, spec=DATASET_SPEC))
    for why, status in STATUSES_REFUSED.items():
        with pytest.raises(Invalid):
            _, stored = await put_status(kube, DATASET, namespace, "flights", _with_status(status))
            raise AssertionError(f"a status that is {why} was stored: {stored['status']}")
    # Compared with what was refused, not with nothing: an operator may be running beside the rules.
    stored = (await kube.get(DATASET, namespace, "flights"))["status"]
    assert not any(status.items() <= stored.items() for status in STATUSES_REFUSED.values())


@rule
async def what_is_null_is_not_stored(kube: Kube, namespace: str) -> None:
    await kube.create(DATASET, an_object(DATASET, "flights", namespace, spec=DATASET_SPEC))
    status = {"observedGeneration": 1, "current": None}
    _, stored = await put_status(kube, DATASET, namespace, "flights", lambda obj: {**obj, "status": status})
    assert "current" not in stored["status"]


@rule
async def a_spec_that_breaks_our_schema_is_refused(kube: Kube, namespace: str) -> None:
    for spec in ({}, {**DATASET_SPEC, "sources": []}, {**DATASET_SPEC, "splits": "even"}):
        with pytest.raises(Invalid):
            await kube.create(DATASET, an_object(DATASET, "flights", namespace, spec=spec))


def changed(manifest: JsonObject, path: str, value: Any) -> JsonObject:
    """A copy with another value at that path; numbers count in lists."""
    made = copy.deepcopy(manifest)
    *way, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    place: Any = made
    for step in way:
        place = place[step]
    place[last] = value
    return made


CONTAINER = "spec/template/spec/containers/0"
LONG = "x" * 64
CHILDREN_REFUSED: dict[str, tuple[Resource, Callable[[str], JsonObject], str, Any]] = {
    "a name in capitals": (JOB, lambda ns: a_job("job", ns), "metadata/name", "Job"),
    "a label value over 63 characters": (JOB, lambda ns: a_job("job", ns), "metadata/labels", {"a": LONG}),
    "a label value with a space": (JOB, lambda ns: a_job("job", ns), "metadata/labels", {"a": "b c"}),
    "annotations over 256 KiB": (JOB, lambda ns: a_job("job", ns), "metadata/annotations", {"a": "x" * 262_144}),
    "a Job whose pods restart": (JOB, lambda ns: a_job("job", ns), "spec/template/spec/restartPolicy", "Always"),
    "a Job that takes back time": (JOB, lambda ns: a_job("job", ns), "spec/ttlSecondsAfterFinished", -1),
    "a text for a number": (JOB, lambda ns: a_job("job", ns), "spec/backoffLimit", "none"),
    "no image": (JOB, lambda ns: a_job("job", ns), f"{CONTAINER}/image", ""),
    "a container's name with a dot": (JOB, lambda ns: a_job("job", ns), f"{CONTAINER}/name", "a.b"),
    "a mount of no volume": (
        JOB,
        lambda ns: a_job("job", ns),
        f"{CONTAINER}/volumeMounts",
        [{"name": "none", "mountPath": "/x"}],
    ),
    "a port of 70000": (JOB, lambda ns: a_job("job", ns), f"{CONTAINER}/ports", [{"containerPort": 70_000}]),
    "a negative quantity": (JOB, lambda ns: a_job("job", ns), f"{CONTAINER}/resources", {"limits": {"cpu": "-1"}}),
    "a selector of other pods": (
        DEPLOYMENT,
        lambda ns: a_deployment("server", ns),
        "spec/selector/matchLabels",
        {"app": "other"},
    ),
    "fewer than no replicas": (DEPLOYMENT, lambda ns: a_deployment("server", ns), "spec/replicas", -1),
    "a Service's name with a digit first": (SERVICE, lambda ns: a_service("svc", ns, {}), "metadata/name", "1svc"),
    "two ports without names": (
        SERVICE,
        lambda ns: a_service("svc", ns, {}),
        "spec/ports",
        [{"port": 80}, {"port": 81}],
    ),
    "a key that is no file name": (CONFIG_MAP, lambda ns: a_config_map("one", namespace=ns), "data", {"a/b": ""}),
    "more than 1 MiB of data": (
        CONFIG_MAP,
        lambda ns: a_config_map("one", namespace=ns),
        "data",
        {"a": "x" * (1024 * 1024 + 1)},
    ),
}


@rule
async def a_child_that_breaks_a_rule_of_kubernetes_is_refused(kube: Kube, namespace: str) -> None:
    for why, (resource, build, path, value) in CHILDREN_REFUSED.items():
        with pytest.raises(Invalid), warnings.catch_warnings():
            # aiohttp's advice for bodies over 1 MiB; the one case of that size is refused anyway.
            warnings.simplefilter("ignore", ResourceWarning)
            await kube.create(resource, changed(build(namespace), path, value))
            raise AssertionError(f"{resource.kind}: {why} was stored")


@rule
async def a_field_that_a_core_kind_does_not_have_is_dropped(kube: Kube, namespace: str) -> None:
    for resource, manifest in ((JOB, a_job("job", namespace)), (DEPLOYMENT, a_deployment("server", namespace))):
        live = await kube.create(resource, changed(manifest, f"{CONTAINER}/surprise", 1))
        assert "surprise" not in live["spec"]["template"]["spec"]["containers"][0]


@rule
async def selectors_and_immutable_data_stay(kube: Kube, namespace: str) -> None:
    server = await kube.create(DEPLOYMENT, a_deployment("server", namespace))
    selector = {"matchLabels": {"app": "server", "more": "x"}}
    template = {"metadata": {"labels": {"more": "x"}}}
    with pytest.raises(Invalid):
        await kube.apply(DEPLOYMENT, partial(DEPLOYMENT, server, spec={"selector": selector, "template": template}))
    fixed = {**a_config_map("fixed", {"a": "1"}, namespace=namespace), "immutable": True}
    live = await kube.create(CONFIG_MAP, fixed)
    with pytest.raises(Invalid):
        await kube.apply(CONFIG_MAP, partial(CONFIG_MAP, live, data={"a": "2"}))
