"""A real server process with a file store: from the task to answers, captured rows, labels, and a clean end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.support.fakes.envoy import Envoy, free_port
from tests.support.fakes.small_model import FOREST, TABLE, StoredModel, flights, stored_model, v2_body
from tests.support.tiers import first_fast

from bucle.contracts import exits
from bucle.contracts.result import Result
from bucle.contracts.table import Labels
from bucle.contracts.task import Capture, Model, ServeTask
from bucle.externals.envoy.values import Backend, Mirror, Routes
from bucle.podkit.capture_join import labelled_rows
from bucle.podkit.model import load_model

START_SECONDS = 60


@dataclass
class Process:
    """One `python -m bucle.pods.serve`."""

    folder: Path
    task: ServeTask
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.message = self.folder / "termination-log"
        (self.folder / "task.json").write_text(self.task.canonical())
        environment = os.environ | {
            "BUCLE_TASK_PATH": str(self.folder / "task.json"),
            "BUCLE_TASK_SHA256": self.task.content_hash(),
            "BUCLE_TERMINATION_PATH": str(self.message),
            "BUCLE_POD_NAME": self.folder.name,
            "BUCLE_PORT": str(self.port),
            "BUCLE_DRAIN_SECONDS": "0.5",
            "PYTHONPATH": "operator",
            "OMP_NUM_THREADS": "1",
        }
        self.log = (self.folder / "log").open("wb")
        command = [sys.executable, "-m", "bucle.pods.serve"]
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=subprocess.STDOUT)
        self.url = f"http://127.0.0.1:{self.port}"

    def text(self) -> str:
        return (self.folder / "log").read_text()

    async def ready(self, session: aiohttp.ClientSession) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.text()
            try:
                async with session.get(f"{self.url}/v2/health/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
        raise AssertionError(self.text())

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, 40)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> StoredModel:
    return stored_model(tmp_path_factory.mktemp("store"))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@dataclass
class Starter:
    folder: Path
    started: list[Process] = field(default_factory=list)

    @property
    def location(self) -> str:
        return f"file://{self.folder}/deployments/flights"

    def captured(self) -> list[Path]:
        return sorted((self.folder / "deployments/flights/capture").rglob("*.parquet"))

    def __call__(self, model: StoredModel, revision: str = "r1", **more: Any) -> Process:
        task = ServeTask(
            name="flights",
            revision=revision,
            model=Model(uri=model.uri, digest=model.digest),
            location=self.location,
            **more,
        )
        process = Process(self.folder / f"pod-{len(self.started)}", task)
        self.started.append(process)
        return process


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    for process in starter.started:
        process.kill()


async def post(session: aiohttp.ClientSession, url: str, body: Any, **headers: str) -> tuple[int, Any, dict[str, str]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with session.post(url, data=data, headers=named) as answer:
        text = await answer.read()
        return answer.status, json.loads(text or b"null"), dict(answer.headers)


def joined(location: str, **more: Any) -> Any:
    now = datetime.now(UTC) + timedelta(seconds=1)
    return labelled_rows(
        location, table=TABLE, labels=Labels(), received_before=now, labels_received_before=now, **more
    )


async def test_answers_are_captured_labelled_and_there_after_the_server_ended(
    start: Starter, model: StoredModel, session: aiohttp.ClientSession
) -> None:
    server = start(model)
    await server.ready(session)
    asked = flights(0, 8)
    status, body, headers = await post(
        session,
        f"{server.url}/v2/models/flights/infer",
        v2_body(asked, id="mine"),
        x_bucle_id="u1",
        x_bucle_role="stable",
    )
    assert (status, body["id"], headers["x-bucle-id"], headers["x-bucle-revision"]) == (200, "mine", "u1", "r1")
    outputs = {output["name"]: output for output in body["outputs"]}
    loaded = load_model(model.uri, model.digest)
    expected = loaded.predict(loaded.frame(asked))
    assert expected.scores is not None and expected.labels is not None
    assert outputs["scores"]["shape"] == [8, 2]
    assert np.allclose(np.reshape(outputs["scores"]["data"], (8, 2)), expected.scores)
    assert outputs["label"]["data"] == list(expected.labels)
    labels = {"rows": [{"id": f"f{n}", "label": n % 2} for n in range(8)] + [{"id": "nobody", "label": 1}]}
    status, body, _ = await post(session, f"{server.url}/v1/models/flights/feedback", labels)
    assert (status, body) == (202, {"rows": 9})
    server.process.send_signal(signal.SIGTERM)
    assert await server.ended() == exits.OK, server.text()
    rows = joined(start.location, answers=True)
    assert rows.column("bucle_id").to_pylist() == ["u1"] * 8
    assert rows.column("bucle_row").to_pylist() == list(range(8))
    assert rows.column("flight_id").to_pylist() == asked["flight_id"]
    assert rows.column("late").to_pylist() == [str(n % 2) for n in range(8)]
    assert np.allclose(rows.column("bucle_scores").to_pylist(), expected.scores)
    assert rows.column("time_hour").to_pylist()[0] == datetime(2013, 1, 1, tzinfo=UTC)


@pytest.mark.thorough
async def test_what_is_stored_while_it_runs_moves_the_watermark(
    start: Starter, model: StoredModel, session: aiohttp.ClientSession
) -> None:
    server = start(model)
    await server.ready(session)
    await post(session, f"{server.url}/v2/models/flights/infer", v2_body(flights(0, 5)))
    seen: dict[str, Any] = {}
    for _ in range(100):
        async with session.get(f"{server.url}/v1/models/flights/watermark") as answer:
            seen = await answer.json()
        if seen["capturedRows"]:
            break
        await asyncio.sleep(0.1)
    assert (seen["capturedRows"], seen["feedbackRows"], seen["droppedRows"]) == (5, 0, 0)
    async with session.get(f"{server.url}/metrics") as answer:
        assert "bucle_captured_rows_total 5.0" in await answer.text()


@pytest.mark.thorough
async def test_requests_in_flight_are_answered_while_it_drains(
    start: Starter, model: StoredModel, session: aiohttp.ClientSession
) -> None:
    server = start(model)
    await server.ready(session)
    body = v2_body(flights(0, 4))

    async def call() -> int:
        return (await post(session, f"{server.url}/v2/models/flights/infer", body))[0]

    before = [asyncio.create_task(call()) for _ in range(20)]
    server.process.send_signal(signal.SIGTERM)
    statuses = set(await asyncio.gather(*before))
    async with session.get(f"{server.url}/v2/health/ready") as answer:
        ready = answer.status
    assert (statuses, ready, await call()) == ({200}, 503, 200), "not ready at once, but still answering"
    assert await server.ended() == exits.OK
    assert len(start.captured()) == 1


@pytest.mark.parametrize(
    ("wrong", "reason"),
    first_fast(
        [
            ({"digest": "sha256:" + "0" * 64}, "DigestMismatch"),
            ({"uri": "file:///nowhere/at/all"}, "ModelMissing"),
        ]
    ),
)
async def test_a_model_that_cannot_be_served_ends_the_pod_with_its_reason(
    start: Starter, model: StoredModel, wrong: dict[str, str], reason: str
) -> None:
    server = start(StoredModel(**({"uri": model.uri, "digest": model.digest} | wrong)))
    assert await server.ended() == exits.BAD_CONFIGURATION
    result = Result.from_json(server.message.read_text())
    assert result.failure is not None and result.failure.reason == reason
    assert result.task_sha256 == server.task.content_hash()


@pytest.mark.thorough
async def test_twenty_requests_that_the_model_cannot_answer_cost_no_other_its_answer(
    start: Starter, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    server = start(stored_model(tmp_path / "forest", estimator=FOREST))
    await server.ready(session)

    async def call(n: int) -> int:
        asked = flights(n, 1) | ({"distance": [1e39]} if n % 20 == 0 else {})
        return (await post(session, f"{server.url}/invocations", {"inputs": asked}))[0]

    statuses = await asyncio.gather(*(call(n) for n in range(400)))
    assert [n for n, status in enumerate(statuses) if status != 200] == list(range(0, 400, 20))
    assert {status for status in statuses if status != 200} == {422}
    async with session.get(f"{server.url}/metrics") as answer:
        text = await answer.text()
    assert 'bucle_refused_requests_total{reason="unanswerable"} 20.0' in text
    assert 'code="500"' not in text
    server.process.send_signal(signal.SIGTERM)
    assert await server.ended() == exits.OK
    assert sum(pq.read_metadata(file).num_rows for file in start.captured()) == 380
    assert len(start.captured()) <= 3, "a file a roll, not one for every few rows"


@pytest.mark.thorough
async def test_an_outage_of_the_store_costs_no_prediction_and_tells_the_sender_of_labels(
    start: Starter, model: StoredModel, session: aiohttp.ClientSession
) -> None:
    server = start(model)
    await server.ready(session)
    root = start.folder / "deployments/flights"
    for folder in ("feedback", "capture"):
        (root / folder).write_text("a file where a folder must be")
    status, _, headers = await post(
        session, f"{server.url}/v1/models/flights/feedback", {"rows": [{"id": "f1", "label": 1}]}
    )
    assert (status, headers["Retry-After"]) == (503, "2")
    assert (await post(session, f"{server.url}/v2/models/flights/infer", v2_body(flights(0, 3))))[0] == 200
    for _ in range(100):
        if "capture waits" in server.text():
            break
        await asyncio.sleep(0.1)
    for folder in ("feedback", "capture"):
        (root / folder).unlink()
    status, _, _ = await post(session, f"{server.url}/v1/models/flights/feedback", {"rows": [{"id": "f1", "label": 1}]})
    assert status == 202
    server.process.send_signal(signal.SIGTERM)
    assert await server.ended() == exits.OK
    assert joined(start.location).column("flight_id").to_pylist() == ["f1"]


@pytest.mark.thorough
async def test_dropped_columns_and_unsampled_requests_are_not_stored(
    start: Starter, model: StoredModel, session: aiohttp.ClientSession
) -> None:
    server = start(model, capture=Capture(sample_percent=50, drop=("distance",)))
    await server.ready(session)
    for n in range(60):
        await post(session, f"{server.url}/v2/models/flights/infer", v2_body(flights(n, 1)), x_bucle_id=f"id-{n}")
    server.process.send_signal(signal.SIGTERM)
    await server.ended()
    files = start.captured()
    names = {name for file in files for name in pq.read_schema(file).names}
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    assert "distance" not in names and "carrier" in names
    assert 15 <= rows <= 45


@pytest.mark.thorough
async def test_through_the_router_original_and_shadow_can_be_paired(
    start: Starter, model: StoredModel, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Also prints what batches of eight rows cost end to end."""
    old, new = start(model, "old"), start(model, "new")
    await asyncio.gather(old.ready(session), new.ready(session))
    backends = (Backend("old", "127.0.0.1", old.port), Backend("new", "127.0.0.1", new.port))
    plain = Routes("flights", backends, "old", {"old": 100})
    folder = tmp_path / "envoy-folder"
    folder.mkdir()
    envoy = Envoy(folder)
    try:
        envoy.put(plain)
        await envoy.start(session)
        await envoy.programmed(session, plain, {"old", "new-shadow"})
        figures = await load(session, f"{envoy.url}/v2/models/flights/infer", callers=4, each=150)
        print("stable alone:", figures)
        mirrored = Routes("flights", backends, "old", {"old": 100}, Mirror("new", 100))
        envoy.put(mirrored)
        await envoy.programmed(session, mirrored, {"old", "new-shadow"})
        print("with a full shadow:", await load(session, f"{envoy.url}/v2/models/flights/infer", callers=4, each=100))
        labels = {"rows": [{"id": f"f{n}", "label": 1} for n in range(8)]}
        assert (await post(session, f"{envoy.url}/v1/models/flights/feedback", labels))[0] == 202
    finally:
        envoy.stop()
    for server in (old, new):
        server.process.send_signal(signal.SIGTERM)
    await asyncio.gather(old.ended(), new.ended())
    answered = joined(start.location, revision="old")
    copied = joined(start.location, revision="new", role="shadow")
    ids = set(answered.column("bucle_id").to_pylist())
    assert answered.num_rows == (4 * 150 + 4 * 100) * 8
    assert copied.num_rows == 4 * 100 * 8
    assert set(copied.column("bucle_id").to_pylist()) <= ids


