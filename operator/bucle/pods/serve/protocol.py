"""Requests and answers as JSON: Open Inference Protocol v2 and MLflow's /invocations. Pure; knows no model.

Every mistake a caller can make is a BadRequest with a status and words for the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bucle.podkit.model import Prediction

BODY_LIMIT_BYTES = 8 * 1024 * 1024
ROWS_LIMIT = 10_000
_INTEGERS = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})
_FLOATS = frozenset({"FP16", "FP32", "FP64"})


class BadRequest(Exception):
    """The caller's mistake: HTTP status and what to change."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for n rows: columns by name, each with n JSON values; `id` as the client wrote it."""

    columns: Mapping[str, Sequence[Any]]
    rows: int
    id: str | None = None


def parsed(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(400, f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadRequest(400, "the body must be a JSON object")
    return document


def v2_request(body: bytes) -> Asked:
    """`inputs`: one named tensor of shape [n] or [n, 1] per column."""
    document = parsed(body)
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise BadRequest(400, "inputs must be a list with one tensor per column")
    columns: dict[str, Sequence[Any]] = {}
    for tensor in inputs:
        name, values = _tensor(tensor)
        if name in columns:
            raise BadRequest(400, f"input {name} is given twice")
        columns[name] = values
    id_ = document.get("id")
    return _asked(columns, str(id_) if id_ is not None else None)


def invocations_request(body: bytes) -> Asked:
    """Exactly one of dataframe_split, dataframe_records and inputs (a map of columns)."""
    document = parsed(body)
    forms = {"dataframe_split": _split, "dataframe_records": _records, "inputs": _columns}
    given = [form for form in forms if form in document]
    if len(given) != 1:
        raise BadRequest(400, "the body must have exactly one of dataframe_split, dataframe_records and inputs")
    return _asked(forms[given[0]](document[given[0]]), None)


def v2_answer(model: str, revision: str, id_: str, prediction: Prediction) -> bytes:
    """Outputs `label` (BYTES, or FP64 numbers) and, for classes, `scores` FP64 [n, k]."""
    outputs: list[dict[str, Any]] = []
    if prediction.labels is not None and prediction.scores is not None:
        n, k = prediction.scores.shape
        labels = prediction.labels.tolist()
        outputs.append({"name": "label", "datatype": "BYTES", "shape": [n], "data": labels})
        scores = prediction.scores.ravel().tolist()
        outputs.append({"name": "scores", "datatype": "FP64", "shape": [n, k], "data": scores})
    elif prediction.numbers is not None:
        numbers = prediction.numbers.tolist()
        outputs.append({"name": "label", "datatype": "FP64", "shape": [len(numbers)], "data": numbers})
    return orjson.dumps({"model_name": model, "model_version": revision, "id": id_, "outputs": outputs})


def invocations_answer(prediction: Prediction) -> bytes:
    """`predictions`: one record per row."""
    if prediction.labels is not None and prediction.scores is not None:
        pairs = zip(prediction.labels.tolist(), prediction.scores.tolist(), strict=True)
        return orjson.dumps({"predictions": [{"label": label, "scores": scores} for label, scores in pairs]})
    numbers = [] if prediction.numbers is None else prediction.numbers.tolist()
    return orjson.dumps({"predictions": [{"label": number} for number in numbers]})


def _asked(columns: Mapping[str, Sequence[Any]], id_: str | None) -> Asked:
    if not columns:
        raise BadRequest(400, "the request has no columns")
    lengths = {name: len(values) for name, values in columns.items()}
    rows = next(iter(lengths.values()))
    uneven = next((name for name, length in lengths.items() if length != rows), None)
    if uneven is not None:
        raise BadRequest(400, f"column {uneven} has {lengths[uneven]} values, {next(iter(lengths))} has {rows}")
    if rows == 0:
        raise BadRequest(400, "the request has no rows")
    if rows > ROWS_LIMIT:
        raise BadRequest(413, f"the request has {rows} rows, at most {ROWS_LIMIT} are answered at once: send several")
    return Asked(columns, rows, id_)


def _tensor(tensor: Any) -> tuple[str, Sequence[Any]]:
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise BadRequest(400, "each input must be an object with a name")
    name, shape, data = tensor["name"], tensor.get("shape"), tensor.get("data")
    if not isinstance(data, list):
        raise BadRequest(400, f"input {name} must have its values in data")
    if data and all(isinstance(value, list) and len(value) == 1 for value in data):
        data = [value[0] for value in data]
    if not isinstance(shape, list) or shape not in ([len(data)], [len(data), 1]):
        raise BadRequest(400, f"input {name} must have the shape [{len(data)}] or [{len(data)}, 1], it says {shape}")
    _require_datatype(name, tensor.get("datatype"), data)
    return name, data


def _require_datatype(name: str, datatype: Any, data: list[Any]) -> None:
    allowed: tuple[type, ...]
    if not isinstance(datatype, str):
        allowed = ()
    elif datatype == "BYTES":
        allowed = (str,)
    elif datatype == "BOOL":
        allowed = (bool,)
    elif datatype in _INTEGERS:
        allowed = (int,)
    elif datatype in _FLOATS:
        allowed = (int, float)
    else:
        allowed = ()
    if not allowed:
        raise BadRequest(
            400, f"input {name} has the datatype {datatype}, known are BYTES, BOOL, INT64, INT32, FP64, FP32"
        )
    for value in data:
        # JSON null stands for a missing value in any datatype; whether it may be missing is said by the schema.
        if value is not None and (not isinstance(value, allowed) or (isinstance(value, bool) and datatype != "BOOL")):
            raise BadRequest(400, f"input {name} says {datatype}, but a value is of another type")


def _split(frame: Any) -> Mapping[str, Sequence[Any]]:
    if not isinstance(frame, dict) or not _names(frame.get("columns")) or not _lists(frame.get("data")):
        raise BadRequest(400, "dataframe_split must have columns (texts) and data (a list of rows)")
    columns, data = frame["columns"], frame["data"]
    if any(len(row) != len(columns) for row in data):
        raise BadRequest(400, f"each row of dataframe_split must have {len(columns)} values")
    return {name: [row[at] for row in data] for at, name in enumerate(columns)}


def _records(records: Any) -> Mapping[str, Sequence[Any]]:
    if not isinstance(records, list) or not records or not all(isinstance(record, dict) for record in records):
        raise BadRequest(400, "dataframe_records must be a list of objects")
    names = {name: None for record in records for name in record}
    return {name: [record.get(name) for record in records] for name in names}


def _columns(inputs: Any) -> Mapping[str, Sequence[Any]]:
    if not isinstance(inputs, dict) or not all(isinstance(values, list) for values in inputs.values()):
        raise BadRequest(400, "inputs must be an object of lists, one per column")
    return dict(inputs)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _lists(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, list) for row in value)
