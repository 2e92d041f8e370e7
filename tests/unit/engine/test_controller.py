"""How long an object at rest is left alone: ten minutes, and longer where very many are at rest."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bucle.engine.controller import LONGEST_RESYNC, resync


@pytest.mark.parametrize(
    ("resting", "minutes"),
    [(0, 10), (1, 10), (3_000, 10), (6_000, 20), (10_000, 33), (18_000, 60), (100_000, 60)],
)
def test_ten_thousand_objects_at_rest_are_looked_at_five_a_second(resting: int, minutes: int) -> None:
    assert resync(resting) // timedelta(minutes=1) == minutes


@pytest.mark.parametrize("resting", [10, 3_000, 12_345, 18_000])
def test_looks_at_what_rests_never_take_more_than_their_budget(resting: int) -> None:
    assert resting / resync(resting).total_seconds() <= 5 and resync(resting) <= LONGEST_RESYNC
