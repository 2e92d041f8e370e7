"""Onlookers of cluster tests hear of every state: one that stood for a moment between two looks counts as well."""

from __future__ import annotations

import json
import sys
import time

import pytest
from tests.cluster.callers import Onlooker
from tests.cluster.watch import documents, hearing


def routes(weight: int | None, type_: str = "MODIFIED") -> str:
    """One line of `kubectl get configmaps --watch --output-watch-events -o json`."""
    told = {"revisions": {"a": {"weight": 100 - (weight or 0)}} | ({"b": {"weight": weight}} if weight else {})}
    return json.dumps({"type": type_, "object": {"kind": "ConfigMap", "data": {"bucle.json": json.dumps(told)}}})


ROLLOUT = [routes(None, "ADDED"), routes(20), routes(20), routes(0), routes(10), routes(50), routes(100)]
PRINTS = "import sys, time\nfor line in sys.argv[1:]: print(line, flush=True)\ntime.sleep({rest})"


def test_a_weight_of_0_that_stood_for_a_moment_is_seen() -> None:
    onlooker = Onlooker()
    with hearing([sys.executable, "-c", PRINTS.format(rest=60), *ROLLOUT], onlooker.hear):
        deadline = time.monotonic() + 20
        while onlooker.weights("b")[-1] != 100:
            assert time.monotonic() < deadline
    assert onlooker.weights("b") == [0, 20, 0, 10, 50, 100]


def test_routes_that_are_taken_away_are_no_weight() -> None:
    onlooker = Onlooker()
    for line in (*ROLLOUT[:2], routes(None, "DELETED"), json.dumps({"type": "BOOKMARK", "object": {}})):
        onlooker.hear(json.loads(line))
    assert onlooker.weights("b") == [0, 20]


def test_a_watch_that_ends_by_itself_fails_the_test_that_relies_on_it() -> None:
    with (
        pytest.raises(AssertionError, match="the watch ended by itself with 0"),
        hearing([sys.executable, "-c", PRINTS.format(rest=0), routes(20)], Onlooker().hear) as process,
    ):
        process.wait(20)


@pytest.mark.parametrize("indent", [None, 4], ids=["a line each", "many lines"])
def test_documents_are_told_apart_however_they_are_printed(indent: int | None) -> None:
    told = [json.loads(line) for line in ROLLOUT]
    text = "\n".join(json.dumps(item, indent=indent) for item in told) + "\n"
    assert list(documents(text.splitlines(keepends=True))) == told