@pytest.mark.parametrize("megabytes", first_fast([9, 20]))
@pytest.mark.thorough
async def test_who_sends_far_too_much_and_reads_nothing_meanwhile_still_gets_the_answer(
    start: Starter, model: StoredModel, session: aiohttp.ClientSession, tmp_path: Path, megabytes: int
) -> None:
    """Through the router: refused in the middle, a simple client would see a reset connection and no reason."""
    server = start(model, "only")
    await server.ready(session)
    routes = Routes("flights", (Backend("only", "127.0.0.1", server.port),), "only", {"only": 100})
    folder = tmp_path / "envoy-folder"
    folder.mkdir()
    envoy = Envoy(folder)
    try:
        envoy.put(routes)
        await envoy.start(session)
        await envoy.programmed(session, routes, {"only"})
        status, text = await asyncio.to_thread(posted_blindly, envoy.url, b"x" * (megabytes * 1024 * 1024))
    finally:
        envoy.stop()
    assert status == 413
    assert "the body has more than 8388608 bytes" in text


def posted_blindly(url: str, body: bytes) -> tuple[int, str]:
    """Sends everything before it looks for an answer, as urllib and many others do."""
    request = urllib.request.Request(f"{url}/v2/models/flights/infer", data=body)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def load(session: aiohttp.ClientSession, url: str, callers: int, each: int) -> str:
    body = json.dumps(v2_body(flights(0, 8))).encode()
    times: list[float] = []

    async def call() -> None:
        for _ in range(each):
            began = time.perf_counter()
            status, _, _ = await post(session, url, body)
            assert status == 200
            times.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    whole = time.perf_counter() - began
    return f"{len(times) / whole:.0f} requests/s, p50 {np.median(times) * 1000:.1f} ms, p99 {np.quantile(times, 0.99) * 1000:.1f} ms"
