"""What takes longer than a look waits is computed once and given to the look that asks again."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bucle.engine.reads import Known, Source, Unavailable
from bucle.engine.sources import observe
from bucle.externals.sampler.algorithms import Algorithm
from bucle.externals.sampler.optuna_sampler import OptunaSampler
from bucle.externals.sampler.values import Suggest, Suggestion
from bucle.externals.slow_answers import Kept

QUESTION = Suggest((), Algorithm("tpe", 1), "Minimize", (7,))
MADE = (Suggestion(7, ()),)


async def test_a_suggestion_that_is_late_for_one_look_is_there_for_the_next_and_computed_once() -> None:
    go, computed = threading.Event(), []

    def slow(question: Suggest) -> tuple[Suggestion, ...]:
        computed.append(question)
        assert go.wait(30)
        return MADE

    sources: dict[type, Source] = {Suggest: OptunaSampler(slow)}
    for _ in range(5):
        late = await observe(sources, {"suggestions": QUESTION}, limit_seconds=0.01)
        assert isinstance(late["suggestions"], Unavailable)
    assert threading.active_count() <= 3, "threads do not pile up"
    go.set()
    found = await observe(sources, {"suggestions": QUESTION}, limit_seconds=30)
    assert isinstance(found["suggestions"], Known)
    assert found["suggestions"].value == MADE
    assert computed == [QUESTION]


async def test_an_answer_is_given_once_and_an_error_is_not_kept() -> None:
    kept: Kept[int] = Kept()
    answers = iter([1, 2])

    async def right() -> int:
        return next(answers)

    async def wrong() -> int:
        raise ValueError("down")

    assert [await kept.answer("a", right), await kept.answer("a", right)] == [1, 2]
    with pytest.raises(ValueError, match="down"):
        await kept.answer("b", wrong)
    assert len(kept) == 0


async def test_answers_that_nobody_comes_back_for_make_room() -> None:
    kept: Kept[int] = Kept(limit=3)

    async def slow() -> int:
        await asyncio.sleep(0)
        return 1

    for index in range(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await kept.answer(index, slow)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert len(kept) <= 4
