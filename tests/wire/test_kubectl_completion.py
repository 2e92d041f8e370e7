"""What the shell offers for `kubectl bucle`, and kubectl itself with the plugin on its PATH."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hack.cluster.layout import from_environment
from tests.support.builders.loop_objects import RETRAIN, written
from tests.support.fakes.people import NAMESPACES, ROOT, Scene, Told, before_a_loop, typed

from bucle.cli.kinds import LOOP


@pytest.fixture
async def person(tmp_path: Path) -> AsyncIterator[Scene]:
    async with before_a_loop(tmp_path) as scene:
        yield scene


COMPLETED = [
    (("",), ["status", "explain", "gates", "signals", "version"], 4),
    (("ex",), ["explain"], 4),
    (("status", ""), ["dataset/", "experiment/", "modeldeployment/", "driftpolicy/"], 6),
    (("status", "-n", "ml", "mlds/fl"), ["mlds/flights", f"mlds/{RETRAIN}"], 4),
    (("-n", "ml", "explain", "experiment", "l"), ["late"], 4),
    (("gates", "--namespace=ml", ""), ["flights"], 4),
    (("signals", "-n", "ml", ""), ["flights-drift"], 4),
    (("status", "-n", ""), ["ml", "shop"], 4),
    (("status", "--namespace=s"), ["--namespace=shop"], 4),
    (("status", "--context", ""), ["fake"], 4),
    (("status", "-o", ""), ["table", "json", "yaml"], 4),
    (("status", "--kubeconfig", ""), [], 0),
    (("gates", "flights", ""), [], 4),
    (("status", "pods/"), [], 4),
    (("status", "--all"), ["--all-namespaces"], 4),
]


@pytest.mark.parametrize(
    ("words", "offered", "directive"),
    COMPLETED,
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
async def test_the_shell_is_offered_what_may_come_next(
    person: Scene, words: tuple[str, ...], offered: list[str], directive: int
) -> None:
    for name in ("ml", "shop"):
        person.kube.put(NAMESPACES, written(NAMESPACES, name, {}, ""))
    told = await person.complete(*words)
    *found, last = told.out.splitlines()
    assert ([line.split("\t")[0] for line in found], last) == (offered, f":{directive}")
    assert (told.code, told.err) == (0, "")


async def test_completion_says_nothing_where_nothing_answers_or_may_be_read(person: Scene) -> None:
    person.server.denied = {("list", kind.plural) for kind in LOOP}
    assert (await person.complete("gates", "")).out == ":4\n"
    told = await typed("gates", "", kubeconfig=None, module="bucle.cli.completion")
    assert told == Told(0, ":4\n", "")


@pytest.fixture
def plugin_path(tmp_path: Path) -> str:
    """A PATH with the two programs that pip would install, made from pyproject.toml's own words."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name, entry in scripts.items():
        module, _, function = entry.partition(":")
        program = tmp_path / name
        program.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
        program.chmod(0o755)
    return os.pathsep.join((str(tmp_path), os.environ["PATH"]))


async def test_kubectl_finds_the_plugin_and_completes_for_it(person: Scene, plugin_path: str) -> None:
    kubectl = from_environment().program("kubectl")

    async def asked(*words: str) -> Told:
        return await typed(*words, kubeconfig=person.kubeconfig, program=kubectl, PATH=plugin_path)

    listed = await asked("plugin", "list")
    assert "/kubectl-bucle" in listed.out
    shown = await asked("bucle", "status", "-n", "ml")
    assert (shown.code, "Dataset/flights" in shown.out) == (0, True)
    assert (await asked("bucle", "status", "mlds/nope", "-n", "ml")).code == 1
    completed = await asked("__complete", "bucle", "gates", "-n", "ml", "")
    assert completed.out.splitlines() == ["flights", ":4"]
