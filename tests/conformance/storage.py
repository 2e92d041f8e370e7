"""How objects are stored, merged, guarded and collected."""

from __future__ import annotations

import asyncio
import copy

import pytest
from tests.conformance.rules import PATIENCE_SECONDS, partial, put_spec, put_status, rule
from tests.support.builders.objects import a_config_map, a_deployment, a_job, a_service, an_object

from bucle.engine.kube import AlreadyExists, Conflict, Invalid, Kube, NotFound
from bucle.engine.objects import (
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    JsonObject,
    owner_reference,
    uid_of,
)
from bucle.resources.addresses import Resource


def version_of(obj: JsonObject) -> str:
    return str(obj["metadata"]["resourceVersion"])


async def gone(kube: Kube, resource: Resource, namespace: str, name: str) -> bool:
    """Garbage collection takes its time on a real server; the fake collects at once."""
    for _ in range(PATIENCE_SECONDS * 2):
        try:
            await kube.get(resource, namespace, name)
        except NotFound:
            return True
        await asyncio.sleep(0.5)
    return False


@rule
async def a_created_object_gets_uid_version_and_generation(kube: Kube, namespace: str) -> None:
    job = await kube.create(JOB, a_job("job", namespace))
    assert uid_of(job)
    assert version_of(job)
    assert job["metadata"]["generation"] == 1
    assert uid_of(await kube.get(JOB, namespace, "job")) == uid_of(job)


@rule
async def status_in_a_create_is_dropped(kube: Kube, namespace: str) -> None:
    job = await kube.create(JOB, {**a_job("job", namespace), "status": {"succeeded": 7}})
    assert "succeeded" not in job.get("status", {})


@rule
async def a_second_create_of_a_name_is_refused(kube: Kube, namespace: str) -> None:
    await kube.create(CONFIG_MAP, a_config_map("one", namespace=namespace))
    with pytest.raises(AlreadyExists):
        await kube.create(CONFIG_MAP, a_config_map("one", namespace=namespace))


@rule
async def what_does_not_exist_is_not_found(kube: Kube, namespace: str) -> None:
    with pytest.raises(NotFound):
        await kube.get(CONFIG_MAP, namespace, "none")
    with pytest.raises(NotFound):
        await kube.delete(CONFIG_MAP, namespace, "none", "11111111-2222-3333-4444-555555555555")
    with pytest.raises(NotFound):
        await kube.patch_annotations(CONFIG_MAP, namespace, "none", {"a": "b"})


@rule
async def a_list_selects_by_all_labels(kube: Kube, namespace: str) -> None:
    for name, labels in {"a": {"x": "1", "y": "1"}, "b": {"x": "1"}, "c": {}}.items():
        manifest = a_config_map(name, namespace=namespace)
        manifest["metadata"]["labels"] = labels
        await kube.create(CONFIG_MAP, manifest)
    assert [o["metadata"]["name"] for o in await kube.list(CONFIG_MAP, namespace, {"x": "1"})] == ["a", "b"]
    assert [o["metadata"]["name"] for o in await kube.list(CONFIG_MAP, namespace, {"x": "1", "y": "1"})] == ["a"]
    assert await kube.list(CONFIG_MAP, namespace, {"x": "2"}) == []


@rule
async def a_partial_apply_keeps_everything_that_was_posted(kube: Kube, namespace: str) -> None:
    owner = await kube.create(CONFIG_MAP, a_config_map("owner", namespace=namespace))
    manifest = a_deployment("server", namespace)
    manifest["metadata"]["labels"] = {"kept": "yes"}
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid_of(owner), "controller": True}
    manifest["metadata"]["ownerReferences"] = [reference]
    created = await kube.create(DEPLOYMENT, manifest)
    applied = await kube.apply(DEPLOYMENT, partial(DEPLOYMENT, created, spec={"replicas": 0}))
    applied = await kube.apply(DEPLOYMENT, partial(DEPLOYMENT, applied, spec={"replicas": 0}))
    assert applied["metadata"]["labels"] == {"kept": "yes"}
    assert applied["metadata"]["ownerReferences"][0]["uid"] == uid_of(owner)
    assert applied["spec"]["template"] == created["spec"]["template"]
    assert applied["spec"]["selector"] == created["spec"]["selector"]
    assert applied["spec"]["replicas"] == 0


