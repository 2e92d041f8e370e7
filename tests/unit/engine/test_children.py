"""What is done about a child: what is found among the observations, what is applied, what is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders.objects import a_config_map, a_job, an_object
from tests.support.fakes.clock import START

from bucle.contracts.names import ANNOTATION_APPLIED
from bucle.engine.children import (
    adjustment,
    contains,
    contest_of,
    differing,
    listed,
    manifest_to_create,
    observed_objects,
)
from bucle.engine.objects import CONFIG_MAP, DEPLOYMENT, JOB, ObjectKey, Ref
from bucle.engine.plan import Child
from bucle.engine.reads import Absent, GetObject, Known, ListObjects, Observations, Unavailable
from bucle.engine.reconcile import RefMap
from bucle.resources.addresses import DATASET

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2}}, True),
        ({"a": {}}, {"a": {"y": 2}}, False),
        ({"ports": [{"port": 80, "protocol": "TCP"}]}, {"ports": [{"port": 80}]}, True),
        ({"ports": [{"port": 80}, {"port": 81}]}, {"ports": [{"port": 80}]}, False),
        ({"a": 1}, {"b": None}, True),
        ({"limits": {"memory": "1Gi", "cpu": "1"}}, {"limits": {"memory": "1024Mi", "cpu": "1000m"}}, True),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1G"}}, False),
        ({"requests": {"cpu": "500m"}}, {"requests": {"cpu": "0.5"}}, True),
        ({"requests": {}}, {"requests": {"cpu": "1"}}, False),
        ({"requests": "none"}, {"requests": {"cpu": "1"}}, False),
        ("text", {"a": 1}, False),
        ({"limits": {}}, {"limits": {"cpu": None}}, True),
        ({"limits": {"cpu": "1"}}, {"limits": {"cpu": None}}, False),
    ],
)
def test_contains_asks_only_for_what_is_set(live: Any, wanted: Any, expected: bool) -> None:
    assert contains(live, wanted) is expected


@pytest.mark.parametrize(
    ("live", "wanted", "fields"),
    [
        ({"a": {"b": 1, "more": 1}}, {"a": {"b": 2, "c": 3}}, ["a.b", "a.c"]),
        ({"a": 1}, {"a": None, "b": None}, ["a"]),
        ({"ports": [{"port": 80}]}, {"ports": [{"port": 81}]}, ["ports"]),
        ({"selector": {"ours": "1", "theirs": "2"}}, {"selector": {"ours": "1"}}, ["selector"]),
        ({}, {"selector": {"ours": "1"}}, ["selector"]),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, {"limits": {"cpu": "1000m", "memory": "2Gi"}}, ["limits.memory"]),
        ({"limits": None}, {"limits": {"cpu": "1"}}, ["limits"]),
        (
            {"env": [{"name": "B"}, {"name": "A", "value": "1"}]},
            {"env": [{"name": "A", "value": "2"}]},
            ["env.A.value"],
        ),
        ({"env": []}, {"env": [{"name": "A", "value": "2"}]}, ["env.A"]),
        ({"containers": "none"}, {"containers": [{"name": "serve"}]}, ["containers.serve"]),
    ],
    ids=[
        "maps, field by field",
        "null is no field",
        "a list without names, whole",
        "a map that is one value, whole",
        "and where it is missing",
        "amounts, one by one",
        "amounts where none are",
        "a named item, wherever it stands",
        "a named item that is missing",
        "no list where one should be",
    ],
)
def test_what_differs_is_told_as_the_server_owns_it(live: Any, wanted: Any, fields: list[str]) -> None:
    assert [".".join(path) for path in differing(live, wanted)] == fields
    assert not contains(live, wanted)


@given(JSON)
def test_everything_contains_itself(value: Any) -> None:
    assert contains(value, value)


def live_of(child: Child, **metadata: str) -> dict[str, Any]:
    created = manifest_to_create(child)
    created["metadata"] |= {"uid": "u1", "resourceVersion": "7"} | metadata
    return created


def test_a_fresh_child_needs_no_adjustment() -> None:
    child = Child(CONFIG_MAP, a_config_map("one", {"a": "1"}), {"data": {"b": "2"}})
    assert adjustment(child, live_of(child)) is None
    assert adjustment(Child(JOB, a_job("job")), a_job("job")) is None


def test_a_changed_intent_and_a_changed_object_are_both_noticed() -> None:
    child = Child(CONFIG_MAP, a_config_map("one"), {"data": {"b": "2"}})
    live = live_of(child)
    assert adjustment(Child(CONFIG_MAP, child.manifest, {"data": {"b": "3"}}), live) is not None
    live["data"]["b"] = "hacked"
    wanted = adjustment(child, live)
    assert wanted is not None
    assert wanted["data"] == {"b": "2"}
    assert (wanted["kind"], wanted["metadata"]["uid"]) == ("ConfigMap", "u1")
    assert set(wanted["metadata"]["annotations"]) == {ANNOTATION_APPLIED}


@pytest.mark.parametrize("guarded", [True, False])
def test_only_a_guarded_child_sends_the_version_that_was_read(guarded: bool) -> None:
    child = Child(CONFIG_MAP, a_config_map("one"), {"data": {"b": "2"}}, guarded)
    live = live_of(child)
    live["data"] = {}
    wanted = adjustment(child, live)
    assert wanted is not None
    assert wanted["metadata"].get("resourceVersion") == ("7" if guarded else None)


# --- pod templates: what is ours in them, and who edited it -----------------------------------------------------------

SERVER = {"name": "serve", "image": "serve:1", "env": [{"name": "HOME", "value": "/tmp"}], "args": None}
WRITTEN: dict[str, Any] = {"spec": {"template": {"spec": {"containers": [SERVER]}}}}


def a_fleet(container: dict[str, Any], *managers: str) -> tuple[Child, dict[str, Any]]:
    """A Deployment as it was written and as it is now, and who owns the image by the server's books."""
    plain = {"name": "serve", "image": "serve:1", "env": [{"name": "HOME", "value": "/tmp"}]}
    manifest = an_object(DEPLOYMENT, "fleet", spec={"template": {"spec": {"containers": [plain]}}})
    child = Child(DEPLOYMENT, manifest, {"spec": {"replicas": 2}}, guarded=True, exact=True, kept=WRITTEN)
    live = live_of(child)
    live["spec"]["template"]["spec"]["containers"] = [{"name": "proxy", "image": "proxy:1"}, plain | container]
    fields: dict[str, Any] = {"f:image": {}}
    for part in ('k:{"name":"serve"}', "f:containers", "f:spec", "f:template", "f:spec"):
        fields = {part: fields}
    live["metadata"]["managedFields"] = [{"manager": manager, "fieldsV1": fields} for manager in managers]
    return child, live


