"""The application over a real small model: every mistake of a caller has a status and words, none has a traceback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from tests.fakes.asgi import Answer, call
from tests.fakes.small_model import StoredModel, flights, reference, stored_model, v2_body

from bucle.contracts.task import Model, ServeTask
from bucle.podkit.model import LoadedModel, Prediction, load_model
from bucle.pods.serve.app import Server, application
from bucle.pods.serve.batching import Batcher
from bucle.pods.serve.feedback import FeedbackLog
from bucle.pods.serve.loading import misfit, sample_columns
from bucle.pods.serve.measures import Measures
from bucle.pods.serve.recorder import Destination, Recorder

INFER = "/v2/models/flights/infer"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredModel:
    return stored_model(tmp_path_factory.mktemp("store"), iterations=5)


@pytest.fixture(scope="module")
def model(stored: StoredModel) -> LoadedModel:
    return load_model(stored.uri, stored.digest)


class Bench:
    def __init__(self, stored: StoredModel, model: LoadedModel) -> None:
        self.files: dict[str, pa.Table] = {}
        measures = Measures("flights", "r1")
        self.batches: list[int] = []
        destination = Destination("s3://b/d", "r1", "pod-1", self.files.__setitem__)
        task = ServeTask(
            name="flights", revision="r1", model=Model(uri=stored.uri, digest=stored.digest), location="s3://b/d"
        )
        self.server = Server(
            task=task,
            model=model,
            batcher=Batcher(model.predict, task.max_batch, self.batches.append),
            recorder=Recorder(destination, model.reference.table.columns, measures.captured, measures.dropped),
            feedback=FeedbackLog("s3://b/d", "pod-1", self.files.__setitem__),
            measures=measures,
        )
        self.app = application(self.server)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await call(self.app, "POST", path, data, named)

    def captured(self) -> pa.Table:
        assert self.server.recorder.flush()
        return pa.concat_tables(self.files.values())


@pytest.fixture
async def bench(stored: StoredModel, model: LoadedModel) -> AsyncIterator[Bench]:
    made = Bench(stored, model)
    yield made
    await made.server.feedback.close()
    made.server.batcher.close()


def without(name: str) -> dict[str, list[Any]]:
    return {column: values for column, values in flights(0, 2).items() if column != name}


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        (INFER, b"{", 400, "not JSON"),
        (INFER, v2_body(without("hour")), 400, "column hour is missing"),
        (INFER, v2_body(flights(0, 2) | {"hour": ["a", "b"]}), 400, "hour says INT64"),
        ("/invocations", {"inputs": flights(0, 2) | {"hour": ["a", "b"]}}, 400, "column hour must be of type Integer"),
        ("/invocations", {"inputs": flights(0, 2) | {"hour": [1.5, 2]}}, 400, "column hour must be of type Integer"),
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
    assert rows.column("bucle_request_id").to_pylist() == ["h", "v2", None]


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
    def throws(frame: pd.DataFrame) -> Prediction:
        raise RuntimeError("secret of the model")

    bench.server.batcher = Batcher(throws, 64, bench.batches.append)
    answer = await bench.post(INFER, v2_body(flights(0, 1)))
    assert answer.status == 500 and b"secret" not in answer.content
    bench.server.batcher.close()


async def test_labels_sent_at_the_same_time_are_one_file(bench: Bench) -> None:
    bodies = [{"rows": [{"id": f"f{n}", "label": n}]} for n in range(5)]
    answers = await asyncio.gather(*(bench.post("/v1/models/flights/feedback", body) for body in bodies))
    assert [(answer.status, answer.json()) for answer in answers] == [(202, {"rows": 1})] * 5
    (table,) = bench.files.values()
    assert sorted(table.column("id").to_pylist()) == [f"f{n}" for n in range(5)]


async def test_labels_that_cannot_be_written_are_refused_and_nobody_waits_for_ever(bench: Bench) -> None:
    unwritable = {"id": "f1", "request_id": None, "row": 0, "label": {}, "label_time": None}
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


def test_warm_up_rows_fit_the_schema(model: LoadedModel) -> None:
    frame = model.frame(sample_columns(model.reference))
    assert misfit(model.predict(frame), model.reference, len(frame)) is None
    assert frame["distance"].isna().sum() == 1


@pytest.mark.parametrize("scores", [[[0.5, 0.5, 0.0]], [[0.9, 0.9]], [[float("nan"), 1.0]]])
def test_scores_that_are_no_probabilities_of_the_classes_are_a_misfit(scores: list[list[float]]) -> None:
    import numpy as np

    prediction = Prediction(labels=np.array(["1"], dtype=object), scores=np.array(scores))
    assert misfit(prediction, reference(), 1) is not None