@rule
async def an_apply_replaces_a_posted_value_and_leaves_other_keys(kube: Kube, namespace: str) -> None:
    live = await kube.create(CONFIG_MAP, a_config_map("one", {"a": "1", "b": "1"}, namespace=namespace))
    applied = await kube.apply(CONFIG_MAP, partial(CONFIG_MAP, live, data={"b": "2"}))
    assert applied["data"] == {"a": "1", "b": "2"}


@rule
async def what_only_an_apply_set_goes_when_the_next_apply_leaves_it_out(kube: Kube, namespace: str) -> None:
    live = await kube.create(CONFIG_MAP, a_config_map("one", {"a": "1"}, namespace=namespace))
    await kube.apply(CONFIG_MAP, partial(CONFIG_MAP, live, data={"b": "2", "c": "3"}))
    applied = await kube.apply(CONFIG_MAP, partial(CONFIG_MAP, live, data={"c": "3"}))
    assert applied["data"] == {"a": "1", "c": "3"}


@rule
async def what_was_posted_stays_even_if_an_apply_claimed_and_left_it(kube: Kube, namespace: str) -> None:
    live = await kube.create(CONFIG_MAP, a_config_map("one", {"a": "1", "b": "1"}, namespace=namespace))
    await kube.apply(CONFIG_MAP, partial(CONFIG_MAP, live, data={"a": "1", "b": "1"}))
    applied = await kube.apply(CONFIG_MAP, partial(CONFIG_MAP, live, data={"b": "1"}))
    assert applied["data"] == {"a": "1", "b": "1"}


@rule
async def an_apply_that_changes_nothing_moves_no_version(kube: Kube, namespace: str) -> None:
    live = await kube.create(CONFIG_MAP, a_config_map("one", {"a": "1"}, namespace=namespace))
    first = await kube.apply(CONFIG_MAP, partial(CONFIG_MAP, live, data={"a": "2"}))
    second = await kube.apply(CONFIG_MAP, partial(CONFIG_MAP, live, data={"a": "2"}))
    assert version_of(second) == version_of(first) != version_of(live)


