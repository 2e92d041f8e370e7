"""The operator as the process that a cluster starts: it leads, works, hands over on a signal and says so in its exit code.

The API server is FakeKube over HTTP; MLflow is away, which stops nothing here.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from tests.support.builders.objects import an_object
from tests.support.fakes.apiserver import FakeApiServer
from tests.support.fakes.kube import FakeKube
from tests.support.fakes.receiver import KEY, PATH, Receiver, listening
from tests.support.tiers import first_fast
from tests.support.worlds.training import FLIGHTS

from bucle.contracts.names import ANNOTATION_SCHEMA_HASH
from bucle.engine.objects import (
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    DEPLOYMENT,
    EVENT,
    JOB,
    LEASE,
    POD,
    SERVICE,
    JsonObject,
)
from bucle.engine.status import condition
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT, Resource
from bucle.resources.crd import expected_hashes

ROOT = Path(__file__).resolve().parents[2]
NAMESPACES = Resource("", "v1", "Namespace", "namespaces")
KINDS = (DATASET, EXPERIMENT, MODEL_DEPLOYMENT, DRIFT_POLICY)
OTHERS = (JOB, POD, CONFIG_MAP, DEPLOYMENT, SERVICE, EVENT, LEASE, NAMESPACES, CUSTOM_RESOURCE_DEFINITION)
PATIENCE = 60.0


@dataclass
class Process:
    """The running operator, and what it printed until now."""

    process: asyncio.subprocess.Process
    address: str
    lines: list[str] = field(default_factory=list)

    async def ends(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    def told(self) -> list[JsonObject]:
        """Every line is one JSON object: a traceback would not be."""
        return [json.loads(line) for line in self.lines]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not true():
                assert self.process.returncode is None, "\n".join(self.lines)
                await asyncio.sleep(0.02)


@asynccontextmanager
async def operator(
    directory: Path, kube: FakeKube, served: tuple[Resource, ...], **more: str
) -> AsyncIterator[Process]:
    """`more`: variables of its environment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    async with (
        FakeApiServer(kube, served).serving(directory) as kubeconfig,
        started(kubeconfig, address, **more) as found,
    ):
        yield found


@asynccontextmanager
async def started(kubeconfig: str, address: str, **more: str) -> AsyncIterator[Process]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "operator"),
        "KUBECONFIG": kubeconfig,
        "BUCLE_STORE_URI": "s3://bucle",
        "BUCLE_MLFLOW_URI": "http://127.0.0.1:9",
        "BUCLE_IMAGE_WORKER": "worker:test",
        "BUCLE_IMAGE_SERVE": "serve:test",
        "BUCLE_IMAGE_ROUTER": "router:test",
        "BUCLE_LISTEN": address,
        "BUCLE_NAMESPACE": "bucle-system",
        "BUCLE_POD_NAME": "operator-a",
        "BUCLE_WATCH_NAMESPACES": "ml",
        **more,
    }
    command = (sys.executable, "-m", "bucle", "run")
    pipe, joined = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=joined)
    found = Process(process, address)

    async def listen() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            found.lines.append(line.decode().rstrip())

    listening = asyncio.create_task(listen())
    try:
        yield found
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening


def holder(kube: FakeKube) -> str | None:
    lease = kube.peek(LEASE, "bucle-system", "bucle-operator")
    return lease["spec"]["holderIdentity"] if lease else None


def reason(kube: FakeKube) -> str | None:
    found = condition(kube.all(DATASET)[0].get("status"), "Ready")
    return found["reason"] if found else None


async def test_it_leads_works_and_hands_over_on_a_signal(tmp_path: Path) -> None:
    kube = FakeKube()
    kube.put(DATASET, {**FLIGHTS, "metadata": {**FLIGHTS["metadata"], "namespace": "ml"}})
    async with operator(tmp_path, kube, KINDS + OTHERS) as process:
        await process.until(lambda: bool(kube.all(JOB)) and reason(kube) == "Building")
        assert holder(kube) == "operator-a"
        written = kube.all(DATASET)[0]["metadata"]
        assert not {"finalizers", "annotations", "labels"} & written.keys(), "a person's object is left as it was"
        process.process.send_signal(signal.SIGTERM)
        assert await process.ends() == 0
        assert holder(kube) == "", "the next one may lead at once"
    assert any(line["message"] == "leading" for line in process.told())
    assert any(line.get("key") == "Dataset ml/flights" and line["level"] == "INFO" for line in process.told())


async def test_it_notifies_a_sink_that_comes_back_and_its_log_holds_no_secret(tmp_path: Path) -> None:
    kube, receiver = FakeKube(), Receiver(status=503)
    build = {"specHash": "s", "job": "j", "image": "i", "state": "Odd", "startedAt": "2026-03-01T12:00:00Z"}
    kube.put(DATASET, {**FLIGHTS, "metadata": {**FLIGHTS["metadata"], "namespace": "ml"}})
    kube.edit(DATASET, "ml", "flights", lambda obj: obj.update(status={"build": build}))
    async with listening(receiver):
        sinks = json.dumps([{"name": "events", "types": ["object.stalled"]}])
        more = {"BUCLE_SINK_URL_EVENTS": receiver.sink().url, "BUCLE_SINK_KEY_EVENTS": KEY.decode()}
        async with operator(tmp_path, kube, KINDS + OTHERS, BUCLE_SINKS=sinks, **more) as process:
            await process.until(lambda: receiver.asked > 0)
            receiver.status = 200
            await process.until(lambda: bool(receiver.got))
            marks = "bucle.dev/delivered-events"
            await process.until(lambda: any(marks in (e["metadata"].get("annotations") or {}) for e in kube.all(EVENT)))
            process.process.send_signal(signal.SIGTERM)
            assert await process.ends() == 0
    headers, body = receiver.got[0]
    assert json.loads(body)["subject"] == "Dataset/ml/flights" and "webhook-signature" in headers
    assert len(receiver.got) == 1
    said = "\n".join(process.lines)
    assert "a sink did not take a notification" in said
    assert KEY.decode() not in said and PATH not in said