@pytest.mark.parametrize(
    ("image", "managers", "set_back"),
    [
        ("serve:1", ("bucle",), False),
        ("mirror/serve:1", ("bucle",), False),
        ("mine:1", ("kubectl-edit",), True),
        ("mine:1", ("bucle", "kubectl-edit"), True),
        ("mine:1", (), True),
    ],
    ids=["as written", "a webhook in our own write", "a person", "both own it", "the books are silent"],
)
def test_a_container_is_set_back_where_a_person_edited_it_and_left_as_a_webhook_makes_it_of_our_own_write(
    image: str, managers: tuple[str, ...], set_back: bool
) -> None:
    child, live = a_fleet({"image": image}, *managers)
    patch = adjustment(child, live)
    assert (patch is not None) == set_back
    if patch is not None:
        proxy, ours = patch["spec"]["template"]["spec"]["containers"]
        assert (proxy["name"], ours["image"]) == ("proxy", "serve:1"), "who stands beside ours stays, and first"
        contest = contest_of(child, live)
        assert contest is not None and contest.fields == "spec.template.spec.containers.serve.image is"
        assert contest.others == ("kubectl-edit" if managers else "somebody else")


@pytest.mark.parametrize(
    ("container", "told"),
    [
        ({"args": ["--x"]}, "serve.args"),
        ({"env": []}, "serve.env.HOME"),
        ({"env": [{"name": "HOME", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}, "serve.env.HOME.value"),
        ({"env": [{"name": "MORE", "value": "1"}, {"name": "HOME", "value": "/"}]}, "serve.env.HOME.value"),
        ({"env": [{"name": "MORE", "value": "1"}, {"name": "HOME", "value": "/tmp"}]}, None),
        ({"terminationMessagePath": "/dev/termination-log"}, None),
    ],
)
def test_variables_and_arguments_are_told_by_name_and_what_others_add_is_theirs(
    container: dict[str, Any], told: str | None
) -> None:
    child, live = a_fleet(container)
    patch, contest = adjustment(child, live), contest_of(child, live)
    if told is None:
        assert patch is None
        return
    assert patch is not None and contest is not None
    assert contest.fields == f"spec.template.spec.containers.{told} is"
    ours = patch["spec"]["template"]["spec"]["containers"][1]
    assert {"name": "HOME", "value": "/tmp"} in ours["env"] and "args" not in ours
    assert patch["metadata"]["resourceVersion"] == "7", "a whole list is written only over what was read"


def test_a_fleet_that_somebody_else_scales_keeps_its_number_and_its_mark_while_its_template_is_set_back() -> None:
    child, live = a_fleet({"image": "mine:1"})
    mark = live["metadata"]["annotations"][ANNOTATION_APPLIED]
    patch = adjustment(replace(child, adjust=None), live)
    assert patch is not None and "replicas" not in patch["spec"]
    assert patch["metadata"]["annotations"] == {ANNOTATION_APPLIED: mark}


def test_what_a_run_has_seen_is_known_without_another_request() -> None:
    reads = {
        "maps": ListObjects(CONFIG_MAP, "ml", (("x", "1"),)),
        "job": GetObject(JOB, "ml", "job"),
        "down": GetObject(JOB, "ml", "unknown"),
    }
    seen: Observations = {
        "maps": Known((a_config_map("one"),), START),
        "job": Absent(START),
        "down": Unavailable("timeout"),
    }
    live = observed_objects(reads, seen)
    assert live[ObjectKey(CONFIG_MAP, "ml", "one")] == a_config_map("one")
    assert live[ObjectKey(JOB, "ml", "job")] is None
    assert ObjectKey(JOB, "ml", "unknown") not in live, "an outage is not an absence"


@pytest.mark.parametrize(
    ("labels", "answer", "expected"),
    [
        ({"x": "1", "y": "2"}, Known((), START), True),
        ({"y": "2"}, Known((), START), False),
        ({"x": "1"}, Unavailable("down"), False),
    ],
)
def test_a_list_proves_an_absence_only_if_it_would_have_shown_the_child(
    labels: dict[str, str], answer: Any, expected: bool
) -> None:
    manifest = a_config_map("one")
    manifest["metadata"]["labels"] = labels
    reads = {"maps": ListObjects(CONFIG_MAP, "ml", (("x", "1"),))}
    assert listed(Child(CONFIG_MAP, manifest), reads, {"maps": answer}) is expected


def test_references_follow_what_an_object_points_to_now() -> None:
    refs, key = RefMap(), ObjectKey(DATASET, "ml", "a")
    old, new = Ref("datasets/ml", "old"), Ref("datasets/ml", "new")
    refs.set(key, frozenset({old}))
    refs.set(key, frozenset({new}))
    assert refs.pointing_at(old) == frozenset()
    assert refs.pointing_at(new) == {key}
    refs.forget(key)
    assert refs.pointing_at(new) == frozenset()
