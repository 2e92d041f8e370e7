"""The registry client against a real MLflow server on loopback: what the fakes assume is what the server does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bucle.contracts.registry_tags import TAG_KEY, TAG_MODEL_DIGEST, TAG_OUTCOME, TAG_OWNER
from bucle.engine.plan import EffectFailed, EffectRefused
from bucle.engine.reads import Absent, Known, Unavailable
from bucle.externals.registry.client import MlflowClient
from bucle.externals.registry.executors import executors
from bucle.externals.registry.sources import PAGE, sources
from bucle.externals.registry.values import (
    CloseOpenRuns,
    CloseRun,
    EnsureRun,
    ModelVersion,
    RegisterVersion,
    Run,
    RunsByTag,
    SetAlias,
    TagRun,
    TagVersion,
    VersionByAlias,
    VersionByNumber,
    VersionsByTag,
)

pytest.importorskip("mlflow.server", reason="needs the full mlflow package")

START_SECONDS = 90


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--no-serve-artifacts"]
    command += ["--default-artifact-root", f"{folder}/artifacts", "--allowed-hosts", f"127.0.0.1:{port}"]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with Path(folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **quiet}, cwd=folder, start_new_session=True
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _healthy(url):
                assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
                time.sleep(0.2)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)


class Registry:
    """Asks and tells as the engine does."""

    def __init__(self, url: str) -> None:
        self.client = MlflowClient(url)
        self._sources = sources(self.client)
        self._executors = executors(self.client)

    async def ask(self, read: Any) -> Any:
        return await self._sources[type(read)].read(read)

    async def value(self, read: Any) -> Any:
        answer = await self.ask(read)
        assert isinstance(answer, Known), answer
        return answer.value

    async def tell(self, effect: Any) -> None:
        await self._executors[type(effect)].execute(effect)


@pytest.fixture
async def registry(server: str) -> AsyncIterator[Registry]:
    registry = Registry(server)
    yield registry
    await registry.client.close()


async def test_what_does_not_exist_is_absent_or_empty(registry: Registry) -> None:
    assert isinstance(await registry.ask(VersionByAlias("none.such", "champion")), Absent)
    assert isinstance(await registry.ask(VersionByNumber("none.such", 1)), Absent)
    assert await registry.value(VersionsByTag("none.such", TAG_KEY, "k")) == ()
    assert await registry.value(RunsByTag("none/such", TAG_KEY, "k")) == ()


async def test_an_alias_that_a_model_does_not_have_is_absent(registry: Registry) -> None:
    await registry.tell(RegisterVersion("ns.lonely", "s3://b/m", key="k"))
    assert isinstance(await registry.ask(VersionByAlias("ns.lonely", "champion")), Absent)
    assert isinstance(await registry.ask(VersionByNumber("ns.lonely", 7)), Absent)


async def test_a_run_is_created_once_and_closed_with_what_it_learned(registry: Registry) -> None:
    ensure = EnsureRun("ns/flights", key="k/t0", name="t0", tags=((TAG_OWNER, "k"),))
    await registry.tell(ensure)
    await registry.tell(ensure)
    (run,) = await registry.value(RunsByTag("ns/flights", TAG_OWNER, "k"))
    assert run == Run(run.run_id, "t0", "RUNNING", ((TAG_KEY, "k/t0"), (TAG_OWNER, "k")))
    close = CloseRun(
        run.run_id,
        "FINISHED",
        params=(("estimator__max_leaf_nodes", "31"),),
        metrics=(("log_loss", "0.61"),),
        tags=((TAG_OUTCOME, "NotBetter"),),
    )
    await registry.tell(close)
    await registry.tell(close)
    (closed,) = await registry.value(RunsByTag("ns/flights", TAG_KEY, "k/t0"))
    assert (closed.status, closed.open, closed.tag(TAG_OUTCOME)) == ("FINISHED", False, "NotBetter")
    data = (await registry.client.get("runs/get", {"run_id": run.run_id}))["run"]["data"]
    assert data["params"] == [{"key": "estimator__max_leaf_nodes", "value": "31"}]
    assert [(m["key"], m["value"]) for m in data["metrics"]] == [("log_loss", 0.61)]
    await registry.tell(TagRun(run.run_id, TAG_OUTCOME, "Registered"))
    (tagged,) = await registry.value(RunsByTag("ns/flights", TAG_KEY, "k/t0"))
    assert tagged.tag(TAG_OUTCOME) == "Registered"


async def test_open_runs_of_one_owner_are_ended_and_no_others(registry: Registry) -> None:
    for name, owner in (("a", "mine"), ("b", "mine"), ("c", "yours")):
        await registry.tell(EnsureRun("ml/deleted", key=name, name=name, tags=((TAG_OWNER, owner),)))
    done, left = await registry.value(RunsByTag("ml/deleted", TAG_OWNER, "mine"))
    await registry.tell(CloseRun(done.run_id, "FINISHED"))
    for _ in range(2):
        await registry.tell(CloseOpenRuns("ml/deleted", "mine"))
    ended = await registry.value(RunsByTag("ml/deleted", TAG_OWNER, "mine"))
    assert {run.name: run.status for run in ended} == {done.name: "FINISHED", left.name: "KILLED"}
    (other,) = await registry.value(RunsByTag("ml/deleted", TAG_OWNER, "yours"))
    assert other.open
    await registry.tell(CloseRun(left.run_id, "FINISHED", metrics=(("log_loss", "0.6"),)))
    (told,) = await registry.value(RunsByTag("ml/deleted", TAG_KEY, left.name))
    assert told.status == "FINISHED", "a namesake may still tell what became of it"


async def test_runs_of_an_experiment_that_mlflow_does_not_know_need_no_ending(registry: Registry) -> None:
    await registry.tell(CloseOpenRuns("ml/never-begun", "mine"))


async def test_more_runs_than_one_page_holds_are_all_found(registry: Registry) -> None:
    await registry.tell(EnsureRun("ns/long", key="l/t0", name="t0", tags=((TAG_OWNER, "l"),)))
    (first,) = await registry.value(RunsByTag("ns/long", TAG_OWNER, "l"))
    info = (await registry.client.get("runs/get", {"run_id": first.run_id}))["run"]["info"]
    tags = [{"key": TAG_OWNER, "value": "l"}]
    for index in range(1, PAGE + 5):
        body = {"experiment_id": info["experiment_id"], "run_name": f"t{index}", "start_time": index, "tags": tags}
        await registry.client.post("runs/create", body)
    found = await registry.value(RunsByTag("ns/long", TAG_OWNER, "l"))
    assert len({run.run_id for run in found}) == PAGE + 5


async def test_more_parameters_than_one_request_takes(registry: Registry) -> None:
    await registry.tell(EnsureRun("ns/wide", key="w", name="w"))
    (run,) = await registry.value(RunsByTag("ns/wide", TAG_KEY, "w"))
    many = tuple((f"p{i:03}", str(i)) for i in range(230))
    await registry.tell(CloseRun(run.run_id, "FAILED", params=many))
    data = (await registry.client.get("runs/get", {"run_id": run.run_id}))["run"]["data"]
    assert len(data["params"]) == 230


async def test_a_version_is_registered_once(registry: Registry) -> None:
    register = RegisterVersion("ns.flights", "s3://bucle/mlflow/a", key="k1", tags=(("bucle.dev/model-digest", "d"),))
    await registry.tell(register)
    await registry.tell(register)
    (found,) = await registry.value(VersionsByTag("ns.flights", TAG_KEY, "k1"))
    assert found == ModelVersion(
        "ns.flights", 1, "s3://bucle/mlflow/a", tags=((TAG_KEY, "k1"), ("bucle.dev/model-digest", "d"))
    )
    assert await registry.value(VersionByNumber("ns.flights", 1)) == found


def of(digest: str) -> tuple[tuple[str, str], ...]:
    return ((TAG_MODEL_DIGEST, digest),)


async def test_an_alias_moves_from_where_it_was_seen_and_stays_where_somebody_else_has_put_it(
    registry: Registry,
) -> None:
    for key in ("a", "b", "c"):
        await registry.tell(RegisterVersion("ns.alias", f"s3://b/{key}", key=key, tags=of(key)))
    read = VersionByAlias("ns.alias", "champion")
    for version, digest, seen in ((1, "a", None), (1, "a", None), (3, "c", 1), (2, "b", 3)):
        await registry.tell(SetAlias("ns.alias", "champion", version, digest, seen))
        assert (await registry.value(read)).version == version
    with pytest.raises(EffectFailed, match=r"champion of ns\.alias in MLflow was moved meanwhile: it is at version 2"):
        await registry.tell(SetAlias("ns.alias", "champion", 3, "c", instead_of=1))
    assert (await registry.value(read)).aliases == ("champion",)


def _delete_model(server: str, name: str) -> None:
    """What a person does in MLflow's pages."""
    body = json.dumps({"name": name}).encode()
    url, kind = f"{server}/api/2.0/mlflow/registered-models/delete", {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, kind, method="DELETE"), timeout=10) as answer:
        assert answer.status == 200


