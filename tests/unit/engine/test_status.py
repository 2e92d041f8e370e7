"""Conditions: folding, what refusals say over a plan, and which changes become Events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders.objects import a_dataset
from tests.support.fakes.clock import START

from bucle.engine.events import changed_conditions, event_for
from bucle.engine.status import (
    ConditionUpdate,
    Refusal,
    broken_status,
    condition,
    fold,
    overlay,
    planned_status,
    ready,
    reconciling,
    stalled,
    timestamp,
)
from bucle.resources.addresses import DATASET
from bucle.resources.dataset_status import DatasetStatus, RejectedVersion

LATER = START + timedelta(minutes=5)
QUOTA = Refusal("Job", "flights-d1", "ChildRefused", "the API server refuses Job flights-d1: exceeded quota")
TAKEN = Refusal("ConfigMap", "flights", "NameTaken", "ConfigMap flights exists")


def truths(conditions: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in conditions}


def test_a_condition_moves_its_time_only_when_its_truth_changes() -> None:
    first = fold([], [ConditionUpdate("Ready", "False", "Building")], 1, START)
    same = fold(first, [ConditionUpdate("Ready", "False", "ExpectationFailed", "rows")], 2, LATER)
    other = fold(same, [ConditionUpdate("Ready", "True", "VersionReady")], 2, LATER)
    assert same[0]["lastTransitionTime"] == timestamp(START)
    assert (same[0]["reason"], same[0]["observedGeneration"]) == ("ExpectationFailed", 2)
    assert other[0]["lastTransitionTime"] == timestamp(LATER)


def test_what_is_not_said_again_is_kept_and_the_list_is_sorted() -> None:
    said = fold(fold([], [ConditionUpdate("Toy", "True", "Toy")], 1, START), ready("VersionReady"), 1, LATER)
    assert [c["type"] for c in said] == ["Ready", "Reconciling", "Stalled", "Toy"]


@pytest.mark.parametrize(
    ("refusals", "expected"),
    [
        ((), ("True", "False", "False")),
        ((QUOTA,), ("False", "True", "False")),
        ((TAKEN,), ("False", "False", "True")),
        ((QUOTA, TAKEN), ("False", "False", "True")),
    ],
)
def test_refusals_speak_over_the_plan(refusals: tuple[Refusal, ...], expected: tuple[str, str, str]) -> None:
    planned = fold([], [*ready("VersionReady"), ConditionUpdate("Toy", "True", "Toy")], 1, START)
    found = truths(overlay(planned, [], refusals, 1, START))
    assert tuple(found[name][0] for name in ("Ready", "Reconciling", "Stalled")) == expected
    assert found["Toy"] == ("True", "Toy")


def test_a_lasting_refusal_writes_the_same_conditions_again_and_again() -> None:
    stored = overlay(fold([], ready("VersionReady"), 1, START), [], (TAKEN,), 1, START)
    planned = fold(stored, ready("VersionReady"), 1, LATER)
    assert overlay(planned, stored, (TAKEN,), 1, LATER) == stored


def test_nulls_are_not_stored_because_the_server_would_drop_them() -> None:
    state = DatasetStatus(current=None, rejected=RejectedVersion(digest=None, spec_hash="h"))
    status = planned_status(a_dataset(), state, (), (), START)
    assert status["rejected"] == {"specHash": "h", "failed": [], "setAside": []}
    assert "current" not in status


def test_a_mistake_of_the_operator_does_not_call_a_serving_object_unready() -> None:
    obj = a_dataset() | {"status": {"conditions": fold([], ready("Serving"), 1, START)}}
    assert truths(broken_status(obj, "KeyError", LATER)["conditions"])["Ready"] == ("True", "Serving")
    assert truths(broken_status(a_dataset(), "KeyError", LATER)["conditions"])["Ready"][0] == "False"


REACHABLE = (ConditionUpdate("GatesReachable", "True", "NoCandidate"),)
UNREACHABLE = ConditionUpdate("GatesReachable", "False", "UnreachableGate", "gate quality cannot pass in time")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ((), ready("VersionReady"), [("Ready", "VersionReady")]),
        (ready("VersionReady"), ready("VersionReady"), []),
        (ready("VersionReady"), reconciling("Building"), [("Reconciling", "Building")]),
        (reconciling("Building"), reconciling("Registering"), [("Reconciling", "Registering")]),
        (reconciling("Building"), stalled("GateFailed"), [("Stalled", "GateFailed")]),
        (ready("Serving"), reconciling("Shadowing", still_ready=True), [("Reconciling", "Shadowing")]),
        (REACHABLE, (ConditionUpdate("GatesReachable", "True", "Serving"),), []),
        (REACHABLE, (UNREACHABLE,), [("GatesReachable", "UnreachableGate")]),
        ((), (UNREACHABLE,), []),
        ((), (ConditionUpdate("DriftDetected", "True", "Breached", "beyond 0.548"),), [("DriftDetected", "Breached")]),
    ],
)
def test_one_event_per_change_and_none_for_repetition(
    before: tuple[ConditionUpdate, ...], after: tuple[ConditionUpdate, ...], told: list[tuple[str, str]]
) -> None:
    old = {"conditions": fold([], before, 1, START)}
    new = {"conditions": fold(old["conditions"], after, 1, LATER)}
    assert [(c["type"], c["reason"]) for c in changed_conditions(old, new)] == told


def test_an_event_is_cut_named_after_what_it_says_and_warns_only_when_stalled() -> None:
    obj = a_dataset()
    obj["metadata"]["uid"] = "u"
    status = {"conditions": fold([], stalled("GateFailed", "x" * 2000), 1, START)}
    said = condition(status, "Stalled")
    assert said is not None
    event = event_for(DATASET, obj, said, LATER)
    assert len(event["message"]) == 1024
    assert event["type"] == "Warning"
    assert event["metadata"]["name"] == event_for(DATASET, obj, said, START)["metadata"]["name"]
    assert event["involvedObject"]["uid"] == "u"
