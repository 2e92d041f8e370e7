"""Bad days of serving on the real cluster: requests nobody should send, edits in the middle, a store that is away.

One small model serves; a second one, of the same flights with fewer trees, is its honest successor.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any

import pandas as pd
import pytest
from hack.demo.install import SYSTEM
from hack.demo.replay import Pace
from pyarrow import parquet
from tests.cluster import models
from tests.cluster import scene as scenes
from tests.cluster.callers import calling, unharmed, until, watching
from tests.cluster.models import Registry, Trained, Version
from tests.cluster.parts import STORE, down, kill_the_operator
from tests.cluster.scene import JsonObject, Scene, conditions, ready, sample

from bucle.contracts.capture import ROLL_SECONDS, SETTLED

pytestmark = pytest.mark.cluster

NAME = "flights"
STEPS = "spec.rollout.steps"
ENDLESS = [{"weight": {"percent": 20, "until": {"samples": 1_000_000, "maxDuration": "2h"}, "gates": ["errors"]}}]
"""A step that holds until somebody edits it."""
SHORT = [
    {"weight": {"percent": 10, "until": {"samples": 20, "minDuration": "5s"}, "gates": ["errors"]}},
    {"weight": {"percent": 50, "until": {"samples": 20, "minDuration": "5s"}, "gates": ["errors"]}},
]
LENIENT = [{"name": "errors", "errorRate": {"maxIncrease": "0.3"}}]


def deployment(steps: list[JsonObject]) -> JsonObject:
    return models.deployment(NAME, {STEPS: steps, "spec.gates": LENIENT, "spec.rollout.soak": {"duration": "10s"}})


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    headers: Mapping[str, str]


@dataclass
class Stage:
    scene: Scene
    registry: Registry
    first: Version
    second: Version
    days: pd.DataFrame
    address: str = ""

    def get(self) -> JsonObject:
        return self.scene.get("modeldeployments", NAME)

    def until(self, holds: scenes.Predicate, within: float = 120) -> JsonObject:
        return self.scene.until("modeldeployments", NAME, holds, within)

    def revisions(self) -> set[str]:
        """Revisions that have pods or will have."""
        served = self.scene.items("deployments", "bucle.dev/component=serve")
        return {item["metadata"]["labels"]["bucle.dev/revision"] for item in served}

    def post(self, path: str, body: bytes) -> Answer:
        headers = {"Content-Type": "application/json"}
        return _answer(urllib.request.Request(self.address + path, data=body, headers=headers))

    def read(self, url: str) -> str:
        return _answer(urllib.request.Request(url)).body

    def infer(self, changes: Mapping[str, Any] | None = None, model: str = NAME) -> Answer:
        return self.post(f"/v2/models/{model}/infer", json.dumps(request_of(self.days.iloc[0], changes)).encode())

    def feedback(self, *rows: Mapping[str, Any]) -> Answer:
        return self.post(f"/v1/models/{NAME}/feedback", json.dumps({"rows": rows}).encode())


def _answer(request: urllib.request.Request) -> Answer:
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Answer(answer.status, answer.read().decode(), _lower(answer.headers))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode(), _lower(error.headers))


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def request_of(flight: Any, changes: Mapping[str, Any] | None = None) -> JsonObject:
    """One flight as a v2 request; a change to None leaves the column out."""
    values = {name: flight[name] for name in ("carrier", "origin", "dest", "flight_id")}
    values |= {name: int(flight[name]) for name in ("hour", "weekday", "distance")}
    values |= {"time_hour": flight["time_hour"].isoformat(), **(changes or {})}
    inputs = [
        {"name": name, "datatype": "INT64" if isinstance(value, int) else "BYTES", "shape": [1], "data": [value]}
        for name, value in values.items()
        if value is not None
    ]
    return {"inputs": inputs}


@pytest.fixture(scope="module")
def stage(trained: Trained) -> Iterator[Stage]:
    scene = trained.scene
    made = Stage(scene, trained.registry, trained.first, trained.second, trained.days)
    made.registry.follow(made.first)
    scene.apply(deployment(ENDLESS))
    made.until(ready("Serving"), within=240)
    made.address = f"http://{scene.installation.service_ip(f'{NAME}.{scene.namespace}')}"
    yield made
    scene.kubectl("delete", "modeldeployment", NAME)


# --- requests ------------------------------------------------------------------------------------------------


def test_a_good_request_is_answered_with_its_id_and_revision(stage: Stage) -> None:
    answer = stage.infer()
    assert answer.status == 200
    outputs = {output["name"]: output for output in json.loads(answer.body)["outputs"]}
    assert outputs["label"]["data"][0] in ("0", "1")
    assert sum(outputs["scores"]["data"]) == pytest.approx(1.0)
    assert answer.headers["x-bucle-id"]
    assert answer.headers["x-bucle-revision"] == stage.get()["status"]["stable"]["revision"]


TOO_LARGE = "the body has more than 8388608 bytes: send several"
BAD_REQUESTS = {
    "no JSON": (b"{not json", 400, "the body is not JSON"),
    "no object": (b"[]", 400, "the body must be a JSON object"),
    "no inputs": (b"{}", 400, "inputs must be a list with one tensor per column"),
    "a shape that lies": (
        b'{"inputs": [{"name": "hour", "datatype": "INT64", "shape": [2], "data": [1]}]}',
        400,
        "input hour must have the shape [1]",
    ),
    "too large": (b'{"inputs": "' + b"x" * (8 * 1024 * 1024) + b'"}', 413, TOO_LARGE),
    "far too large": (b'{"inputs": "' + b"x" * (20 * 1024 * 1024) + b'"}', 413, TOO_LARGE),
}


@pytest.mark.parametrize("what", BAD_REQUESTS)
def test_a_request_that_cannot_be_read_says_why(stage: Stage, what: str) -> None:
    body, status, words = BAD_REQUESTS[what]
    answer = stage.post(f"/v2/models/{NAME}/infer", body)
    assert answer.status == status
    assert words in answer.body


def test_a_missing_feature_is_named(stage: Stage) -> None:
    answer = stage.infer({"dest": None})
    assert answer.status == 400
    assert "column dest" in json.loads(answer.body)["error"]


def test_a_value_out_of_its_type_is_named(stage: Stage) -> None:
    answer = stage.infer({"hour": "late"})
    assert answer.status == 400
    assert "column hour" in json.loads(answer.body)["error"]


def test_a_category_that_training_never_saw_is_answered(stage: Stage) -> None:
    answer = stage.infer({"carrier": "ZZ", "dest": "XXX"})
    assert answer.status == 200
    scores = next(o["data"] for o in json.loads(answer.body)["outputs"] if o["name"] == "scores")
    assert sum(scores) == pytest.approx(1.0)


def test_an_unknown_model_is_not_found(stage: Stage) -> None:
    answer = stage.infer(model="trains")
    assert answer.status == 404
    assert "trains" in answer.body


@pytest.mark.parametrize("row", [{"label": 1}, {"id": "a", "request_id": "b", "label": 1}, {"id": "a"}])
def test_feedback_that_cannot_be_joined_is_refused(stage: Stage, row: dict[str, Any]) -> None:
    assert stage.feedback(row).status == 400


def test_feedback_of_unknown_ids_is_kept_and_the_last_of_two_labels_wins(stage: Stage) -> None:
    """Seen where it matters: in a Dataset made of what was served and the labels that came back."""
    served = stage.days.groupby("day").head(6).head(120)
    with calling(stage.address, NAME, served.assign(late=0), Pace(20.0, 5)) as calls:
        until(lambda: calls.over, 60, "all flights are answered")
    unharmed(calls.tally)
    ids = list(served["flight_id"])
    assert stage.feedback({"id": "nobody-asked-for-this-one", "label": 1}).status == 202
    assert stage.feedback(*({"id": flight, "label": 1} for flight in ids[::2])).status == 202
    settled = datetime.now(UTC) + SETTLED + timedelta(seconds=ROLL_SECONDS)
    until(lambda: datetime.now(UTC) > settled, 60, "every server has written what it had")
    bound = settled.isoformat(timespec="seconds").replace("+00:00", "Z")
    window = {"rows": 1000, "receivedBefore": bound, "labelsReceivedBefore": bound}
    source = {"feedback": {"modelDeployment": NAME, "window": window}}
    stage.scene.apply(sample("Dataset", "came-back", {"spec.sources": [source]}))
    current = stage.scene.until("datasets", "came-back", ready("VersionReady"))["status"]["current"]
    store = stage.scene.installation.object_store()
    where = current["location"].removeprefix("s3://")
    rows = pd.concat(
        parquet.read_table(f"{where}/{split}", filesystem=store, columns=["flight_id", "late"]).to_pandas()
        for split in ("train", "validation", "test")
    )
    labels = dict(zip(rows["flight_id"], rows["late"].astype(str), strict=True))
    assert labels == {flight: "1" if at % 2 == 0 else "0" for at, flight in enumerate(ids)}


# --- what Prometheus reads -----------------------------------------------------------------------------------

SERVER_METRICS = (
    "bucle_requests_total", "bucle_request_seconds_bucket", "bucle_batch_rows_bucket", "bucle_captured_rows_total",
    "bucle_dropped_rows_total", "bucle_feedback_rows_total", "bucle_feedback_refused_rows_total",
    "bucle_model_load_seconds", "bucle_model_info",
)  # fmt: skip
OPERATOR_METRICS = (
    "bucle_reconcile_total", "bucle_reconcile_seconds_bucket", "bucle_effects_total",
    "bucle_kubernetes_requests_total", "bucle_condition", "bucle_queue_depth", "bucle_leader",
)  # fmt: skip


def metric_names(page: str) -> set[str]:
    return {line.split("{")[0].split(" ")[0] for line in page.splitlines() if line and not line.startswith("#")}


def test_the_server_counts_what_it_promises(stage: Stage) -> None:
    assert (stage.infer().status, stage.infer({"hour": None}).status) == (200, 400)
    page = stage.read(f"{stage.address}/metrics")
    assert set(SERVER_METRICS) <= metric_names(page)
    assert 'bucle_requests_total{code="400",role="stable"}' in page
    assert 'bucle_requests_total{code="200",role="stable"}' in page


def test_the_operator_counts_what_it_promises(stage: Stage) -> None:
    pods = stage.scene.installation.get("pods", "-n", SYSTEM, "-l", "app.kubernetes.io/component=operator")["items"]
    page = stage.read(f"http://{pods[0]['status']['podIP']}:8080/metrics")
    assert set(OPERATOR_METRICS) <= metric_names(page)
    assert (
        f'bucle_condition{{kind="ModelDeployment",name="{NAME}",namespace="{stage.scene.namespace}",type="Ready"}} 1.0'
        in page
    )


# --- in the middle of a rollout ------------------------------------------------------------------------------


def test_an_edited_rollout_starts_again_from_weight_0_and_survives_dead_operators(stage: Stage) -> None:
    """The steps are edited while the candidate answers a fifth; operators die while it loads, while it answers, in the soak."""
    stable = stage.get()["status"]["stable"]["revision"]
    pace = Pace(requests_per_second=20.0, rows=2)
    with watching(stage.scene, NAME) as onlooker, calling(stage.address, NAME, stage.days, pace) as calls:
        stage.registry.follow(stage.second)
        stage.until(in_state("Loading"), within=60)
        kill_the_operator(stage.scene.installation)
        seen = stage.until(lambda s: weight_of(s) == 20, within=120)
        candidate, first_id = seen["status"]["candidate"]["revision"], seen["status"]["rollout"]["id"]
        stage.scene.apply(deployment(SHORT))
        stage.until(lambda s: weight_of(s) == 10, within=120)
        assert stage.get()["status"]["rollout"]["id"] != first_id
        kill_the_operator(stage.scene.installation)
        stage.until(in_state("Soaking"), within=180)
        kill_the_operator(stage.scene.installation)
        seen = stage.until(lambda s: not s["status"].get("rollout") and ready("Serving")(s), within=180)
        assert not calls.over
    unharmed(calls.tally)
    status = seen["status"]
    assert status["stable"]["revision"] == candidate
    assert status["stable"]["model"]["version"] == stage.second.number
    past = [(item["model"]["version"], item["outcome"], item["reason"]) for item in status["history"]]
    assert past == [
        (stage.second.number, "Promoted", "Promoted"),
        (stage.second.number, "Superseded", "PlanChanged"),
        (stage.first.number, "Promoted", "Promoted"),
    ]
    assert onlooker.weights(candidate) == [0, 20, 0, 10, 50, 100]
    assert set(calls.tally.by_revision) == {stable, candidate}
    until(lambda: stage.registry.alias(stage.second.model, "champion") == stage.second.number, 60, "champion moves")
    until(lambda: stage.revisions() == {candidate}, 60, "the pods of the first version are gone")


def in_state(state: str) -> scenes.Predicate:
    return lambda seen: (seen.get("status", {}).get("rollout") or {}).get("state") == state


def weight_of(seen: JsonObject) -> int | None:
    """The candidate's weight once every router pod has it."""
    weight = (seen.get("status", {}).get("rollout") or {}).get("weight") or {}
    found: int | None = weight.get("programmed")
    return found if found == weight.get("desired") else None


# --- without the store ---------------------------------------------------------------------------------------


def test_without_the_store_predictions_go_on_and_feedback_is_refused_until_it_is_back(stage: Stage) -> None:
    label = {"id": "patience", "label": 1}
    with calling(stage.address, NAME, stage.days.assign(late=0), Pace(20.0, 2)) as calls:
        until(lambda: calls.tally.rows > 0, 30, "the first answer")
        with down(stage.scene.installation, STORE):
            before = calls.tally.rows
            answer = stage.feedback(label)
            assert (answer.status, answer.headers.get("retry-after")) == (503, "2")
            assert "send them again" in answer.body
            until(lambda: calls.tally.rows > before + 200, 60, "200 more flights are answered")
            seen = stage.get()
            assert conditions(seen)["Available"]["status"] == "True"
            assert ready("Serving")(seen)
        until(lambda: stage.feedback(label).status == 202, 60, "feedback is taken again")
    assert calls.tally.failed == 0
