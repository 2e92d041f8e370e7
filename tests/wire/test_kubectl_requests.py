"""`kubectl bucle approve | reject | retrain | mute` before an API server with a running operator: asked once, done, told."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.support.fakes.apiserver import FakeApiServer
from tests.support.fakes.people import NAMESPACES, Scene, Told
from tests.support.fakes.rights import OF_THE_OPERATOR, needed
from tests.support.worlds.drift import NAME, DriftWorld, action, answers, asking_first, drifted

from bucle.cli.errors import Exit
from bucle.cli.kinds import LOOP
from bucle.engine.objects import EVENT, POD
from bucle.resources.addresses import DRIFT_POLICY

ML = ("--namespace", "ml")
PATIENCE = 60.0


async def typed(world: DriftWorld, directory: Path, *words: str, deny: bool = False) -> Told:
    """What that command prints while the operator works."""
    # Both ask the same store: a person may patch, which the operator never does to its own kinds.
    world.sim.kube.rights = {*OF_THE_OPERATOR, needed("patch_annotations", DRIFT_POLICY)}
    server = FakeApiServer(world.sim.kube, (*LOOP, EVENT, POD, NAMESPACES))
    if deny:
        server.denied.add(("patch", DRIFT_POLICY.plural))
    async with server.serving(directory) as kubeconfig, asyncio.timeout(PATIENCE):
        asked = asyncio.create_task(Scene(server, kubeconfig)(*words, *ML))
        while not asked.done():
            await asyncio.wait([asked], timeout=0.05)
            await world.sim.settle()
        return asked.result()


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("approve", ("Done", "Retraining")),
        ("reject", ("Done", "Breached")),
        ("mute", ("Suppressed", "Muted")),
        ("retrain", ("Done", "Retraining")),
    ],
)
async def test_what_a_person_asks_is_done_and_told(verb: str, expected: tuple[str, str], tmp_path: Path) -> None:
    world = DriftWorld(policy=asking_first())
    await drifted(world)
    told = await typed(world, tmp_path, verb, NAME)
    assert told.code == Exit.SHOWN, told
    assert f"DriftPolicy/{NAME} in namespace ml: {verb}/" in told.out and "Done: " in told.out
    assert action(world) == expected
    ((_, outcome),) = answers(world)
    assert outcome == "Done"


async def test_what_is_refused_ends_with_a_code_of_its_own(tmp_path: Path) -> None:
    world = DriftWorld(policy=asking_first())
    await drifted(world)
    told = await typed(world, tmp_path, "approve", NAME, "--retrain", "another", "--output", "json")
    document = json.loads(told.out)
    assert told.code == Exit.REFUSED and document["kind"] == "Request"
    assert document["outcome"] == "Refused" and "possible are now" in document["message"]
    assert world.children() == []


async def test_nobody_is_waited_for_where_none_answers(tmp_path: Path) -> None:
    world = DriftWorld()
    told = await typed(world, tmp_path, "retrain", NAME, "--wait", "0s")
    assert told.code == Exit.REFUSED and "Waiting: the operator has not answered yet" in told.out


async def test_who_may_not_write_is_told_which_role_may(tmp_path: Path) -> None:
    world = DriftWorld()
    told = await typed(world, tmp_path, "retrain", NAME, deny=True)
    assert told.code == Exit.FORBIDDEN and "role `edit`" in told.err
    assert "annotations" not in world.sim.get(DRIFT_POLICY, NAME)["metadata"]
