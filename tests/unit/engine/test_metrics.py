"""What the operator shows of objects: all conditions, what the kind measures, counts of what happened, and nothing of what is gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.support.builders.objects import a_dataset
from tests.support.series import exposed
from tests.support.worlds.toykind import ROOM

from bucle.contracts import telemetry
from bucle.contracts.measures import Happening, Measures, given, one_of, together
from bucle.contracts.telemetry import Kind
from bucle.engine.metrics import Metrics
from bucle.engine.objects import JsonObject, key_of
from bucle.engine.room import AnyRoom, UnknownState
from bucle.resources.documents import InvalidResource


def measures(obj: Any) -> Measures:
    """As if a status were `{rows, gates: {name: verdict}, ended: [outcome]}`."""
    status = obj.get("status") or {}
    shown = together(
        given(telemetry.DATASET_ROWS, status.get("rows")),
        *(one_of(telemetry.GATE_VERDICT, verdict, name) for name, verdict in (status.get("gates") or {}).items()),
    )
    ended = enumerate(status.get("ended") or ())
    happened = frozenset(Happening(telemetry.ROLLOUTS, str(index), (outcome,)) for index, outcome in ended)
    return Measures(shown, happened, counted=(telemetry.ROLLOUTS,))


MEASURED: AnyRoom = replace(ROOM, measures=measures)


def show(metrics: Metrics, before: JsonObject, room: AnyRoom = MEASURED, **status: Any) -> JsonObject:
    """The object as it stands afterwards."""
    metrics.told(key_of(room.resource, before), room, before, status)
    return {**before, "status": status}


def fresh() -> tuple[Metrics, JsonObject]:
    return Metrics(CollectorRegistry()), a_dataset("flights")


@pytest.mark.parametrize(("status", "value"), [("True", 1), ("False", 0), ("Unknown", -1)])
@pytest.mark.parametrize("type_", ["Ready", "Available", "StableAnswers", "AliasInPlace", "DriftDetected"])
def test_every_condition_is_shown_since_alerts_are_set_on_more_than_the_three_common_ones(
    type_: str, status: str, value: float
) -> None:
    metrics, obj = fresh()
    show(metrics, obj, conditions=[{"type": type_, "status": status, "reason": "Any"}])
    assert exposed(metrics.registry, "flights")[f"bucle_condition Dataset {type_}"] == value


def test_what_an_object_no_longer_tells_is_gone() -> None:
    metrics, obj = fresh()
    obj = show(metrics, obj, rows=10, gates={"errors": "Pass", "quality": "Fail"}, conditions=[])
    assert "bucle_gate_verdict errors Pass" in exposed(metrics.registry, "flights")
    show(metrics, obj, gates={"quality": "Pass"})
    found = exposed(metrics.registry, "flights")
    assert "bucle_dataset_rows" not in found and not [name for name in found if "errors" in name]
    assert (found["bucle_gate_verdict quality Pass"], found["bucle_gate_verdict quality Fail"]) == (1, 0)


def test_what_happened_is_counted_once_from_zero() -> None:
    metrics, obj = fresh()
    obj = show(metrics, obj, rows=1)
    assert exposed(metrics.registry, "flights")["bucle_rollouts_total Promoted"] == 0
    obj = show(metrics, obj, ended=["Promoted"])
    obj = show(metrics, obj, ended=["Promoted"])
    show(metrics, obj, ended=["Promoted", "Aborted"])
    found = exposed(metrics.registry, "flights")
    assert (found["bucle_rollouts_total Promoted"], found["bucle_rollouts_total Aborted"]) == (1, 1)


def test_a_deleted_object_leaves_no_series_and_takes_nothing_from_others() -> None:
    metrics, obj = fresh()
    show(metrics, obj, rows=1, ended=["Promoted"], conditions=[{"type": "Ready", "status": "False", "reason": "Any"}])
    show(metrics, a_dataset("trains"), rows=2)
    metrics.forget(key_of(MEASURED.resource, obj))
    assert exposed(metrics.registry, "flights") == {}
    assert exposed(metrics.registry, "trains")["bucle_dataset_rows"] == 2


@pytest.mark.parametrize(
    "error", [UnknownState("status.state is 'New'"), InvalidResource("Dataset", "flights", ()), ZeroDivisionError()]
)
def test_an_object_that_cannot_be_measured_shows_its_conditions(error: Exception) -> None:
    def fails(_: Any) -> Measures:
        raise error

    metrics, obj = fresh()
    show(
        metrics, obj, replace(ROOM, measures=fails), conditions=[{"type": "Ready", "status": "False", "reason": "Any"}]
    )
    assert exposed(metrics.registry, "flights") == {"bucle_condition Dataset Ready": 0}


def test_the_operator_exposes_what_the_table_says_and_nothing_else() -> None:
    metrics, _ = fresh()
    found = {family.name: family.type for family in metrics.registry.collect()}
    assert found == {metric.name.removesuffix("_total"): str(metric.kind) for metric in telemetry.OPERATOR}
    assert b"# TYPE bucle_rollouts_total counter" in generate_latest(metrics.registry)
    assert {metric.kind for metric in telemetry.OPERATOR} == set(Kind)