@rule
async def an_apply_with_another_uid_is_a_conflict(kube: Kube, namespace: str) -> None:
    live = await kube.create(CONFIG_MAP, a_config_map("one", {"a": "1"}, namespace=namespace))
    wanted = partial(CONFIG_MAP, live, data={"a": "2"})
    wanted["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555"
    with pytest.raises(Conflict):
        await kube.apply(CONFIG_MAP, wanted)
    assert (await kube.get(CONFIG_MAP, namespace, "one"))["data"] == {"a": "1"}


@rule
async def an_apply_with_a_uid_never_creates(kube: Kube, namespace: str) -> None:
    live = await kube.create(CONFIG_MAP, a_config_map("one", {"a": "1"}, namespace=namespace))
    await kube.delete(CONFIG_MAP, namespace, "one", uid_of(live))
    with pytest.raises(Conflict):
        await kube.apply(CONFIG_MAP, partial(CONFIG_MAP, live, data={"a": "2"}))
    with pytest.raises(NotFound):
        await kube.get(CONFIG_MAP, namespace, "one")


@rule
async def an_apply_with_a_stale_version_is_a_conflict(kube: Kube, namespace: str) -> None:
    live = await kube.create(CONFIG_MAP, a_config_map("one", {"a": "1"}, namespace=namespace))
    guarded = partial(CONFIG_MAP, live, data={"a": "2"})
    guarded["metadata"]["resourceVersion"] = version_of(live)
    await kube.apply(CONFIG_MAP, guarded)
    with pytest.raises(Conflict):
        await kube.apply(CONFIG_MAP, {**guarded, "data": {"a": "3"}})


@rule
async def an_apply_without_uid_creates(kube: Kube, namespace: str) -> None:
    applied = await kube.apply(CONFIG_MAP, a_config_map("one", {"a": "1"}, namespace=namespace))
    assert uid_of(applied)
    assert (await kube.get(CONFIG_MAP, namespace, "one"))["data"] == {"a": "1"}


@rule
async def a_spec_change_raises_the_generation_and_metadata_does_not(kube: Kube, namespace: str) -> None:
    live = await kube.create(JOB, a_job("job", namespace))
    touched = await kube.patch_annotations(JOB, namespace, "job", {"x": "1"})
    assert touched["metadata"]["generation"] == live["metadata"]["generation"]
    applied = await kube.apply(JOB, partial(JOB, live, spec={"ttlSecondsAfterFinished": 60}))
    assert applied["metadata"]["generation"] == live["metadata"]["generation"] + 1


@rule
async def an_annotation_raises_the_generation_of_a_deployment(kube: Kube, namespace: str) -> None:
    live = await kube.create(DEPLOYMENT, a_deployment("server", namespace))
    touched = await kube.patch_annotations(DEPLOYMENT, namespace, "server", {"x": "1"})
    assert touched["metadata"]["generation"] == live["metadata"]["generation"] + 1


@rule
async def annotations_are_merged_one_by_one(kube: Kube, namespace: str) -> None:
    await kube.create(CONFIG_MAP, a_config_map("one", {"a": "1"}, namespace=namespace))
    await kube.patch_annotations(CONFIG_MAP, namespace, "one", {"x": "1"})
    patched = await kube.patch_annotations(CONFIG_MAP, namespace, "one", {"y": "2"})
    assert patched["metadata"]["annotations"] == {"x": "1", "y": "2"}
    assert patched["data"] == {"a": "1"}


@rule
async def a_jobs_template_is_immutable_and_its_ttl_is_not(kube: Kube, namespace: str) -> None:
    live = await kube.create(JOB, a_job("job", namespace))
    other = a_job("job", namespace, image="worker:2")["spec"]["template"]
    with pytest.raises(Invalid):
        await kube.apply(JOB, partial(JOB, live, spec={"template": other}))
    applied = await kube.apply(JOB, partial(JOB, live, spec={"ttlSecondsAfterFinished": 60}))
    assert applied["spec"]["ttlSecondsAfterFinished"] == 60
    assert applied["spec"]["template"] == live["spec"]["template"]


@rule
async def a_service_selector_is_replaced_as_a_whole(kube: Kube, namespace: str) -> None:
    live = await kube.create(SERVICE, a_service("svc", namespace, {"a": "1"}))
    applied = await kube.apply(SERVICE, partial(SERVICE, live, spec={"selector": {"b": "2"}}))
    assert applied["spec"]["selector"] == {"b": "2"}
    assert [port["port"] for port in applied["spec"]["ports"]] == [80]


@rule
async def a_merge_replaces_a_list_and_takes_away_what_is_null(kube: Kube, namespace: str) -> None:
    """What an apply cannot do: a port that somebody else has added or renumbered would stay beside ours."""
    live = await kube.create(SERVICE, a_service("svc", namespace, {"a": "1"}))
    live["spec"]["ports"] = [{"name": "http", "port": 81, "targetPort": 9}, {"name": "more", "port": 82}]
    live["spec"]["selector"] = {"a": "1", "team": "nobody"}
    changed = await kube.replace(SERVICE, live)
    ports = [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]
    wanted = {"selector": {"a": "1", "team": None}, "ports": ports, "sessionAffinity": "None", "externalName": None}
    merged = await kube.merge(SERVICE, partial(SERVICE, changed, spec=wanted))
    assert merged["spec"]["selector"] == {"a": "1"}
    assert merged["spec"]["ports"] == ports


@rule
async def a_service_that_somebody_made_a_node_port_is_merged_back(kube: Kube, namespace: str) -> None:
    live = await kube.create(SERVICE, a_service("svc", namespace, {"a": "1"}))
    changed = await kube.replace(SERVICE, {**live, "spec": {**live["spec"], "type": "NodePort"}})
    ports = [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]
    merged = await kube.merge(SERVICE, partial(SERVICE, changed, spec={"type": "ClusterIP", "ports": ports}))
    assert merged["spec"]["type"] == "ClusterIP" and merged["spec"]["ports"] == ports


@rule
async def a_budget_that_somebody_changed_is_merged_back(kube: Kube, namespace: str) -> None:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "1"}}}
    await kube.create(
        POD_DISRUPTION_BUDGET, an_object(POD_DISRUPTION_BUDGET, "budget", namespace, spec=copy.deepcopy(spec))
    )
    theirs = {"minAvailable": 2, "selector": {"matchLabels": {"a": "1", "b": "2"}}}
    changed = await put_spec(kube, POD_DISRUPTION_BUDGET, namespace, "budget", theirs)
    patch = {**spec, "minAvailable": None, "selector": {"matchLabels": {"a": "1", "b": None}}}
    merged = await kube.merge(POD_DISRUPTION_BUDGET, partial(POD_DISRUPTION_BUDGET, changed, spec=patch))
    assert merged["spec"] == spec


