"""Requests and answers as JSON: Open Inference Protocol v2, MLflow's /invocations and the older `instances`. Pure.

Every mistake a caller can make is a BadRequest with a status and words for the caller. Knows the names of the
features, in the order of the signature, and nothing else of the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from bucle.podkit.model import Prediction
from bucle.pods.serve.bodies import BadRequest, shown

ROWS_LIMIT = 10_000
ID_LIMIT = 512
CELLS_LIMIT = 5_000_000
"""More than a body of that size can fill: records that each have names of their own would take a cell for every other's."""
OUTPUTS = ("label", "scores")
_INTEGERS = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})
_FLOATS = frozenset({"FP16", "FP32", "FP64"})

Columns: TypeAlias = Mapping[str, Sequence[Any]]
Names: TypeAlias = Sequence[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for n rows: columns by name, each with n JSON values; `id` as the client wrote it; `outputs` wanted."""

    columns: Columns
    rows: int
    id: str | None = None
    outputs: Sequence[str] = OUTPUTS


def parsed(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(400, f"the body is not JSON: {error}", "not_json") from error
    if not isinstance(document, dict):
        raise BadRequest(400, "the body must be a JSON object")
    return document


def v2_request(body: bytes, features: Names = ()) -> Asked:
    """`inputs`: one named tensor of shape [n] or [n, 1] per column, or one of shape [n, features]."""
    document = parsed(body)
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise BadRequest(400, "inputs must be a list with one tensor per column")
    _require_no_binary(document)
    if len(inputs) == 1 and _is_matrix(inputs[0]):
        columns: dict[str, Sequence[Any]] = dict(_matrix(inputs[0], features))
    else:
        columns = {}
        for tensor in inputs:
            name, values = _tensor(tensor)
            if name in columns:
                raise BadRequest(400, f"input {shown(name)} is given twice")
            columns[name] = values
    return _asked(columns, _id(document.get("id")), _outputs(document.get("outputs")))


def invocations_request(body: bytes, features: Names = ()) -> Asked:
    """Exactly one of dataframe_split, dataframe_records, instances and inputs."""
    document = parsed(body)
    forms: dict[str, Callable[[Any, Names], Columns]] = {
        "dataframe_split": _split,
        "dataframe_records": _records,
        "instances": _instances,
        "inputs": _inputs,
    }
    given = [form for form in forms if form in document]
    if len(given) != 1:
        raise BadRequest(
            400, "the body must have exactly one of dataframe_split, dataframe_records, instances and inputs"
        )
    if document.get("params"):
        raise BadRequest(400, "params are not taken: this model has none")
    return _asked(forms[given[0]](document[given[0]], features), None, OUTPUTS)


def v2_answer(model: str, revision: str, id_: str, prediction: Prediction, wanted: Sequence[str] = OUTPUTS) -> bytes:
    """Outputs `label` (BYTES, or FP64 numbers) and, for classes, `scores` FP64 [n, k], as far as wanted."""
    outputs: list[dict[str, Any]] = []
    if prediction.labels is not None and prediction.scores is not None:
        n, k = prediction.scores.shape
        labels = prediction.labels.tolist()
        outputs.append({"name": "label", "datatype": "BYTES", "shape": [n], "data": labels})
        outputs.append({"name": "scores", "datatype": "FP64", "shape": [n, k], "data": prediction.scores.ravel()})
    elif prediction.numbers is not None:
        numbers = prediction.numbers
        outputs.append({"name": "label", "datatype": "FP64", "shape": [len(numbers)], "data": numbers})
    known = {output["name"]: output for output in outputs}
    chosen = [known[name] for name in wanted if name in known]
    document = {"model_name": model, "model_version": revision, "id": id_, "outputs": chosen}
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def invocations_answer(prediction: Prediction) -> bytes:
    """`predictions`: one record per row."""
    if prediction.labels is not None and prediction.scores is not None:
        pairs = zip(prediction.labels.tolist(), prediction.scores.tolist(), strict=True)
        return orjson.dumps({"predictions": [{"label": label, "scores": scores} for label, scores in pairs]})
    numbers = [] if prediction.numbers is None else prediction.numbers.tolist()
    return orjson.dumps({"predictions": [{"label": number} for number in numbers]})


def require_rows(rows: int) -> None:
    if rows == 0:
        raise BadRequest(400, "the request has no rows")
    if rows > ROWS_LIMIT:
        raise BadRequest(
            413, f"the request has {rows} rows, at most {ROWS_LIMIT} are answered at once: send several", "too_large"
        )


def _asked(columns: Columns, id_: str | None, outputs: Sequence[str]) -> Asked:
    if not columns:
        raise BadRequest(400, "the request has no columns")
    lengths = {name: len(values) for name, values in columns.items()}
    rows = next(iter(lengths.values()))
    uneven = next((name for name, length in lengths.items() if length != rows), None)
    if uneven is not None:
        raise BadRequest(
            400, f"column {shown(uneven)} has {lengths[uneven]} values, {shown(next(iter(lengths)))} has {rows}"
        )
    require_rows(rows)
    return Asked(columns, rows, id_, outputs)


def _id(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, (str, int)) or not 0 < len(text := str(value)) <= ID_LIMIT:
        raise BadRequest(400, f"id must be a text of 1 to {ID_LIMIT} characters", "too_long")
    return text


def _outputs(wanted: Any) -> Sequence[str]:
    if not wanted:
        return OUTPUTS
    if not isinstance(wanted, list) or not all(isinstance(output, dict) for output in wanted):
        raise BadRequest(400, "outputs must be a list of objects with a name")
    names = [output.get("name") for output in wanted]
    unknown = next((name for name in names if name not in OUTPUTS), None)
    if unknown is not None or None in names:
        raise BadRequest(400, f"outputs names {shown(unknown)}, a model has {' and '.join(OUTPUTS)}")
    return [str(name) for name in names]


def _require_no_binary(document: Mapping[str, Any]) -> None:
    """Answers are JSON and so are tensors; whoever asks for bytes must not be given something else in silence."""
    outputs = document.get("outputs")
    asked = [document, *(outputs if isinstance(outputs, list) else []), *document["inputs"]]
    for place in asked:
        parameters = place.get("parameters") if isinstance(place, dict) else None
        for name in ("binary_data_size", "binary_data", "binary_data_output"):
            if isinstance(parameters, dict) and parameters.get(name):
                raise BadRequest(400, f"binary tensors are neither read nor written: leave out {name}, use JSON data")


def _is_matrix(tensor: Any) -> bool:
    shape = tensor.get("shape") if isinstance(tensor, dict) else None
    return isinstance(shape, list) and len(shape) == 2 and shape[1] != 1


def _matrix(tensor: dict[str, Any], features: Names) -> Columns:
    """One tensor [n, k] holds the features in the order of the signature, row by row."""
    name, shape, data = tensor.get("name"), tensor["shape"], tensor.get("data")
    if not isinstance(data, list):
        raise BadRequest(400, f"input {shown(name)} must have its values in data")
    if data and all(isinstance(row, list) for row in data):
        data = [value for row in data for value in row]
    rows, width = shape
    whole = all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in shape)
    if not whole or len(data) != rows * width:
        raise BadRequest(400, f"input {shown(name)} says the shape {shown(shape)}, but has {len(data)} values")
    if width != len(features):
        raise BadRequest(
            400,
            f"input {shown(name)} has {width} columns, the model has {len(features)} features: send them all, in the order of "
            "the metadata's inputs, or one tensor of shape [n] for each column",
        )
    _require_datatype(str(name), tensor.get("datatype"), data)
    return {feature: data[at::width] for at, feature in enumerate(features)}


def _tensor(tensor: Any) -> tuple[str, Sequence[Any]]:
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise BadRequest(400, "each input must be an object with a name")
    name, shape, data = tensor["name"], tensor.get("shape"), tensor.get("data")
    if not isinstance(data, list):
        raise BadRequest(400, f"input {shown(name)} must have its values in data")
    if data and all(isinstance(value, list) and len(value) == 1 for value in data):
        data = [value[0] for value in data]
    if not isinstance(shape, list) or shape not in ([len(data)], [len(data), 1]):
        raise BadRequest(
            400, f"input {shown(name)} must have the shape [{len(data)}] or [{len(data)}, 1], it says {shown(shape)}"
        )
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
            400,
            f"input {shown(name)} has the datatype {shown(datatype)}, known are BYTES, BOOL, INT64, INT32, FP64, FP32",
        )
    # JSON null stands for a missing value in any datatype; whether it may be missing is said by the schema.
    if not set(map(type, data)) <= {*allowed, type(None)}:
        raise BadRequest(400, f"input {shown(name)} says {datatype}, but a value is of another type", "wrong_type")


def _split(frame: Any, _: Names) -> Columns:
    if not isinstance(frame, dict) or not _texts(frame.get("columns")) or not _lists(frame.get("data")):
        raise BadRequest(400, "dataframe_split must have columns (texts) and data (a list of rows)")
    columns, data = frame["columns"], frame["data"]
    often: Counter[str] = Counter(columns)
    twice = next((name for name, times in often.items() if times > 1), None)
    if twice is not None:
        raise BadRequest(400, f"dataframe_split has the column {shown(twice)} twice")
    if any(len(row) != len(columns) for row in data):
        raise BadRequest(400, f"each row of dataframe_split must have {len(columns)} values")
    require_rows(len(data))
    return {name: [row[at] for row in data] for at, name in enumerate(columns)}


def _records(records: Any, _: Names) -> Columns:
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise BadRequest(400, "dataframe_records must be a list of objects")
    require_rows(len(records))
    names: dict[str, None] = {name: None for record in records for name in record}
    if len(names) * len(records) > CELLS_LIMIT:
        raise BadRequest(
            413, f"the records have {len(names)} different names: send what the model asks for, or fewer", "too_large"
        )
    return {name: [record.get(name) for record in records] for name in names}


def _instances(instances: Any, features: Names) -> Columns:
    """Rows as objects, or as lists in the order of the signature."""
    if isinstance(instances, list) and instances and all(isinstance(row, dict) for row in instances):
        return _records(instances, features)
    if not isinstance(instances, list) or not all(isinstance(row, list) for row in instances):
        raise BadRequest(400, "rows must be a list of objects, or of lists with one value per feature")
    require_rows(len(instances))
    wrong = next((len(row) for row in instances if len(row) != len(features)), None)
    if wrong is not None:
        raise BadRequest(
            400,
            f"a row has {wrong} values, the model has {len(features)} features: send them all in the order of the "
            "metadata's inputs, or send objects with their names",
        )
    return {feature: [row[at] for row in instances] for at, feature in enumerate(features)}


def _inputs(inputs: Any, features: Names) -> Columns:
    """A map of columns, or rows as in `instances`."""
    if isinstance(inputs, list):
        return _instances(inputs, features)
    if not isinstance(inputs, dict) or not all(isinstance(values, list) for values in inputs.values()):
        raise BadRequest(400, "inputs must be an object of lists, one per column, or a list of rows")
    return dict(inputs)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _lists(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, list) for row in value)
