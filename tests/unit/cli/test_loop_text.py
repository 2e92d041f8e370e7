"""The loop as lines: what stands on them, and which retrains of the past."""

from __future__ import annotations

import pytest

from bucle.cli.documents import Loop, Node
from bucle.cli.loop_text import RETRAINS_TOLD, loop_lines, ready_of
from bucle.cli.objects import State
from bucle.cli.text import Screen


def node(
    name: str, *children: Node, kind: str = "Dataset", state: State = State.READY, ready: str | None = "True"
) -> Node:
    return Node(kind=kind, name=name, namespace="ml", state=state, ready=ready, children=children)


@pytest.mark.parametrize(
    ("state", "ready", "told"),
    [
        (State.READY, "True", "True"),
        (State.NOT_READY, "False", "False"),
        (State.PROGRESSING, "True", "True (progressing)"),
        (State.PROGRESSING, "False", "False (progressing)"),
        (State.STALLED, "False", "False (stalled)"),
        (State.DELETING, "True", "True (deleting)"),
        (State.NOT_READY, "Mostly", "Mostly"),
        (State.UNSEEN, None, "Unseen"),
        (State.MISSING, None, "Missing"),
        (State.HIDDEN, None, "Hidden"),
    ],
)
def test_ready_is_told_with_what_it_does_not_say(state: State, ready: str | None, told: str) -> None:
    assert ready_of(node("a", state=state, ready=ready)) == told


RETRAINS = [node(f"r{number}", node(f"e{number}", kind="Experiment")) for number in range(1, 7)]
ILL = node("r1", node("e1", kind="Experiment", state=State.STALLED, ready="False"))


@pytest.mark.parametrize(
    ("retrains", "whole", "told", "left_out"),
    [
        ([], False, [], 0),
        (RETRAINS[:RETRAINS_TOLD], False, ["r1", "r2", "r3"], 0),
        (RETRAINS, False, ["r4", "r5", "r6"], 3),
        ([ILL, *RETRAINS[1:]], False, ["r1", "r4", "r5", "r6"], 2),
        (RETRAINS, True, ["r1", "r2", "r3", "r4", "r5", "r6"], 0),
    ],
    ids=["none", "few", "many", "an earlier one that is not well", "asked about the policy"],
)
def test_of_many_retrains_the_last_ones_stand_in_the_tree(
    retrains: list[Node], whole: bool, told: list[str], left_out: int
) -> None:
    loop = Loop(items=(node("watch", *retrains, kind="DriftPolicy"),))
    lines = loop_lines(loop, Screen(), namespaces=False, whole=whole)
    assert [line.split()[1].removeprefix("Dataset/") for line in lines if " Dataset/" in line] == told
    earlier = [line.split() for line in lines if "earlier retrains" in line]
    shown = "`kubectl bucle status driftpolicy/watch` shows them"
    assert earlier == ([["├─", str(left_out), "earlier", "retrains", *shown.split()]] if left_out else [])
