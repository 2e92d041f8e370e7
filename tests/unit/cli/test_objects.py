"""An object as any release may have written it: its state in a word, and as much of it as can be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders.loop_objects import conditions

from bucle.cli.objects import Seen, State, lenient, state_of
from bucle.resources.addresses import DATASET
from bucle.resources.modeldeployment_status import GateStatus, ModelDeploymentStatus, RolloutStatus

WORDS = st.sampled_from(["", "name", "True", "2026-01-01T00:00:00Z", "0.5"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)


def seen(status: Any = None, **metadata: Any) -> Seen:
    return Seen(DATASET, {"metadata": {"name": "flights", "namespace": "ml", **metadata}, "status": status})


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({}, State.UNSEEN),
        ({"Ready": "True", "Reconciling": "False", "Stalled": "False"}, State.READY),
        ({"Ready": "True", "Reconciling": "True", "Stalled": "False"}, State.PROGRESSING),
        ({"Ready": "False", "Reconciling": "True", "Stalled": "False"}, State.PROGRESSING),
        ({"Ready": "False", "Reconciling": "False", "Stalled": "True"}, State.STALLED),
        ({"Ready": "False"}, State.NOT_READY),
        ({"Ready": "Mostly"}, State.NOT_READY),
        ({"Available": "True"}, State.NOT_READY),
    ],
)
def test_conditions_make_one_word(status: dict[str, str], state: State) -> None:
    assert state_of(seen({"conditions": conditions("Any", "", **status)})) is state


def test_what_is_being_deleted_says_so_whatever_its_conditions() -> None:
    status = {"conditions": conditions("Any", "", Ready="True")}
    assert state_of(seen(status, deletionTimestamp="2026-01-01T00:00:00Z")) is State.DELETING


@pytest.mark.parametrize(
    ("observed", "generation", "behind"),
    [(1, 2, True), (2, 2, False), (-1, 1, False), ("x", 2, False), (1, None, False)],
)
def test_a_status_of_an_older_spec_is_behind(observed: Any, generation: Any, behind: bool) -> None:
    assert seen({"observedGeneration": observed}, generation=generation).behind is behind


@pytest.mark.parametrize(
    ("raw", "read", "left_out"),
    [
        ({"name": "a", "samples": 3, "new": {"field": 1}}, {"name": "a", "samples": 3}, set()),
        ({"name": "a", "samples": "many"}, {"name": "a", "samples": None}, {"samples"}),
        ({"name": "a", "interval": {"lower": "0.1", "upper": []}}, {"name": "a"}, {"interval.upper"}),
        ({"name": ["a"], "verdict": 7, "at": "yesterday"}, {"name": None}, {"name", "verdict", "at"}),
        ("no object at all", {"name": None}, set()),
    ],
)
def test_what_does_not_fit_is_left_out_and_the_rest_is_read(raw: Any, read: dict[str, Any], left_out: set[str]) -> None:
    found, dropped = lenient(GateStatus, raw)
    assert {name: getattr(found, name) for name in read} == read
    assert set(dropped) == left_out


def test_items_of_a_list_are_left_out_without_moving_the_others() -> None:
    items = [{"name": "a"}, "no gate", {"name": "b", "step": "x"}, 7, {"name": "c"}]
    found, dropped = lenient(ModelDeploymentStatus, {"gates": items})
    assert [gate.name for gate in found.gates] == ["a", "b", "c"]
    assert len(dropped) == 3


@given(st.dictionaries(st.sampled_from(["state", "step", "weight", "startedAt", "counters", "reference"]), JSON))
def test_nothing_that_a_status_may_hold_ends_the_reading(raw: dict[str, Any]) -> None:
    lenient(RolloutStatus, raw)


@given(JSON)
def test_no_object_ends_the_looking(raw: Any) -> None:
    strange = seen(raw, ownerReferences=raw, labels=raw)
    assert state_of(strange) in State
    assert (strange.name, strange.behind, strange.items("status", "conditions")) is not None
