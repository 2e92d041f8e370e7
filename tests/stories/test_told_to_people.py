"""What `kubectl bucle` makes of every status that the operator writes in a random story of the loop."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from tests.support.tiers import first_fast
from tests.support.worlds.random_story import Story

from bucle.cli.documents import Document, Loop, Node
from bucle.cli.explanation import explain
from bucle.cli.gates import gates_of
from bucle.cli.kinds import LOOP
from bucle.cli.loop import tree
from bucle.cli.objects import Seen, State
from bucle.cli.output import FORMS, written
from bucle.cli.signals import signals_of
from bucle.cli.text import Screen
from bucle.engine.objects import JsonObject
from bucle.resources.addresses import DRIFT_POLICY, MODEL_DEPLOYMENT, Resource

WITH_ALL_KINDS = (2, 5, 8)
EVENTS = 4


def told(seen: Seen) -> list[Document]:
    """All that can be asked about one object."""
    found: list[Document] = [explain(seen)]
    if seen.resource == MODEL_DEPLOYMENT:
        found.append(gates_of(seen))
    return [*found, signals_of(seen)] if seen.resource == DRIFT_POLICY else found


def standing(nodes: tuple[Node, ...]) -> list[str]:
    """Every object that is really there, as often as it stands in the tree."""
    found = []
    for node in nodes:
        there = not node.repeated and node.state is not State.MISSING
        found += [*([str(node)] if there else []), *standing(node.children)]
    return found


@pytest.mark.parametrize("seed", first_fast(WITH_ALL_KINDS))
async def test_every_status_of_a_story_is_read_whole_and_told_with_its_cause_and_cure(seed: int) -> None:
    story, statuses = Story(seed), dict[str, Seen]()

    def remember(resource: Resource, obj: JsonObject, _: str) -> None:
        if resource in LOOP:
            statuses[repr((obj["kind"], obj.get("status")))] = Seen(resource, obj)

    story.sim.kube.on_change.append(remember)
    await story.play(EVENTS)
    assert len(statuses) > 30
    screen, now = Screen(width=100), datetime(2026, 1, 1, tzinfo=UTC)
    for seen in statuses.values():
        for document in told(seen):
            assert document.notes == (), "a release reads its own statuses whole"
            shown = written(document, "table", screen, now)
            assert "this release has no such reason" not in shown
            assert not re.search(r"\bNone\b", shown)
    objects = [Seen(kind, obj) for kind in LOOP for obj in story.sim.kube.all(kind)]
    loop = Loop(items=tree(objects))
    assert sorted(standing(loop.items)) == sorted(f"{seen.kind}/{seen.name}" for seen in objects)
    assert all(written(loop, form, screen, now) for form in FORMS)