@rule
async def a_merge_with_another_uid_or_a_stale_version_is_a_conflict(kube: Kube, namespace: str) -> None:
    live = await kube.create(CONFIG_MAP, a_config_map("one", {"a": "1"}, namespace=namespace))
    with pytest.raises(Conflict):
        other = {**live, "metadata": {**live["metadata"], "uid": "00000000-0000-0000-0000-000000000000"}}
        await kube.merge(CONFIG_MAP, partial(CONFIG_MAP, other, data={"a": "2"}))
    await kube.merge(CONFIG_MAP, partial(CONFIG_MAP, live, data={"a": "3"}))
    with pytest.raises(Conflict):
        stale = partial(CONFIG_MAP, live, data={"a": "4"})
        stale["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        await kube.merge(CONFIG_MAP, stale)
    assert (await kube.get(CONFIG_MAP, namespace, "one"))["data"] == {"a": "3"}


@rule
async def a_status_put_changes_status_alone(kube: Kube, namespace: str) -> None:
    await kube.create(DEPLOYMENT, a_deployment("server", namespace))

    def with_status_and_spec(live: JsonObject) -> JsonObject:
        status = {**live.get("status", {}), "collisionCount": 3}
        return {**live, "status": status, "spec": {**live["spec"], "paused": True}}

    live, stored = await put_status(kube, DEPLOYMENT, namespace, "server", with_status_and_spec)
    assert stored["status"]["collisionCount"] == 3
    assert not stored["spec"].get("paused")
    assert stored["metadata"]["generation"] == live["metadata"]["generation"]


@rule
async def a_stale_status_put_is_a_conflict(kube: Kube, namespace: str) -> None:
    await kube.create(JOB, a_job("job", namespace))
    live = await kube.get(JOB, namespace, "job")
    await kube.patch_annotations(JOB, namespace, "job", {"x": "1"})
    with pytest.raises(Conflict):
        await kube.replace_status(JOB, {**live, "status": {}})


@rule
async def a_stale_put_is_a_conflict(kube: Kube, namespace: str) -> None:
    live = await kube.create(CONFIG_MAP, a_config_map("one", {"a": "1"}, namespace=namespace))
    await kube.replace(CONFIG_MAP, {**live, "data": {"a": "2"}})
    with pytest.raises(Conflict):
        await kube.replace(CONFIG_MAP, {**live, "data": {"a": "3"}})
    assert (await kube.get(CONFIG_MAP, namespace, "one"))["data"] == {"a": "2"}


@rule
async def a_delete_with_another_uid_is_a_conflict_and_deletes_nothing(kube: Kube, namespace: str) -> None:
    live = await kube.create(CONFIG_MAP, a_config_map("one", namespace=namespace))
    with pytest.raises(Conflict):
        await kube.delete(CONFIG_MAP, namespace, "one", "11111111-2222-3333-4444-555555555555")
    assert uid_of(await kube.get(CONFIG_MAP, namespace, "one")) == uid_of(live)


@rule
async def children_are_collected_after_their_owner(kube: Kube, namespace: str) -> None:
    owner = await kube.create(CONFIG_MAP, a_config_map("owner", namespace=namespace))
    child = a_config_map("child", namespace=namespace)
    child["metadata"]["ownerReferences"] = [owner_reference(CONFIG_MAP, owner)]
    await kube.create(CONFIG_MAP, child)
    await kube.create(CONFIG_MAP, a_config_map("other", namespace=namespace))
    await kube.delete(CONFIG_MAP, namespace, "owner", uid_of(owner))
    assert await gone(kube, CONFIG_MAP, namespace, "child")
    await kube.get(CONFIG_MAP, namespace, "other")
