"""What callers may send, and what they are told when they may not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bucle.contracts.row_rules import LabelContract
from bucle.contracts.table import Column
from bucle.podkit.model import Prediction
from bucle.pods.serve.bodies import BadRequest
from bucle.pods.serve.feedback import LabelRules, RefusedRows, feedback_rows
from bucle.pods.serve.protocol import (
    invocations_answer,
    invocations_request,
    v2_answer,
    v2_request,
)


def tensor(**given: Any) -> dict[str, Any]:
    return {"name": "hour", "datatype": "INT64", "shape": [2], "data": [1, 2]} | given


def v2(*tensors: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors)} | more).encode()


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (tensor(), [1, 2]),
        (tensor(shape=[2, 1]), [1, 2]),
        (tensor(shape=[2, 1], data=[[1], [2]]), [1, 2]),
        (tensor(data=[1, None]), [1, None]),
        (tensor(datatype="FP64", data=[1, 2.5]), [1, 2.5]),
        (tensor(datatype="BOOL", data=[True, False]), [True, False]),
        (tensor(datatype="BYTES", data=["a", "b"]), ["a", "b"]),
    ],
)
def test_tensors_become_columns(given: dict[str, Any], values: list[Any]) -> None:
    asked = v2_request(v2(given, id="mine"))
    assert (asked.columns, asked.rows, asked.id) == ({"hour": values}, 2, "mine")


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "not JSON"),
        (b"[]", 400, "must be a JSON object"),
        (b"{}", 400, "inputs must be a list"),
        (v2("x"), 400, "must be an object with a name"),
        (v2(tensor(data=None)), 400, "hour must have its values in data"),
        (v2(tensor(shape=[3])), 400, "hour must have the shape [2] or [2, 1], it says [3]"),
        (v2(tensor(shape=[1, 2])), 400, "hour has 2 columns, the model has 3 features"),
        (v2(tensor(shape=[2, 2])), 400, "says the shape [2, 2], but has 2 values"),
        (v2(tensor(shape=[-1, -2])), 400, "says the shape [-1, -2]"),
        (v2(tensor(shape=[1, 2]), tensor(name="b")), 400, "must have the shape"),
        (v2(tensor(parameters={"binary_data_size": 16}, data=None)), 400, "leave out binary_data_size"),
        (v2(tensor(), parameters={"binary_data_output": True}), 400, "leave out binary_data_output"),
        (v2(tensor(), outputs=[{"name": "label", "parameters": {"binary_data": True}}]), 400, "leave out binary_data"),
        (v2(tensor(), outputs=[{"name": "logits"}]), 400, "outputs names logits, a model has label and scores"),
        (v2(tensor(), outputs="label"), 400, "outputs must be a list"),
        (v2(tensor(), id="x" * 513), 400, "id must be a text of 1 to 512 characters"),
        (v2(tensor(datatype="INT7")), 400, "datatype INT7"),
        (v2(tensor(datatype=["INT64"])), 400, "datatype ['INT64']"),
        (v2(tensor(data=[1, "x"])), 400, "hour says INT64, but a value is of another type"),
        (v2(tensor(data=[1, True])), 400, "of another type"),
        (v2(tensor(), tensor()), 400, "hour is given twice"),
        (v2(tensor(), tensor(name="b", shape=[1], data=[1])), 400, "column b has 1 values, hour has 2"),
        (v2(tensor(shape=[0], data=[])), 400, "no rows"),
        (v2(tensor(shape=[10_001], data=[1] * 10_001)), 413, "at most 10000"),
    ],
)
def test_mistakes_are_named(body: bytes, status: int, says: str) -> None:
    with pytest.raises(BadRequest) as refused:
        v2_request(body, ("a", "b", "c"))
    assert refused.value.status == status
    assert says in refused.value.message


def test_one_tensor_may_hold_all_features_in_the_order_of_the_signature() -> None:
    whole = {"name": "anything", "datatype": "FP64", "shape": [2, 2], "data": [1, 2.5, 3, None]}
    assert v2_request(v2(whole), ("a", "b")).columns == {"a": [1, 3], "b": [2.5, None]}
    nested = whole | {"data": [[1, 2.5], [3, None]]}
    assert v2_request(v2(nested), ("a", "b")).columns == {"a": [1, 3], "b": [2.5, None]}


def test_only_the_outputs_asked_for_are_answered() -> None:
    prediction = Prediction(labels=np.array(["0"], dtype=object), scores=np.array([[0.9, 0.1]]))
    for wanted in (["scores"], ["label"], ["scores", "label"]):
        asked = v2_request(v2(tensor(), outputs=[{"name": name} for name in wanted]))
        answer = json.loads(v2_answer("m", "r", "i", prediction, asked.outputs))
        assert [output["name"] for output in answer["outputs"]] == wanted


@pytest.mark.parametrize(
    "document",
    [
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}},
        {"dataframe_records": [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]},
        {"inputs": {"a": [1, 2], "b": ["x", "y"]}},
        {"inputs": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]},
        {"inputs": [[1, "x"], [2, "y"]]},
        {"instances": [[1, "x"], [2, "y"]]},
        {"instances": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], "params": {}},
    ],
)
def test_the_forms_of_invocations_mean_the_same(document: dict[str, Any]) -> None:
    asked = invocations_request(json.dumps(document).encode(), ("a", "b"))
    assert (dict(asked.columns), asked.rows) == ({"a": [1, 2], "b": ["x", "y"]}, 2)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "exactly one of"),
        ({"inputs": {"a": [1]}, "dataframe_records": [{"a": 1}]}, "exactly one of"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "must have 1 values"),
        ({"dataframe_split": {"columns": "a", "data": []}}, "must have columns"),
        ({"dataframe_records": [1]}, "list of objects"),
        ({"inputs": {"a": 1}}, "object of lists"),
        ({"inputs": {}}, "no columns"),
        ({"dataframe_records": []}, "no rows"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, "the column a twice"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1]] * 10_001}}, "at most 10000"),
        ({"instances": [1, 2]}, "a list of objects, or of lists"),
        ({"instances": [[1, 2, 3]]}, "a row has 3 values, the model has 2 features"),
        ({"inputs": {"a": [1]}, "params": {"threshold": 0.5}}, "params are not taken"),
    ],
)
def test_mistakes_of_invocations_are_named(document: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        invocations_request(json.dumps(document).encode(), ("a", "b"))


def test_classes_are_answered_with_label_and_scores_numbers_with_label_alone() -> None:
    classes = Prediction(labels=np.array(["0", "1"], dtype=object), scores=np.array([[0.9, 0.1], [0.2, 0.8]]))
    answer = json.loads(v2_answer("flights", "r1", "i", classes))
    assert answer == {
        "model_name": "flights",
        "model_version": "r1",
        "id": "i",
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["0", "1"]},
            {"name": "scores", "datatype": "FP64", "shape": [2, 2], "data": [0.9, 0.1, 0.2, 0.8]},
        ],
    }
    numbers = Prediction(numbers=np.array([1.5]))
    assert json.loads(v2_answer("m", "r", "i", numbers))["outputs"] == [
        {"name": "label", "datatype": "FP64", "shape": [1], "data": [1.5]}
    ]
    assert json.loads(invocations_answer(numbers)) == {"predictions": [{"label": 1.5}]}


TEXT_ID = Column(name="flight_id", type="Text", role="Id")
NUMBER_ID = Column(name="number", type="Integer", role="Id")
BINARY = LabelRules(LabelContract("Binary", ("0", "1")), TEXT_ID)
BY_REQUEST = LabelRules(LabelContract("Binary", ("0", "1")), TEXT_ID, "RequestId")
NUMBERED = LabelRules(LabelContract("Regression"), NUMBER_ID)


@pytest.mark.parametrize(
    ("rules", "row", "stored"),
    [
        (BINARY, {"id": "f1", "label": 1}, {"id": "f1", "request_id": None, "row": 0, "label": "1"}),
        (BINARY, {"id": 7, "label": 1.0}, {"id": "7", "label": "1"}),
        (BY_REQUEST, {"request_id": "u", "label": 1}, {"id": None, "request_id": "u", "row": 0, "label": "1"}),
        (BINARY, {"request_id": "u", "row": 3, "label": True}, {"id": None, "request_id": "u", "row": 3, "label": "1"}),
        (BINARY, {"id": "f1", "label": "0.0", "label_time": "2013-01-01T00:00:00Z"}, {"label": "0"}),
        (NUMBERED, {"id": "007", "label": "2.50"}, {"id": "7", "label": "2.5"}),
        (NUMBERED, {"id": 7, "label": -3}, {"id": "7", "label": "-3"}),
    ],
)
def test_feedback_has_one_text_form(rules: LabelRules, row: dict[str, Any], stored: dict[str, Any]) -> None:
    (found,) = feedback_rows(json.dumps({"rows": [row]}).encode(), rules)
    assert stored.items() <= found.items()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"rows": [{"label": 1}]}, 400, "rows.0 must have exactly one of id and request_id"),
        ({"rows": [{"id": "a", "request_id": "b", "label": 1}]}, 400, "exactly one"),
        ({"rows": [{"id": "a"}]}, 400, "rows.0.label"),
        ({"rows": [{"id": "a", "label": 1, "row": -1}]}, 400, "index of a row"),
        ({"rows": [{"id": "a", "label": 1, "label_time": "noon"}]}, 400, "rows.0.label_time must be an ISO 8601"),
        ({"rows": [{"id": "a", "label": 1, "label_time": "2199-01-01"}]}, 400, "label_time must not lie in the future"),
        ({"rows": [{"id": "a", "label": 1, "label_time": "0001-01-01T00:00:00+12:00"}]}, 400, "1678 to 2261"),
        ({"rows": [{"id": "a", "label": 1}] * 10_001}, 413, "rows"),
        ({"rows": [{"id": "a", "label": "yes"}]}, 400, "rows.0.label must be one of the classes 0, 1: no row was"),
        ({"rows": [{"id": "a", "label": 2}]}, 400, "one of the classes 0, 1"),
        ({"rows": [{"id": "", "label": 1}]}, 400, "rows.0.id must have 1 to 512"),
        ({"rows": [{"request_id": "r" * 513, "label": 1}]}, 400, "rows.0.request_id must have 1 to 512"),
        ({}, 400, "rows"),
    ],
)
def test_mistakes_in_feedback_are_named(body: dict[str, Any], status: int, says: str) -> None:
    with pytest.raises(BadRequest) as refused:
        feedback_rows(json.dumps(body).encode(), BINARY)
    assert refused.value.status == status
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("rules", "row", "says"),
    [
        (NUMBERED, {"id": "seven", "label": 1}, "rows.0.id must be a whole number"),
        (NUMBERED, {"id": 2**63, "label": 1}, "rows.0.id must fit into 64 bits"),
        (NUMBERED, {"id": 7, "label": 1e200}, "rows.0.label must be a finite number between"),
        (NUMBERED, {"id": 7, "label": True}, "rows.0.label must be a number"),
        (BY_REQUEST, {"id": "a", "label": 1}, "feedback.key is RequestId: send request_id and row: no row was stored"),
        (LabelRules(LabelContract("Regression"), None), {"id": 7, "label": 1}, "none of role Id, use request_id"),
    ],
)
def test_labels_that_nobody_could_count_are_refused(rules: LabelRules, row: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequest) as refused:
        feedback_rows(json.dumps({"rows": [row]}).encode(), rules)
    assert says in refused.value.message


def test_every_wrong_row_of_a_body_is_counted_and_three_are_told() -> None:
    rows = [{"id": f"f{n}", "label": n} for n in range(7)] + [{"id": "", "label": 1}]
    with pytest.raises(RefusedRows) as refused:
        feedback_rows(json.dumps({"rows": rows}).encode(), BINARY)
    assert refused.value.counts == {"not_a_class": 5, "too_long": 1}
    assert refused.value.message.count("rows.") == 3 and "and 3 more rows: no row was stored" in refused.value.message