@pytest.mark.thorough
async def test_a_standby_writes_nothing_and_ends_on_a_signal(tmp_path: Path) -> None:
    kube = FakeKube()
    kube.put(DATASET, {**FLIGHTS, "metadata": {**FLIGHTS["metadata"], "namespace": "ml"}})
    renewed = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "operator-b", "leaseDurationSeconds": 3600, "renewTime": renewed}
    kube.put(LEASE, an_object(LEASE, "bucle-operator", "bucle-system", spec=spec))
    async with operator(tmp_path, kube, KINDS + OTHERS) as process:
        await process.until(lambda: any(request.resource == LEASE for request in kube.requests))
        process.process.send_signal(signal.SIGTERM)
        assert await process.ends() == 0
    assert kube.writes == []
    assert holder(kube) == "operator-b"
    assert all(line["level"] != "ERROR" for line in process.told())


async def test_it_waits_for_its_kinds_and_says_so(tmp_path: Path) -> None:
    kube = FakeKube()
    async with operator(tmp_path, kube, OTHERS) as process:
        await process.until(lambda: any("waits until its kinds are served" in line for line in process.lines))
        process.process.send_signal(signal.SIGTERM)
        assert await process.ends() == 0
    assert kube.writes == []


@pytest.mark.thorough
async def test_who_lost_the_lease_ends_with_an_error_and_leaves_the_new_holder_alone(tmp_path: Path) -> None:
    kube = FakeKube()
    async with operator(tmp_path, kube, KINDS + OTHERS) as process:
        await process.until(lambda: holder(kube) == "operator-a")

        def take(lease: JsonObject) -> None:
            lease["spec"] |= {"holderIdentity": "operator-b", "leaseDurationSeconds": 3600}

        kube.edit(LEASE, "bucle-system", "bucle-operator", take)
        assert await process.ends() == 1
    assert holder(kube) == "operator-b"
    assert any(line["message"] == "leadership lost" for line in process.told())


async def test_a_probe_says_which_schema_is_wrong_and_costs_nothing_once_all_are_right(tmp_path: Path) -> None:
    kube = FakeKube()

    def asked() -> int:
        return sum(request.resource == CUSTOM_RESOURCE_DEFINITION for request in kube.requests)

    for name, wanted in expected_hashes().items():
        manifest = an_object(CUSTOM_RESOURCE_DEFINITION, name)
        manifest["metadata"] = {"name": name, "annotations": {ANNOTATION_SCHEMA_HASH: wanted}}
        kube.put(CUSTOM_RESOURCE_DEFINITION, manifest)

    def make_old(crd: JsonObject) -> None:
        crd["metadata"]["annotations"][ANNOTATION_SCHEMA_HASH] = "old"

    def make_right(crd: JsonObject) -> None:
        crd["metadata"]["annotations"][ANNOTATION_SCHEMA_HASH] = expected_hashes()["datasets.bucle.dev"]

    kube.edit(CUSTOM_RESOURCE_DEFINITION, "", "datasets.bucle.dev", make_old)
    async with operator(tmp_path, kube, KINDS + OTHERS) as process, aiohttp.ClientSession() as session:

        async def probe(path: str) -> tuple[int, str]:
            async with session.get(f"http://{process.address}{path}") as answer:
                return answer.status, await answer.text()

        await process.until(lambda: holder(kube) == "operator-a")
        status, text = await probe("/readyz")
        assert (status, "CRD datasets.bucle.dev has schema old" in text) == (503, True)
        assert await probe("/healthz") == (200, "ok")
        kube.edit(CUSTOM_RESOURCE_DEFINITION, "", "datasets.bucle.dev", make_right)
        assert await probe("/readyz") == (200, "ok")
        before = asked()
        assert [await probe("/readyz") for _ in range(3)] == [(200, "ok")] * 3
        assert asked() == before, "four large documents at every probe"
        assert "bucle_leader 1.0" in (await probe("/metrics"))[1]


@pytest.mark.parametrize(
    "kubeconfig", first_fast([None, "not: a kubeconfig", "only words"]), ids=["missing", "wrong", "words"]
)
async def test_without_a_way_to_an_api_server_it_says_so_without_a_traceback(
    tmp_path: Path, kubeconfig: str | None
) -> None:
    file = tmp_path / "kubeconfig"
    if kubeconfig is not None:
        file.write_text(kubeconfig, encoding="utf-8")
    async with started(str(file), "127.0.0.1:0") as process:
        assert await process.ends() == 2
    line = process.told()[-1]
    assert (line["level"], line["message"]) == ("ERROR", "cannot start")
    assert f"kubeconfig {file} does not lead to an API server" in line["error"]


async def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        server = FakeApiServer(FakeKube(), ()).serving(tmp_path)
        async with server as kubeconfig, started(kubeconfig, address) as process:
            assert await process.ends() == 2
    (line,) = process.told()
    assert f"BUCLE_LISTEN {address} cannot be listened on" in line["error"]
