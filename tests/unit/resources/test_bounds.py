"""A status is cut to its schema's bounds at the write, whatever was copied into it before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from tests.support.fakes.admission import admitted, status_admitted
from tests.support.fakes.clock import START
from tests.support.worlds.training import FLIGHTS

from bucle.contracts.base import DECIMAL_PATTERN, DecimalText, decimal_text
from bucle.engine.objects import JsonObject
from bucle.engine.status import (
    ConditionUpdate,
    blind_status,
    broken_status,
    held_status,
    invalid_status,
    planned_status,
    ready,
)
from bucle.resources import KINDS
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT
from bucle.resources.base import MESSAGE_LIMIT, SHORT_LIMIT, DecimalString, Model, Resource, Status
from bucle.resources.bounds import within_bounds
from bucle.resources.crd import root_schema
from bucle.resources.dataset_status import Build, DatasetStatus
from bucle.resources.driftpolicy_status import ActionStatus, DriftPolicyStatus
from bucle.resources.experiment_status import ExperimentStatus, Trial
from bucle.resources.modeldeployment_status import ModelDeploymentStatus, Refused

ADDRESSES = {address.kind: address for address in (DATASET, EXPERIMENT, MODEL_DEPLOYMENT, DRIFT_POLICY)}
LONG = "x" * 100_000
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def with_copied(model: Model, **fields: Any) -> Any:
    """As plans do it: a copy, which validates nothing."""
    return model.model_copy(update=fields)


def bounded(schema: JsonObject, *path: str) -> Iterator[tuple[tuple[str, ...], JsonObject]]:
    """Every place of a status that has a bound, whatever it is called: `[]` is an item of a list, `{}` a value of a map."""
    if {"maxLength", "maxItems", "maxProperties"} & set(schema):
        yield path, schema
    for name, inner in (schema.get("properties") or {}).items():
        yield from bounded(inner, *path, name)
    for word, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(word), dict):
            yield from bounded(schema[word], *path, mark)


def status_places(kind: type[Resource]) -> list[tuple[tuple[str, ...], JsonObject]]:
    """Of each kind's CRD; conditions are folded by the engine and tried below."""
    status = root_schema(kind)["properties"]["status"]
    return [(path, node) for path, node in bounded(status) if path[0] != "conditions"]


def fixed_form(node: JsonObject) -> str | None:
    return node.get("pattern") or node.get("format")


def too_large(node: JsonObject) -> Any:
    if node["type"] == "array":
        return [{} if node["items"]["type"] == "object" else "x"] * (node["maxItems"] + 1)
    if node["type"] == "object":
        return {f"key{index}": "1" for index in range(node["maxProperties"] + 1)}
    return "é" * (node["maxLength"] + 1)


def placed(path: tuple[str, ...], value: Any) -> Any:
    for part in reversed(path):
        value = [value] if part == "[]" else {"key" if part == "{}" else part: value}
    return value


def copied(kind: type[Model], wire: JsonObject) -> Any:
    """As plans do it: a copy, which validates nothing."""
    known = {field.alias or name: (name, field.annotation) for name, field in kind.model_fields.items()}
    fields = {known[key][0]: _copied(known[key][1], value) for key, value in wire.items()}
    return kind().model_copy(update=fields)


def _copied(annotation: Any, value: Any) -> Any:
    inner = next(parts(annotation), None)
    if isinstance(value, list):
        return tuple(_copied(annotation, item) for item in value)
    return copied(inner, value) if inner is not None and isinstance(value, dict) else value


