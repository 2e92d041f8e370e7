"""Who is asked and told: what an answer that never comes can say of itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from tests.support.fakes.clock import FakeClock
from tests.support.fakes.kube import FakeKube

from bucle.app import all_executors, all_sources
from bucle.engine.kube import API_SERVER
from bucle.externals.registry.client import MlflowClient

MLFLOW = "http://mlflow.example:5000"
CLOCK = FakeClock()
KUBE = FakeKube(CLOCK)
SOURCES = all_sources(KUBE, MlflowClient(MLFLOW), CLOCK)
EXECUTORS = all_executors(KUBE, MlflowClient(MLFLOW))


def _named(found: Iterable[type]) -> list[Any]:
    """In the same order in every worker."""
    return [pytest.param(one, id=one.__name__) for one in sorted(found, key=str)]


@pytest.mark.parametrize("read", _named(SOURCES))
def test_every_question_is_put_in_words_and_says_who_was_asked(read: type) -> None:
    assert "__str__" in vars(read), "a condition would show the name of a class"
    assert SOURCES[read].place


@pytest.mark.parametrize("effect", _named(EXECUTORS))
def test_every_effect_says_who_is_told(effect: type) -> None:
    assert EXECUTORS[effect].place


def test_what_lies_outside_the_cluster_is_named_by_its_address() -> None:
    """Nobody finds the server behind "MLflow" without it: it stands in a chart's values."""
    places = {source.place for source in SOURCES.values()} | {executor.place for executor in EXECUTORS.values()}
    assert {place for place in places if "MLflow" in place} == {f"MLflow at {MLFLOW}"}
    assert API_SERVER in places