async def test_a_number_that_was_given_to_another_model_gets_neither_its_alias_nor_its_tags(
    registry: Registry, server: str
) -> None:
    await registry.tell(RegisterVersion("ns.again", "s3://b/ours", key="1", tags=of("ours")))
    _delete_model(server, "ns.again")
    await registry.tell(RegisterVersion("ns.again", "s3://b/theirs", key="2", tags=of("theirs")))
    for effect in (SetAlias("ns.again", "champion", 1, "ours"), TagVersion("ns.again", 1, "ours", "k", "v")):
        with pytest.raises(EffectFailed, match=r"version 1 of ns\.again in MLflow is another model by now"):
            await registry.tell(effect)
    assert await registry.value(VersionByNumber("ns.again", 1)) == ModelVersion(
        "ns.again", 1, "s3://b/theirs", tags=((TAG_KEY, "2"), (TAG_MODEL_DIGEST, "theirs"))
    )


@pytest.mark.parametrize(
    ("alias", "words"), [("v1", "is reserved"), ("a b", "Invalid alias"), ("a" * 300, "maximum length")]
)
async def test_an_alias_that_mlflow_does_not_take_is_refused_in_its_words(
    registry: Registry, alias: str, words: str
) -> None:
    await registry.tell(RegisterVersion("ns.reserved", "s3://b/m", key="r", tags=of("d")))
    with pytest.raises(EffectRefused, match=words):
        await registry.tell(SetAlias("ns.reserved", alias, 1, "d"))