def parts(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for argument in get_args(annotation):
        yield from parts(argument)


@kinds
def test_a_value_too_large_for_its_field_freezes_no_object(kind: type[Resource]) -> None:
    """Every bounded field of every status, found in the CRD: what the engine writes of it is taken by the API server."""
    type_ = kind.model_fields["status"].annotation
    assert isinstance(type_, type) and issubclass(type_, Status)
    obj = {"metadata": {"name": "flights", "generation": 1}}
    tried, refused = 0, {}
    for path, node in status_places(kind):
        if fixed_form(node):
            continue
        wire = placed(path, too_large(node))
        address = ADDRESSES[kind.kind_name]
        assert status_admitted(address, wire).problems, f"{path} is tried with what fits"
        written = planned_status(obj, copied(type_, wire), ready("Watching"), (), START)
        tried += 1
        verdict = status_admitted(address, written)
        if verdict.problems or verdict.dropped:
            refused[path] = (verdict.problems, verdict.dropped)
    assert tried > 30 and refused == {}


@kinds
def test_what_cannot_be_cut_is_short_by_its_form(kind: type[Resource]) -> None:
    """Half of a number is another number: only forms of which every value is short may stand in a status."""
    forms = {form for _, node in status_places(kind) if (form := fixed_form(node))}
    assert forms <= {"date-time", DECIMAL_PATTERN}, "say below what keeps the texts of the new form short"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_is_measured_fits_into_a_status(value: float) -> None:
    text = decimal_text(value)
    assert TypeAdapter(DecimalString).validate_python(text) == TypeAdapter(DecimalText).validate_python(text) == text


@pytest.mark.parametrize("text", ["1e9999", "-1e1000", "1" * 33, "-1e-300"])
def test_a_number_that_a_program_may_report_is_one_that_a_status_may_hold(text: str) -> None:
    """A status is refused as a whole: a program's result must not be wider than what is written of it."""

    def takes(form: Any) -> bool:
        try:
            return bool(TypeAdapter(form).validate_python(text))
        except ValidationError:
            return False

    assert takes(DecimalText) == takes(DecimalString)


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.timezones()))  # noqa: DTZ001 (they get one)
def test_every_moment_fits_into_a_status(moment: datetime) -> None:
    status = DriftPolicyStatus(action=ActionStatus(at=moment))
    assert status_admitted(DRIFT_POLICY, within_bounds(status)).problems == []


@pytest.mark.parametrize("word", ["reason", "message"])
def test_a_condition_in_too_many_words_is_cut(word: str) -> None:
    said = ConditionUpdate("Ready", "False", **{"reason": "Watching", word: LONG})
    obj = {"metadata": {"name": "flights", "generation": 1}}
    for written in (
        planned_status(obj, DatasetStatus(), [said], (), START),
        held_status(obj, LONG, True, [said], START),
        blind_status(obj, LONG, ("DriftDetected",), START),
        broken_status(obj, LONG, START),
        invalid_status(obj, "SpecInvalid", LONG, START),
    ):
        assert status_admitted(DATASET, written).problems == []


@pytest.mark.parametrize(("at", "limit"), [("reason", SHORT_LIMIT), ("message", MESSAGE_LIMIT)])
def test_a_sentence_too_long_keeps_its_beginning(at: str, limit: int) -> None:
    written = within_bounds(with_copied(ModelDeploymentStatus(), rejected=with_copied(Refused(), **{at: LONG})))
    assert written["rejected"][at] == LONG[:limit]


def test_lists_keep_their_first_items() -> None:
    rows = tuple(Trial(index=index) for index in range(5000))
    found = within_bounds(with_copied(ExperimentStatus(), trials=rows))["trials"]
    limit = ExperimentStatus.model_json_schema()["properties"]["trials"]["maxItems"]
    assert [row["index"] for row in found] == list(range(limit))


def test_what_fits_is_left_as_it_is() -> None:
    status = DatasetStatus(build=Build(job="flights-d1", reason="Unschedulable: no node"))
    assert within_bounds(status)["build"]["reason"] == "Unschedulable: no node"


@pytest.mark.parametrize(("percent", "taken"), [(0, True), (100, True), (-1, False), (101, False), ("5", False)])
def test_a_share_that_may_be_left_out_is_a_percentage_and_nothing_is_stored_for_one_that_was_not_written(
    percent: Any, taken: bool
) -> None:
    feedback = {"modelDeployment": "flights", "window": {"rows": 1}}
    told = {**feedback, "maxSetAsidePercent": percent}
    spec = {**FLIGHTS["spec"], "sources": [{"feedback": feedback}, {"feedback": told}]}
    verdict = admitted(DATASET, {**FLIGHTS, "spec": spec})
    assert (not verdict.problems) == taken, verdict.problems
    assert "maxSetAsidePercent" not in verdict.value["spec"]["sources"][0]["feedback"]
