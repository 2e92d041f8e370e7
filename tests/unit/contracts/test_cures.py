"""Every reason of the table has a cure that a story does: told, done as the table says, then Ready."""

from __future__ import annotations

import ast
from pathlib import Path

from bucle.contracts.reasons import REASONS

STORIES = Path(__file__).parents[2] / "stories"
WITHOUT = {
    "InternalError": "a mistake of the operator is mended in the operator: no spec brings it about, and no edit mends it",
}


def told() -> set[str]:
    """The reasons that the stories of cures are written for."""
    trees = [ast.parse(path.read_text()) for path in sorted(STORIES.glob("test_cures_*.py"))]
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    marks = [call for call in calls if getattr(call.func, "id", "") in ("cures", "together")]
    return {argument.value for mark in marks for argument in mark.args if isinstance(argument, ast.Constant)}  # type: ignore[misc]


def test_every_cure_of_the_table_is_done_by_a_story() -> None:
    assert sorted(REASONS.keys() - told() - WITHOUT.keys()) == []


def test_a_story_is_about_a_reason_that_is_in_the_table() -> None:
    assert sorted(told() - REASONS.keys()) == []
    assert WITHOUT.keys() & told() == set(), "what has a story needs no excuse"
