"""What counts for nothing is told with what a person can do about it, and in no more words than fit."""

from __future__ import annotations

from typing import Any

import pytest

from bucle.contracts.uncounted import BATCHES_TOLD, REASONS, SetAsideBatch, Suspicion, Uncounted, newest
from bucle.resources.uncounted_status import uncounted_of, uncounted_status


def batch(hour: int, source: str = "nightly", reason: Suspicion = Suspicion.FLOODED) -> SetAsideBatch:
    return SetAsideBatch(source=source, hour=f"2026-01-01T{hour:02d}:00:00Z", labels=9, reason=reason)


EVERYTHING = Uncounted(1, 2, 3, 4, 9, 9, 7, 5, (batch(2), batch(1, "", Suspicion.UNIFORM)))


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_has_its_sentence_with_its_count(reason: str) -> None:
    counts: dict[str, Any] = {reason: 12}
    (told,) = Uncounted(**counts).words("day")
    assert told.startswith("12 ")


def test_a_batch_is_named_as_it_is_allowed() -> None:
    flooded, uniform = EVERYTHING.words(None)[4:6]
    assert "2026-01-01T02:00:00Z of nightly" in flooded and "`feedback.quarantine.allow`" in flooded
    assert "2026-01-01T01:00:00Z of callers without a name" in uniform


@pytest.mark.parametrize("told", [Uncounted(), EVERYTHING, Uncounted(unjoined=3)])
def test_what_stands_in_status_is_what_was_told(told: Uncounted) -> None:
    assert uncounted_of(uncounted_status(told)) == told


def test_of_many_batches_the_newest_are_told_each_once() -> None:
    found = newest([batch(1), batch(5), batch(5), batch(3), batch(4), batch(4, "other")])
    assert len(found) == BATCHES_TOLD and found[0] == batch(5)
    assert [b.hour[11:13] for b in found] == ["05", "04", "04"]
