"""Observing: every read is asked once, at the same time, within its limit, and an error is never an absence."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.fakes.clock import START

from bucle.engine.objects import JOB
from bucle.engine.reads import GetObject, Known, ListObjects, Observation, Read, Unavailable
from bucle.engine.sources import observe
from bucle.externals.registry.values import RunsByTag, VersionByAlias, VersionByNumber, VersionsByTag
from bucle.resources.addresses import DATASET


@dataclass(frozen=True)
class Wordless:
    history: tuple[int, ...] = tuple(range(500))


class Silent:
    place = "a peer at http://peer:5000"

    async def read(self, read: Any) -> Observation[Any]:
        await asyncio.Event().wait()
        raise AssertionError("never")


class Mistaken:
    place = "a peer"

    async def read(self, read: Any) -> Observation[Any]:
        raise KeyError("experiment")


class Counting:
    """Answers once all of them are asked: one after the other would never end."""

    place = "a peer"

    def __init__(self, together: int) -> None:
        self.asked = 0
        self._together = asyncio.Barrier(together)

    async def read(self, read: Any) -> Observation[Any]:
        self.asked += 1
        await self._together.wait()
        return Known(read, START)


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (GetObject(DATASET, "ml", "flights"), "reading Dataset ml/flights"),
        (ListObjects(JOB, "ml", (("a", "b"),)), "listing jobs in ml"),
        (VersionByAlias("ml.flights", "champion"), "asking MLflow for the version of ml.flights behind alias champion"),
        (VersionByNumber("ml.flights", 3), "asking MLflow for version 3 of ml.flights"),
        (VersionsByTag("ml.flights", "bucle.dev/key", "x"), "asking MLflow for versions of ml.flights by tag"),
        (RunsByTag("ml/flights", "bucle.dev/key", "x"), "asking MLflow for runs of ml/flights by tag"),
        (Wordless(), "Wordless"),
    ],
)
async def test_what_is_not_answered_in_time_is_unavailable_and_named_for_people(read: Read, words: str) -> None:
    found = await observe({type(read): Silent()}, {"it": read}, limit_seconds=0.01)
    answer = found["it"]
    assert isinstance(answer, Unavailable)
    assert answer.why.startswith(words)
    assert answer.why.endswith("was not answered within 0.01 s by a peer at http://peer:5000")
    assert len(answer.why) < 200
    assert "(" not in answer.why, "no field list of a class"


async def test_a_source_with_a_mistake_is_unavailable_and_never_absent() -> None:
    found = await observe({Wordless: Mistaken()}, {"it": Wordless()})
    assert found["it"] == Unavailable("Wordless failed: KeyError: 'experiment'")


async def test_reads_are_asked_together_and_equal_ones_once() -> None:
    source = Counting(2)
    asked = {"a": Wordless((1,)), "b": Wordless((2,)), "again": Wordless((1,))}
    async with asyncio.timeout(5):
        found = await observe({Wordless: source}, asked)
    assert source.asked == 2
    assert found["a"] == found["again"] == Known(Wordless((1,)), START)


async def test_a_read_that_nobody_answers_is_a_mistake_of_the_composition_root() -> None:
    with pytest.raises(LookupError, match="no source is registered for Wordless"):
        await observe({}, {"it": Wordless()})
