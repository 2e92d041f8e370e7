"""`kubectl bucle` as the process that a person starts, against an API server over HTTP: what is printed, and the exit code.

UPDATE_GOLDEN=1 writes the golden answers anew.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from tests.support.builders.loop_objects import RETRAIN, put, written
from tests.support.fakes.apiserver import KUBECONFIG, FakeApiServer
from tests.support.fakes.kube import FakeKube
from tests.support.fakes.people import ROOT, Scene, before_a_loop, said_by, typed
from tests.support.worlds.training import FLIGHTS

from bucle.cli import command
from bucle.cli.kinds import LOOP
from bucle.engine.objects import EVENT, POD
from bucle.resources.addresses import DATASET

GOLDEN = ROOT / "tests/golden/cli"
ML = ("--namespace", "ml")


@pytest.fixture
async def person(tmp_path: Path) -> AsyncIterator[Scene]:
    async with before_a_loop(tmp_path) as scene:
        yield scene


@asynccontextmanager
async def answering(directory: Path, answer: Any) -> AsyncIterator[str]:
    """A kubeconfig that leads to a server with that one answer."""
    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", answer)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    kubeconfig = directory / "odd-kubeconfig"
    kubeconfig.write_text(KUBECONFIG.format(address=f"http://{host}:{port}"), encoding="utf-8")
    try:
        yield str(kubeconfig)
    finally:
        await runner.cleanup()


def as_in_golden(name: str, text: str) -> None:
    # How long ago something was is the one thing that changes from day to day.
    stable = re.sub(r"\(\d+[dhms] ago\)", "(… ago)", re.sub(r"^  \d+[dhms]  ", "  …  ", text, flags=re.M))
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(stable, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == stable, "the answer changed: if meant, run again with UPDATE_GOLDEN=1"


ANSWERS = {
    "status.txt": ("status",),
    "status-of-one.txt": ("status", "mldrift/flights-drift"),
    "status.json": ("status", "mldrift/flights-drift", "-o", "json"),
    "explain-stalled.txt": ("explain", f"mlds/{RETRAIN}"),
    "explain-stalled.yaml": ("explain", f"dataset/{RETRAIN}", "-o", "yaml"),
    "explain-waiting.txt": ("explain", "experiments", "churn"),
    "gates.txt": ("gates", "flights"),
    "gates.json": ("gates", "flights", "--output=json"),
    "signals.txt": ("signals", "flights-drift"),
    "signals.yaml": ("signals", "driftpolicy/flights-drift", "--output", "yaml"),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_each_command_shows_what_a_reviewer_can_read(
    person: Scene, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    told = await person(*ANSWERS[name], *ML)
    assert (told.code, told.err) == (0, "")
    as_in_golden(name, told.out)
    if name.endswith("json"):
        json.loads(told.out)
    if name.endswith("yaml"):
        yaml.safe_load(told.out)


async def test_every_namespace_is_shown_with_a_title_and_only_with_all_namespaces(person: Scene) -> None:
    put(person.kube, DATASET, written(DATASET, "sales", FLIGHTS["spec"], "shop"), {})
    alone = await person("status", *ML)
    together = await person("status", "-A")
    assert "sales" not in alone.out
    assert [line for line in together.out.splitlines() if line.startswith("Namespace")] == [
        "Namespace ml",
        "Namespace shop",
    ]
    assert "Dataset/sales" in together.out


async def test_a_namespace_without_objects_is_said_to_be_empty(person: Scene) -> None:
    told = await person("status", "-n", "empty")
    assert (told.code, told.out) == (0, "")
    assert "no Dataset, Experiment, ModelDeployment or DriftPolicy in namespace empty" in told.err
    assert json.loads((await person("status", "-n", "empty", "-o", "json")).out)["items"] == []


def add_context(kubeconfig: Path, name: str, namespace: str) -> None:
    config = yaml.safe_load(kubeconfig.read_text())
    config["contexts"].append({"name": name, "context": {"cluster": "fake", "user": "fake", "namespace": namespace}})
    kubeconfig.write_text(yaml.safe_dump(config))


async def test_the_namespace_of_the_context_is_meant_where_none_is_named(person: Scene) -> None:
    add_context(Path(person.kubeconfig), "team", "ml")
    assert "Dataset/flights" in (await person("status", "--context", "team")).out
    assert "in namespace default" in (await person("status")).err
    wrong = await person("status", "--context", "teem")
    assert (wrong.code, "context teem does not lead to an API server" in wrong.err) == (4, True)


async def test_what_may_not_be_read_is_told_with_what_was_tried_and_the_rest_is_shown(person: Scene) -> None:
    person.server.denied = {("list", "datasets")}
    told = await person("status", *ML)
    assert told.code == 3
    assert "Experiment/late" in told.out and "Dataset/flights" in told.out and "Hidden" in told.out
    assert 'may not list datasets in namespace ml: datasets.bucle.dev is forbidden: User "jane"' in told.err
    assert "Ask for the role `view`" in told.err


async def test_whoever_may_read_nothing_is_told_so_in_words(person: Scene) -> None:
    person.server.denied = {(verb, kind.plural) for kind in LOOP for verb in ("list", "get")}
    for words in (("status",), ("explain", "mlds/flights"), ("gates", "flights"), ("signals", "flights-drift")):
        told = await person(*words, *ML)
        assert (told.code, told.out) == (3, ""), words
        assert told.err.startswith("error: user fake of context fake may not "), words
    for words in (("status", "mlds/flights"), ("status", "-A")):
        assert (await person(*words, "-n", "ml")).code == 3


async def test_an_explanation_without_rights_to_pods_and_events_is_an_explanation(person: Scene) -> None:
    person.server.denied = {("list", "pods"), ("list", "events"), ("list", "experiments")}
    told = await person("explain", f"mlds/{RETRAIN}", *ML)
    assert told.code == 0
    assert "ImagePullFailed  (Stalled, Ready)" in told.out and "Pods in trouble" not in told.out
    assert "may not list pods in namespace ml" in told.err and "may not list events in namespace ml" in told.err
    document = json.loads((await person("explain", f"mlds/{RETRAIN}", *ML, "-o", "json")).out)
    assert len(document["notes"]) == 3


async def test_whoever_may_read_one_object_and_list_nothing_is_told_about_that_one(person: Scene) -> None:
    person.server.denied = {("list", kind.plural) for kind in LOOP}
    told = await person("explain", f"mlds/{RETRAIN}", *ML)
    assert (told.code, "ImagePullFailed  (Stalled, Ready)" in told.out) == (0, True)
    assert "may not list datasets in namespace ml" in told.err


NOT_THERE = [
    (("status", "mlds/nope"), "Dataset/nope does not exist: looked for it in namespace ml"),
    (("status", "mlds/nope", "-A"), "Dataset/nope does not exist: looked for it in any namespace"),
    (
        ("explain", "mldep/nope"),
        "ModelDeployment/nope does not exist: tried to get modeldeployments nope in namespace ml",
    ),
    (("gates", "nope"), "ModelDeployment/nope does not exist"),
    (("signals", "nope"), "DriftPolicy/nope does not exist"),
]


@pytest.mark.parametrize(
    ("words", "said"), NOT_THERE, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
async def test_what_is_not_there_is_said_with_where_it_was_looked_for(
    person: Scene, words: tuple[str, ...], said: str
) -> None:
    told = await person(*words, *ML)
    assert (told.code, told.out) == (1, "")
    assert said in told.err


WRONG = [
    (("status", "pods/x"), "'pods' is no kind of Bucle: type one of dataset (mlds)"),
    (("status", "mlds"), "'mlds' names no object: type KIND/NAME"),
    (("explain", "mlds/a", "b"), "'mlds/a b' names no object"),
    (("explain", "mlds/../secrets"), "'../secrets' is no name of an object"),
    (("gates", "mlds/flights"), "Dataset/flights is of another kind: this command is about one ModelDeployment"),
    (("status", "--request-timeout", "soon"), "--request-timeout: 'soon' is no duration"),
    (("promote", "x"), "invalid choice: 'promote'"),
    ((), "COMMAND"),
]


@pytest.mark.parametrize(
    ("words", "said"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
async def test_wrong_usage_is_told_without_asking_the_server(person: Scene, words: tuple[str, ...], said: str) -> None:
    told = await person(*words)
    assert (told.code, told.out) == (2, "")
    assert said in told.err
    assert person.server.requests == []


async def test_a_server_that_is_down_and_a_missing_kubeconfig_are_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        (tmp_path / "config").write_text(KUBECONFIG.format(address=f"http://127.0.0.1:{free.getsockname()[1]}"))
    down = await said_by(command.run, "status", "--kubeconfig", str(tmp_path / "config"))
    assert down.code == 4
    assert re.fullmatch(
        r"error: to list datasets in namespace default: http://127.0.0.1:\d+ does not answer: .*\n", down.err
    )
    missing = await typed("status", kubeconfig=None)
    assert missing.code == 4
    assert missing.err.startswith("error: kubeconfig /nonexistent/config does not lead to an API server: ")
    assert missing.err.count("\n") == 1
    (tmp_path / "broken").write_text("a: [")
    broken = await said_by(command.run, "status", "--kubeconfig", str(tmp_path / "broken"))
    assert (broken.code, broken.err.count("\n"), "Traceback" in broken.err) == (4, 1, False)


ODD = [
    (401, "Unauthorized", 3, "the API server does not know user fake of context fake: Unauthorized. Log in again"),
    (404, "404 page not found", 1, "this cluster does not serve datasets.bucle.dev/v1alpha1. Install Bucle there"),
    (503, "<html>no backend</html>", 4, "the API server answers 503: <html>no backend</html>"),
    (200, "<html>a login page</html>", 4, "the API server answers 200: <html>a login page</html>"),
    (200, "[]", 4, "the API server answers 200: []"),
]


@pytest.mark.parametrize(("status", "text", "code", "said"), ODD, ids=lambda value: str(value)[:12])
async def test_an_odd_answer_is_told_in_words(tmp_path: Path, status: int, text: str, code: int, said: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    async with answering(tmp_path, answer) as kubeconfig:
        for words in (("status",), ("explain", "dataset/page"), ("signals", "the")):
            told = await said_by(command.run, *words, "--kubeconfig", kubeconfig)
            plural = "driftpolicies" if words[0] == "signals" else "datasets"
            assert (told.code, told.out) == (code, ""), told.err
            assert said.replace("datasets", plural) in told.err
            assert "Traceback" not in told.err


async def test_a_server_that_never_answers_is_given_up_after_the_request_timeout(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        (tmp_path / "config").write_text(KUBECONFIG.format(address=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        words = ("status", "--request-timeout=300ms", "--kubeconfig", str(tmp_path / "config"))
        told = await said_by(command.run, *words)
    assert told.code == 4
    assert "does not answer" in told.err


async def test_many_objects_are_read_page_by_page_and_each_is_shown_once(person: Scene) -> None:
    for number in range(1201):
        person.kube.put(DATASET, written(DATASET, f"d{number}", FLIGHTS["spec"], "many"))
    told = await person("status", "-n", "many")
    assert sum(line.startswith("Dataset/d") for line in told.out.splitlines()) == 1201
    pages = [query for _, path, query in person.server.requests if path.endswith("/datasets")]
    assert [query["limit"] for query in pages] == ["500"] * 3
    assert [query.get("continue") for query in pages] == [None, "500", "1000"]


async def test_a_list_whose_first_page_is_too_old_is_read_again_at_once(person: Scene) -> None:
    for number in range(501):
        person.kube.put(DATASET, written(DATASET, f"d{number}", FLIGHTS["spec"], "many"))
    person.server.compact_between_pages(1)
    told = await person("status", "-n", "many")
    assert sum(line.startswith("Dataset/d") for line in told.out.splitlines()) == 501
    assert "limit" not in [query for _, path, query in person.server.requests if path.endswith("/datasets")][-1]


async def test_nothing_is_ever_written(person: Scene) -> None:
    for words in ANSWERS.values():
        await person(*words, *ML)
    assert {method for method, _, _ in person.server.requests} == {"GET"}


async def test_an_object_of_a_newer_release_is_shown(tmp_path: Path) -> None:
    kube = FakeKube(own_schemas=False)
    strange: dict[str, Any] = {
        "observedGeneration": "seven",
        "conditions": [
            {"type": "Ready", "status": "Mostly", "reason": "QuantumLeap", "message": "half\x1b[31mway"},
            {"type": "Entangled", "status": "False", "reason": "Spooky", "lastTransitionTime": 12},
            "not even an object",
        ],
        "gates": [{"name": "better", "verdict": "Perhaps", "estimate": 0.25, "interval": [1, 2], "samples": "many"}, 3],
        "rollout": {"state": "Teleporting", "step": "first", "weight": None},
        "signals": [
            {"name": "mood", "verdict": "Gloomy", "value": 0.7, "interval": "wide", "window": 3, "groups": "?"}
        ],
        "history": [{"window": "w", "signals": {"mood": 1}}, None],
        "lastEvaluation": ["?"],
        "retrains": 4,
        "action": "all of them",
    }
    for resource in LOOP:
        put(
            kube,
            resource,
            written(resource, "new", {"target": ["x"], "gates": {"a": 1}, "signals": 9, "model": 4}),
            strange,
        )
    async with FakeApiServer(kube, (*LOOP, EVENT, POD)).serving(tmp_path) as kubeconfig:
        for words in (
            ("status",),
            *(("explain", f"{kind.kind}/new") for kind in LOOP),
            ("gates", "new"),
            ("signals", "new"),
        ):
            for form in ("table", "json", "yaml"):
                told = await said_by(command.run, *words, *ML, "-o", form, "--kubeconfig", kubeconfig)
                assert told.code == 0, (words, form, told.err)
                assert "new" in told.out and "\x1b" not in told.out
                if words[0] == "explain":
                    assert "QuantumLeap" in told.out and "Spooky" in told.out
        gates = await said_by(command.run, "gates", "new", *ML, "--kubeconfig", kubeconfig)
        assert "Perhaps" in gates.out
        assert "note: status.gates[0].interval cannot be read by this release" in gates.err
        signals = await said_by(command.run, "signals", "new", *ML, "--kubeconfig", kubeconfig)
        assert "Gloomy" in signals.out


@pytest.mark.thorough
async def test_words_that_a_terminal_cannot_show_end_nothing(person: Scene) -> None:
    narrow = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    told = await typed("status", *ML, kubeconfig=person.kubeconfig, **narrow)
    assert told.code == 0
    assert "`- Experiment/late" in told.out and told.out.isascii()
    words = ("signals", "flights-drift", *ML, "-o", "json")
    document = await typed(*words, kubeconfig=person.kubeconfig, **narrow)
    assert json.loads(document.out)["kind"] == "Signals"
