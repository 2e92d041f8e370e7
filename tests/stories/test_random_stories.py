"""Whatever happens to the four kinds, the laws hold and everything comes to rest. More than the usual few: `--stories 500`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.worlds.random_story import Story

EVENTS = 8


async def test_whatever_happens_the_laws_hold_and_the_last_good_version_serves(
    story_seed: int, record_property: Callable[[str, object], None]
) -> None:
    story = Story(story_seed)
    try:
        await story.play(EVENTS)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}\n{story}") from error
    record_property("judged", sorted(story.laws.judged.items()))
    if story.broken:
        pytest.fail(str(story), pytrace=False)
