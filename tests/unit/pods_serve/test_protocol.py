"""What callers may send, and what they are told when they may not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bucle.podkit.model import Prediction
from bucle.pods.serve.feedback import feedback_rows
from bucle.pods.serve.protocol import (
    BadRequest,
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
        (v2(tensor(shape=[1, 2])), 400, "must have the shape"),
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
        v2_request(body)
    assert refused.value.status == status
    assert says in refused.value.message


@pytest.mark.parametrize(
    "document",
    [
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}},
        {"dataframe_records": [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]},
        {"inputs": {"a": [1, 2], "b": ["x", "y"]}},
    ],
)
def test_the_three_forms_of_invocations_mean_the_same(document: dict[str, Any]) -> None:
    asked = invocations_request(json.dumps(document).encode())
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
    ],
)
def test_mistakes_of_invocations_are_named(document: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        invocations_request(json.dumps(document).encode())


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


@pytest.mark.parametrize(
    ("row", "stored"),
    [
        ({"id": "f1", "label": 1}, {"id": "f1", "request_id": None, "row": 0, "label": "1"}),
        ({"id": 7, "label": 1.0}, {"id": "7", "label": "1"}),
        ({"request_id": "u", "row": 3, "label": True}, {"id": None, "request_id": "u", "row": 3, "label": "true"}),
        ({"id": "f1", "label": "late", "label_time": "2013-01-01T00:00:00Z"}, {"label": "late"}),
    ],
)
def test_feedback_has_one_text_form(row: dict[str, Any], stored: dict[str, Any]) -> None:
    (found,) = feedback_rows(json.dumps({"rows": [row]}).encode())
    assert stored.items() <= found.items()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"rows": [{"label": 1}]}, 400, "rows.0 must have exactly one of id and request_id"),
        ({"rows": [{"id": "a", "request_id": "b", "label": 1}]}, 400, "exactly one"),
        ({"rows": [{"id": "a"}]}, 400, "rows.0.label"),
        ({"rows": [{"id": "a", "label": 1, "row": -1}]}, 400, "index of a row"),
        ({"rows": [{"id": "a", "label": 1, "label_time": "noon"}]}, 400, "ISO 8601"),
        ({"rows": [{"id": "a", "label": 1, "label_time": "0001-01-01T00:00:00+12:00"}]}, 400, "ISO 8601"),
        ({"rows": [{"id": "a", "label": 1}] * 10_001}, 413, "rows"),
        ({}, 400, "rows"),
    ],
)
def test_mistakes_in_feedback_are_named(body: dict[str, Any], status: int, says: str) -> None:
    with pytest.raises(BadRequest) as refused:
        feedback_rows(json.dumps(body).encode())
    assert refused.value.status == status
    assert says in refused.value.message
