"""The application over a real small model: every mistake of a caller has a status and words, none has a traceback."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pyarrow as pa
import pytest
from tests.support.builders.served_model import Bench
from tests.support.fakes.asgi import call
from tests.support.fakes.small_model import FOREST, StoredModel, flights, reference, stored_model, v2_body

from bucle.podkit.model import LoadedModel, Prediction, load_model
from bucle.podkit.request_check import Features
from bucle.pods.serve.batching import Batcher
from bucle.pods.serve.loading import known_row
from bucle.pods.serve.server import LARGE_AT_ONCE

INFER = "/v2/models/flights/infer"


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
    await made.server.feedback.close(5)
    made.server.batcher.close()


def without(name: str) -> dict[str, list[Any]]:
    return {column: values for column, values in flights(0, 2).items() if column != name}


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        (INFER, b"{", 400, "not JSON"),
        (INFER, v2_body(without("hour")), 400, "column hour is missing"),
        (INFER, v2_body(flights(0, 2) | {"hour": ["a", "b"]}), 400, "hour says INT64"),
        ("/invocations", {"inputs": flights(0, 2) | {"hour": ["a", "b"]}}, 400, "column hour must be a whole number"),
        ("/invocations", {"inputs": flights(0, 2) | {"hour": [2, 1.5]}}, 400, "hour must be a whole number (row 1)"),
        ("/invocations", {"inputs": flights(0, 2) | {"hour": [2, 99]}}, 400, "column hour must be at most 23 (row 1)"),
        ("/invocations", {"inputs": flights(0, 1) | {"time_hour": [1357000000]}}, 400, "time_hour must be an ISO 8601"),
        ("/invocations", {"inputs": flights(0, 1) | {"time_hour": ["noon"]}}, 400, "time_hour must be an ISO 8601"),
        ("/invocations", {"inputs": flights(0, 1) | {"flight_id": [1e30]}}, 400, "flight_id must be sent as a text"),
        ("/v2/models/flights/versions/r9/infer", v2_body(flights(0, 1)), 404, "serves version r1 of flights, not r9"),
        ("/v3/anything", {}, 404, "POST /v3/anything is not served here: POST /v2/models/flights/infer"),
        ("/metrics", {}, 405, "POST /metrics is not served here"),
        ("/invocations", {"inputs": flights(0, 2) | {"hour": [None, 2]}}, 400, "column hour must not be null"),
        ("/v2/models/other/infer", v2_body(flights(0, 1)), 404, "no model other here, only flights"),
        ("/v1/models/other/feedback", {"rows": []}, 404, "no model other"),
        (INFER, b"x" * (8 * 1024 * 1024 + 1), 413, "8388608"),
    ],
)
async def test_a_callers_mistake_is_named(bench: Bench, path: str, body: Any, status: int, says: str) -> None:
    answer = await bench.post(path, body)
    assert answer.status == status
    assert says in answer.json()["error"]
    assert bench.server.recorder.flush() and not bench.files, "a refused request is not captured"


async def test_an_unknown_category_is_answered_like_a_null(bench: Bench) -> None:
    answer = await bench.post("/invocations", {"inputs": flights(0, 1) | {"carrier": ["never seen"]}})
    assert answer.status == 200


async def test_extra_columns_are_accepted_and_kept_only_if_the_schema_has_them(bench: Bench) -> None:
    answer = await bench.post("/invocations", {"inputs": flights(0, 2) | {"secret": ["a", "b"]}})
    assert answer.status == 200
    names = bench.captured().column_names
    assert {"flight_id", "time_hour"} <= set(names) and "secret" not in names


async def test_both_protocols_give_the_same_answer(bench: Bench) -> None:
    ours = (await bench.post(INFER, v2_body(flights(0, 3)))).json()["outputs"]
    theirs = (await bench.post("/invocations", {"inputs": flights(0, 3)})).json()["predictions"]
    assert ours[0]["data"] == [row["label"] for row in theirs]
    assert ours[1]["data"] == [score for row in theirs for score in row["scores"]]


async def test_identity_role_and_the_clients_own_id_are_written_down(bench: Bench) -> None:
    first = await bench.post(
        INFER, v2_body(flights(0, 1), id="v2"), x_bucle_id="u1", x_bucle_role="shadow", x_request_id="h"
    )
    await bench.post(INFER, v2_body(flights(0, 1), id="v2"), x_bucle_id="u2")
    unnamed = await bench.post(INFER, v2_body(flights(0, 1)))
    assert (first.headers["x-bucle-id"], first.headers["x-bucle-revision"]) == ("u1", "r1")
    rows = bench.captured()
    assert rows.column("bucle_id").to_pylist() == ["u1", "u2", unnamed.headers["x-bucle-id"]]
    assert rows.column("bucle_role").to_pylist() == ["shadow", "stable", "stable"]
    assert rows.column("bucle_request_id").to_pylist() == ["v2", "v2", None], "the body's id is the caller's own"


async def test_requests_that_wait_together_are_predicted_together_and_answered_apart(
    bench: Bench, model: LoadedModel
) -> None:
    answers = await asyncio.gather(*(bench.post(INFER, v2_body(flights(n, 2))) for n in range(20)))
    assert sum(bench.batches) == 40 and len(bench.batches) < 20
    assert max(bench.batches) <= bench.server.task.max_batch
    for n, answer in enumerate(answers):
        expected = model.predict(model.frame(flights(n, 2)))
        assert expected.scores is not None
        assert answer.json()["outputs"][1]["data"] == pytest.approx(expected.scores.ravel().tolist())


async def test_a_model_that_throws_is_a_500_without_its_words(bench: Bench) -> None:
    def throws(parts: Sequence[Features]) -> Prediction:
        raise RuntimeError("secret of the model")

    bench.server.batcher = Batcher(throws, 64, bench.batches.append, known_row(reference()))
    answer = await bench.post(INFER, v2_body(flights(0, 1)))
    assert answer.status == 500 and b"secret" not in answer.content
    bench.server.batcher.close()


async def test_labels_sent_at_the_same_time_are_one_file(bench: Bench) -> None:
    bodies = [{"rows": [{"id": f"f{n}", "label": n % 2}]} for n in range(5)]
    answers = await asyncio.gather(*(bench.post("/v1/models/flights/feedback", body) for body in bodies))
    assert [(answer.status, answer.json()) for answer in answers] == [(202, {"rows": 1})] * 5
    (table,) = bench.files.values()
    assert sorted(table.column("id").to_pylist()) == [f"f{n}" for n in range(5)]


@pytest.mark.parametrize(
    ("source", "status", "kept"),
    [
        ({}, 202, None),
        ({"x-bucle-source": ""}, 202, None),
        ({"x-bucle-source": "nightly.eu_1-a"}, 202, "nightly.eu_1-a"),
        ({"x-bucle-source": "a" * 63}, 202, "a" * 63),
        ({"x-bucle-source": "a" * 64}, 400, None),
        ({"x-bucle-source": "two words"}, 400, None),
        ({"x-bucle-source": "-a"}, 400, None),
    ],
)
async def test_labels_are_stored_with_what_their_caller_calls_itself(
    bench: Bench, source: dict[str, str], status: int, kept: str | None
) -> None:
    answer = await bench.post("/v1/models/flights/feedback", {"rows": [{"id": "f1", "label": 1}]}, **source)
    assert answer.status == status
    if status == 202:
        (table,) = bench.files.values()
        assert table.column("source").to_pylist() == [kept]
    else:
        assert "x-bucle-source must have at most 63 letters" in answer.json()["error"] and not bench.files


async def test_labels_that_cannot_be_written_are_refused_and_nobody_waits_for_ever(bench: Bench) -> None:
    unwritable: dict[str, Any] = {"id": "f1", "request_id": None, "row": 0, "label": {}, "label_time": None}
    with pytest.raises(pa.ArrowTypeError):
        await asyncio.wait_for(bench.server.feedback.append([unwritable]), 5)
    answer = await bench.post("/v1/models/flights/feedback", {"rows": [{"id": "f1", "label": 1}]})
    assert answer.status == 202


async def test_who_hangs_up_while_sending_labels_is_no_error_of_ours(bench: Bench) -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    path = "/v1/models/flights/feedback"
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    await bench.app({**scope, "headers": [], "root_path": ""}, gone, send)
    assert sent[0]["status"] == 499 and not bench.files


async def test_metadata_tells_what_to_send(bench: Bench) -> None:
    told = (await call(bench.app, "GET", "/v2/models/flights")).json()
    assert [column["name"] for column in told["inputs"]] == ["carrier", "hour", "distance"]
    assert told["outputs"][1] == {"name": "scores", "datatype": "FP64", "shape": [-1, 2]}


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredModel, LoadedModel]:
    stored = stored_model(tmp_path_factory.mktemp("forest"), estimator=FOREST)
    return stored, load_model(stored.uri, stored.digest)


@pytest.fixture
async def frail(forest: tuple[StoredModel, LoadedModel]) -> AsyncIterator[Bench]:
    made = Bench(*forest)
    yield made
    made.server.batcher.close()


async def test_a_request_that_the_model_cannot_answer_fails_alone(frail: Bench) -> None:
    """A number beyond 32 bits fails all that a forest is asked at once; the schema allows it."""
    bad = flights(0, 3) | {"distance": [1.0, 1e39, 2.0]}
    bodies = [bad if n in (3, 17) else flights(n, 2) for n in range(20)]
    answers = await asyncio.gather(*(frail.post("/invocations", {"inputs": body}) for body in bodies))
    assert [answer.status for answer in answers] == [422 if n in (3, 17) else 200 for n in range(20)]
    assert "the model cannot answer row 1 (" in answers[3].json()["error"]
    assert frail.counted("bucle_refused_requests_total", reason="unanswerable") == 2
    assert "1e+39" not in answers[3].json()["error"]
    assert frail.captured().num_rows == 18 * 2, "what was not answered is not captured"


async def test_a_broken_model_is_no_fault_of_its_callers(frail: Bench) -> None:
    def breaks(parts: Sequence[Features]) -> Prediction:
        raise MemoryError

    frail.server.batcher = Batcher(breaks, 64, frail.batches.append, known_row(reference()))
    answers = await asyncio.gather(*(frail.post("/invocations", {"inputs": flights(n, 1)}) for n in range(5)))
    assert {answer.status for answer in answers} == {500}
    frail.server.batcher.close()


async def test_rows_that_cannot_be_trained_on_are_answered_and_counted(bench: Bench) -> None:
    asked = {name: values for name, values in flights(0, 3).items() if name != "time_hour"}
    answer = await bench.post("/invocations", {"inputs": asked | {"flight_id": ["a", None, "c"]}})
    assert answer.status == 200
    assert bench.counted("bucle_incomplete_rows_total", column="time_hour", reason="missing") == 3
    assert bench.counted("bucle_incomplete_rows_total", column="flight_id", reason="null") == 1
    assert bench.captured().column("flight_id").to_pylist() == ["a", None, "c"]


async def test_refusals_are_counted_by_reason(bench: Bench) -> None:
    for body in (b"{", b"x" * (8 * 1024 * 1024 + 1), json.dumps({"inputs": flights(0, 1) | {"hour": [99]}}).encode()):
        await bench.post("/invocations", body)
    counts = {
        r: bench.counted("bucle_refused_requests_total", reason=r) for r in ("not_json", "too_large", "out_of_range")
    }
    assert counts == {"not_json": 1, "too_large": 1, "out_of_range": 1}


async def test_labels_that_are_no_class_are_refused_with_the_classes_and_counted(bench: Bench) -> None:
    rows = [{"id": "f1", "label": label} for label in ("yes", 2, "1.0", True)]
    answer = await bench.post("/v1/models/flights/feedback", {"rows": rows})
    assert answer.status == 400 and "rows.0.label must be one of the classes 0, 1" in answer.json()["error"]
    assert bench.counted("bucle_feedback_refused_rows_total", reason="not_a_class") == 2
    answer = await bench.post("/v1/models/flights/feedback", {"rows": rows[2:]})
    assert answer.status == 202
    ((_, table),) = bench.files.items()
    assert table.column("label").to_pylist() == ["1", "1"]


async def test_labels_by_id_are_refused_and_counted_where_they_are_joined_by_request(
    stored: StoredModel, model: LoadedModel
) -> None:
    """They were acknowledged with 202, and no reader would ever have found their answer."""
    bench = Bench(stored, model, labels="RequestId")
    answer = await bench.post("/v1/models/flights/feedback", {"rows": [{"id": "f1", "label": 1}]})
    assert answer.status == 400 and "feedback.key is RequestId: send request_id and row" in answer.json()["error"]
    assert bench.counted("bucle_feedback_refused_rows_total", reason="unjoinable") == 1 and not bench.files
    answer = await bench.post("/v1/models/flights/feedback", {"rows": [{"request_id": "u1", "label": 1}]})
    assert answer.status == 202
    await bench.server.feedback.close(5)
    bench.server.batcher.close()


async def test_what_is_captured_is_typed_whatever_its_spelling(bench: Bench) -> None:
    asked = flights(0, 1) | {"hour": [7.0], "time_hour": ["2013-01-01 02:00:00+02:00"], "flight_id": [2**64 - 1]}
    assert (await bench.post("/invocations", {"inputs": asked})).status == 200
    row = bench.captured().to_pylist()[0]
    assert (row["hour"], row["flight_id"]) == (7, str(2**64 - 1))
    assert row["time_hour"].isoformat() == "2013-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (gzip.compress(json.dumps({"inputs": flights(0, 1)}).encode()), {"content-encoding": "gzip"}, 200, ""),
        (zlib.compress(json.dumps({"inputs": flights(0, 1)}).encode()), {"content-encoding": "deflate"}, 200, ""),
        (b"{}", {"content-encoding": "br"}, 415, "send the body plain, or with gzip or deflate"),
        (b"{}", {"content-encoding": "gzip"}, 400, "is not what Content-Encoding gzip says"),
        (
            gzip.compress(b"{" * 1000, mtime=0)[:20],
            {"content-encoding": "gzip"},
            400,
            "ends in the middle of its gzip data",
        ),
        (gzip.compress(b" " * (9 * 1024 * 1024)), {"content-encoding": "gzip"}, 413, "more than 8388608 bytes"),
        (b"a,b", {"content-type": "text/csv"}, 415, "text/csv is not read: send JSON"),
        (b"{}xx", {"inference-header-content-length": "2"}, 400, "binary tensors are not read"),
    ],
)
async def test_packed_bodies_are_read_or_refused_in_words(
    bench: Bench, body: bytes, headers: dict[str, str], status: int, says: str
) -> None:
    answer = await call(bench.app, "POST", "/invocations", body, headers)
    assert answer.status == status and says in answer.json().get("error", "")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2", 200),
        ("GET", "/v2/models/flights/versions/r1", 200),
        ("GET", "/v2/models/flights/versions/r1/ready", 200),
        ("POST", "/v2/models/flights/versions/r1/infer", 200),
        ("GET", "/ping", 200),
        ("GET", "/health", 200),
        ("GET", "/v2/models/flights/versions/r2", 404),
    ],
)
async def test_paths_that_clients_of_the_protocol_ask(bench: Bench, method: str, path: str, status: int) -> None:
    answer = await call(bench.app, method, path, json.dumps(v2_body(flights(0, 1))).encode())
    assert answer.status == status


async def test_instances_in_the_order_of_the_signature_are_answered(bench: Bench) -> None:
    rows = [["AA", 7, 100.0], ["UA", 8, None]]
    theirs = await bench.post("/v1/models/flights:predict", {"instances": rows})
    named = {"carrier": ["AA", "UA"], "hour": [7, 8], "distance": [100.0, None]}
    assert theirs.json() == (await bench.post("/invocations", {"inputs": named})).json()


async def test_a_large_body_is_read_beside_the_event_loop(bench: Bench) -> None:
    """A legal body of 8 MB held up everybody for most of a second."""
    places = [
        await bench.server.aside(threading.current_thread, large=large) is threading.main_thread()
        for large in (False, True)
    ]
    assert places == [True, False]
    asked = flights(0, 10_000)
    asked["carrier"] = ["AA" + "x" * 650] * 10_000
    answering = asyncio.create_task(bench.post("/invocations", {"inputs": asked}))
    turns = 0
    while not answering.done():
        await asyncio.sleep(0)
        turns += 1
    assert answering.result().status == 200 and turns > 100


async def test_too_many_large_bodies_at_once_are_told_to_come_again(bench: Bench) -> None:
    large = {"inputs": flights(0, 2000)}
    answers = await asyncio.gather(*(bench.post("/invocations", large) for _ in range(LARGE_AT_ONCE + 3)))
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 429} and statuses.count(429) == 3
    assert next(answer for answer in answers if answer.status == 429).headers["retry-after"] == "2"