async def test_a_tag_that_is_too_long_for_mlflow_is_refused_and_a_server_that_is_down_is_not(
    registry: Registry,
) -> None:
    await registry.tell(RegisterVersion("ns.long", "s3://b/m", key="l", tags=of("d")))
    with pytest.raises(EffectRefused, match="exceeds the maximum length"):
        await registry.tell(TagVersion("ns.long", 1, "d", "k" * 300, "v"))


async def test_a_tag_of_a_version_is_overwritten(registry: Registry) -> None:
    await registry.tell(RegisterVersion("ns.tags", "s3://b/m", key="t", tags=of("d")))
    for value in ("GateNotPassed", "RolledBack"):
        await registry.tell(TagVersion("ns.tags", 1, "d", "bucle.dev/rejected", value))
    assert (await registry.value(VersionByNumber("ns.tags", 1))).tag("bucle.dev/rejected") == "RolledBack"


async def test_a_tag_for_a_version_that_is_gone_fails_with_words(registry: Registry) -> None:
    with pytest.raises(EffectFailed, match=r"model-versions/get.*RESOURCE_DOES_NOT_EXIST"):
        await registry.tell(TagVersion("ns.gone", 1, "d", "k", "v"))


async def test_a_deleted_experiment_says_how_to_restore_it(registry: Registry) -> None:
    await registry.tell(EnsureRun("ns/deleted", key="d", name="d"))
    found = (await registry.client.get("experiments/get-by-name", {"experiment_name": "ns/deleted"}))["experiment"]
    await registry.client.post("experiments/delete", {"experiment_id": found["experiment_id"]})
    with pytest.raises(EffectFailed, match="restore"):
        await registry.tell(EnsureRun("ns/deleted", key="e", name="e"))
    assert isinstance(await registry.ask(RunsByTag("ns/deleted", TAG_KEY, "d")), Unavailable)


async def test_a_refused_host_header_is_told_precisely(server: str) -> None:
    registry = Registry(server.replace("127.0.0.1", "localhost"))
    try:
        answer = await registry.ask(VersionByAlias("ns.flights", "champion"))
        assert isinstance(answer, Unavailable)
        assert "--allowed-hosts" in answer.why
    finally:
        await registry.client.close()


async def test_a_server_that_is_down_is_unavailable_never_absent() -> None:
    registry = Registry(f"http://127.0.0.1:{_free_port()}")
    try:
        for read in (VersionByAlias("m", "a"), VersionsByTag("m", "k", "v"), RunsByTag("e", "k", "v")):
            assert isinstance(await registry.ask(read), Unavailable)
        with pytest.raises(EffectFailed, match="cannot be reached") as told:
            await registry.tell(SetAlias("m", "a", 1, "d"))
        assert not isinstance(told.value, EffectRefused), "that is nobody's mistake"
    finally:
        await registry.client.close()
