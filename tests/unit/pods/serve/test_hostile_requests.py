"""Whatever comes from outside is answered or refused, in words and within bounds: never 500, and the next caller is served."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.builders.served_model import Bench
from tests.support.fakes.small_model import StoredModel, flights, stored_model, v2_body

from bucle.contracts.row_rules import LabelContract
from bucle.contracts.table import Column
from bucle.podkit.model import LoadedModel, load_model
from bucle.podkit.request_check import Door, InvalidRequest
from bucle.pods.serve.bodies import BadRequest
from bucle.pods.serve.feedback import LabelRules, RefusedRows, feedback_rows

INFER, INVOCATIONS, FEEDBACK = "/v2/models/flights/infer", "/invocations", "/v1/models/flights/feedback"
WORDS = 1000
"""A refusal is a sentence, whatever was sent."""
LONG = "x" * 2_000_000

VALUES = [
    *("null", "true", "0", "-0", "-0.0", "1e400", "-1e400", "1e-400", "1e308", "1e39", "9007199254740993", "NaN"),
    *("Infinity", "-Infinity", str(2**63), str(2**64), str(-(2**63) - 1), "1" * 400, "1" * 5000, "0." + "1" * 5000),
    *(
        '""',
        '" "',
        '"\\u0000"',
        '"a\\u0000b"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\u202e"',
        '"e\\u0301"',
        '"²"',
        '"+-5"',
    ),
    *('"1e400"', '"NaN"', '"nan"', '"1e99"', f'"{"1" * 5000}"', f'"{"1" * 5000}.0"', f'"1e{"9" * 50}"', f'"{LONG}"'),
    *("[]", "{}", "[1]", '{"a": 1}', "[[[]]]", "[" * 3000 + "]" * 3000, '{"a":' * 3000 + "1" + "}" * 3000),
    *('"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"', '"2013-01-01T25:00"', '"２０１３-01-01"', '"P1D"'),
]
"""JSON, and texts that some parsers take for it."""


def shortened(text: object) -> str:
    return str(text)[:40]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredModel:
    return stored_model(tmp_path_factory.mktemp("store"), iterations=5)


@pytest.fixture(scope="module")
def model(stored: StoredModel) -> LoadedModel:
    return load_model(stored.uri, stored.digest)


@pytest.fixture
async def bench(stored: StoredModel, model: LoadedModel) -> AsyncIterator[Bench]:
    made = Bench(stored, model)
    yield made
    assert (await made.post(INVOCATIONS, {"inputs": flights(0, 1)})).status == 200, "the next caller is served"
    assert made.server.recorder.flush(), "what was answered can be written down"
    await made.server.feedback.close(5)
    made.server.batcher.close()


async def judged(bench: Bench, path: str, body: bytes, **headers: str) -> int:
    """The status, after the answer was seen to be JSON of bearable size."""
    answer = await bench.post(path, body, **headers)
    told = answer.json()
    if answer.status >= 400:
        assert 0 < len(told["error"]) <= WORDS, (body[:100], told["error"][:200])
    return answer.status


@pytest.mark.parametrize("path", [INFER, INVOCATIONS])
@pytest.mark.parametrize("column", flights(0, 1))
async def test_any_value_in_any_column_is_answered_or_refused(bench: Bench, column: str, path: str) -> None:
    others = {name: values for name, values in flights(0, 1).items() if name != column}
    datatype = "BYTES" if isinstance(flights(0, 1)[column][0], str) else "FP64"
    tensors = json.dumps(v2_body(others)["inputs"])[1:-1]
    for value in VALUES:
        odd = f'{{"name": "{column}", "datatype": "{datatype}", "shape": [1], "data": [{value}]}}'
        body = f'{{"inputs": [{tensors}, {odd}]}}'
        if path == INVOCATIONS:
            body = f'{{"inputs": {{{json.dumps(others)[1:-1]}, "{column}": [{value}]}}}}'
        assert await judged(bench, path, body.encode()) in (200, 400, 422), value[:40]


@pytest.mark.parametrize("field", ["id", "request_id", "row", "label", "label_time", "other"])
async def test_any_value_in_any_field_of_feedback_is_stored_or_refused(bench: Bench, field: str) -> None:
    good = {"id": '"f1"', "row": "0", "label": "1", "label_time": '"2013-01-01T00:00:00Z"'}
    kept = {name: text for name, text in good.items() if not (field == "request_id" and name == "id")}
    for value in VALUES:
        row = ",".join(f'"{name}": {text}' for name, text in (kept | {field: value}).items())
        assert await judged(bench, FEEDBACK, f'{{"rows": [{{{row}}}]}}'.encode()) in (202, 400), value[:40]


async def test_any_value_in_place_of_feedback_is_refused(bench: Bench) -> None:
    for value in VALUES:
        for body in (f'{{"rows": {value}}}', value, f'{{"rows": [{value}]}}'):
            assert await judged(bench, FEEDBACK, body.encode()) in (202, 400), value[:40]


@pytest.mark.parametrize("part", ["name", "datatype", "shape", "data", "parameters"])
async def test_any_value_in_place_of_a_part_of_a_tensor_is_refused(bench: Bench, part: str) -> None:
    tensor = {"name": '"hour"', "datatype": '"INT64"', "shape": "[1]", "data": "[1]"}
    for value in VALUES:
        fields = ",".join(f'"{name}": {text}' for name, text in (tensor | {part: value}).items())
        assert await judged(bench, INFER, f'{{"inputs": [{{{fields}}}]}}'.encode()) in (400, 413), value[:40]


@pytest.mark.parametrize("part", ["id", "outputs", "parameters"])
async def test_any_value_beside_the_tensors_is_answered_or_refused(bench: Bench, part: str) -> None:
    whole = json.dumps(v2_body(flights(0, 1)))[:-1]
    for value in VALUES:
        assert await judged(bench, INFER, f'{whole}, "{part}": {value}}}'.encode()) in (200, 400), value[:40]


@pytest.mark.parametrize("form", ["inputs", "instances", "dataframe_records", "dataframe_split"])
async def test_any_value_in_place_of_rows_is_refused(bench: Bench, form: str) -> None:
    for value in VALUES:
        for body in (f'{{"{form}": {value}}}', f'{{"{form}": [{value}]}}', f'{{"{form}": {{"data": {value}}}}}'):
            assert await judged(bench, INVOCATIONS, body.encode()) in (400, 413), body[:60]


@pytest.mark.parametrize("path", [INFER, INVOCATIONS, FEEDBACK])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"inputs"',
        b"\x80\x81",
        b'{"a": 1}{"b": 2}',
        b"[" * 100_000,
    ],
    ids=shortened,
)
async def test_bytes_that_are_no_json_are_refused(bench: Bench, path: str, body: bytes) -> None:
    assert await judged(bench, path, body) == 400


@pytest.mark.parametrize(
    "encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "\xe9", "x" * 5000]
)
async def test_an_encoding_that_the_body_has_not_is_refused(bench: Bench, encoding: str) -> None:
    for path in (INFER, INVOCATIONS, FEEDBACK):
        assert await judged(bench, path, b"{}", content_encoding=encoding) in (400, 415)


def split(rows: int, columns: dict[str, Any]) -> dict[str, Any]:
    return {"columns": list(columns), "data": [list(columns.values())] * rows}


ONE = {name: values[0] for name, values in flights(0, 1).items()}


@pytest.mark.parametrize("rows", [0, 10_001, 100_000])
async def test_no_row_and_too_many_rows_are_refused_in_every_form(bench: Bench, rows: int) -> None:
    short = {"hour": 1}
    bodies: list[tuple[str, Any]] = [
        (INFER, v2_body({"hour": [1] * rows, "distance": [1.0] * rows})),
        (INVOCATIONS, {"inputs": {"hour": [1] * rows}}),
        (INVOCATIONS, {"instances": [short] * rows}),
        (INVOCATIONS, {"instances": [[1, 2, 3]] * rows}),
        (INVOCATIONS, {"dataframe_records": [short] * rows}),
        (INVOCATIONS, {"dataframe_split": split(rows, short)}),
        (FEEDBACK, {"rows": [{"id": "a", "label": 1}] * rows}),
    ]
    for path, body in bodies:
        status = await judged(bench, path, json.dumps(body).encode())
        assert status in ((400, 202) if rows == 0 else (413, 400)), (path, list(body))


async def test_a_duplicate_key_counts_as_its_last_value(bench: Bench) -> None:
    """JSON leaves it open; what is judged is what the model is given."""
    body = json.dumps({"inputs": ONE | {name: [value] for name, value in ONE.items()}})[:-2]
    assert await judged(bench, INVOCATIONS, f'{body}, "hour": [99]}}}}'.encode()) == 400
    assert await judged(bench, INVOCATIONS, f'{body}, "hour": [99], "hour": [5]}}}}'.encode()) == 200


async def test_columns_by_the_hundred_thousand_cost_no_more_than_their_bytes(bench: Bench) -> None:
    """Names were counted against each other, and every record was given a cell for each name of the others."""
    names = [f"c{n}" for n in range(300_000)]
    assert (
        await judged(bench, INVOCATIONS, json.dumps({"dataframe_split": {"columns": names, "data": []}}).encode())
        == 400
    )
    records = [{f"r{row}c{n}": 0 for n in range(40)} for row in range(9_000)]
    assert await judged(bench, INVOCATIONS, json.dumps({"dataframe_records": records}).encode()) in (400, 413)


COLUMNS = [
    Column(name="x", type="Integer", nullable="Allowed"),
    Column(name="x", type="Number", minimum="0"),
    Column(name="x", type="Boolean"),
    Column(name="x", type="Category"),
    Column(name="x", type="Text"),
    Column(name="x", type="Timestamp"),
    *(Column(name="x", type=kind, role="Id") for kind in ("Integer", "Text", "Category")),
    Column(name="x", type="Number", role="Weight"),
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: f"{column.type} {column.role}")
@pytest.mark.parametrize("times", [1, 20], ids=["one by one", "all at once"])
def test_a_column_of_any_type_takes_or_refuses_any_value(column: Column, times: int) -> None:
    door = Door([column], {})
    for text in VALUES:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        try:
            door.admitted({"x": [value] * times})
        except InvalidRequest as refused:
            assert len(str(refused)) < WORDS


@pytest.mark.parametrize("text", VALUES, ids=shortened)
def test_an_id_of_any_type_takes_or_refuses_any_value(text: str) -> None:
    for kind in ("Integer", "Text", "Category"):
        rules = LabelRules(LabelContract("Regression"), Column(name="x", type=kind, role="Id"))
        try:
            assert feedback_rows(f'{{"rows": [{{"id": {text}, "label": 1}}]}}'.encode(), rules)
        except (BadRequest, RefusedRows) as refused:
            assert len(refused.message) < WORDS


@pytest.mark.parametrize("text", VALUES, ids=shortened)
def test_a_label_of_any_task_takes_or_refuses_any_value(text: str) -> None:
    for contract in (LabelContract("Regression"), LabelContract("Binary", ("0", "1")), LabelContract("MultiClass")):
        rules = LabelRules(contract, Column(name="x", type="Text", role="Id"))
        try:
            assert feedback_rows(f'{{"rows": [{{"id": "a", "label": {text}}}]}}'.encode(), rules)
        except (BadRequest, RefusedRows) as refused:
            assert len(refused.message) < WORDS + 200
