"""Which labels are set aside for what came with them, and that an hour's verdict on them does not change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bucle.contracts import capture
from bucle.contracts.table import Batch, Labels, Quarantine
from bucle.podkit.capture_files import feedback_table
from bucle.podkit.quarantine import judged, labels_until

TEN = datetime(2026, 1, 1, 10, tzinfo=UTC)
HOUR_10, HOUR_11 = "2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"
Sent = tuple[int, str | None, str]
"""(minutes after ten, what the caller calls itself, what it says)"""


def table(*sent: Sent):  # type: ignore[no-untyped-def]
    return feedback_table(
        [
            {"id": f"f{at}", "label": label, capture.SOURCE: source, capture.RECEIVED: TEN + timedelta(minutes=minutes)}
            for at, (minutes, source, label) in enumerate(sent)
        ]
    )


def sent(count: int, source: str | None, *labels: str, minute: int = 0) -> list[Sent]:
    return [(minute, source, labels[at % len(labels)]) for at in range(count)]


BOTH = Quarantine(labels_per_hour=4, same_labels=3)
CASES = {
    "without limits nothing is set aside": (None, sent(99, "a", "1"), {}),
    "as many as may come": (BOTH, sent(4, "a", "0", "1"), {}),
    "one more is a flood, all of it": (BOTH, sent(5, "a", "0", "1"), {("a", HOUR_10): (5, "flooded")}),
    "a flood that says one thing is a flood": (BOTH, sent(5, "a", "1"), {("a", HOUR_10): (5, "flooded")}),
    "an hour that says one thing": (BOTH, sent(3, "a", "1"), {("a", HOUR_10): (3, "uniform")}),
    "too few to say so": (BOTH, sent(2, "a", "1"), {}),
    "one label says another thing": (BOTH, sent(3, "a", "1", "1", "0"), {}),
    "others are not touched": (
        BOTH,
        sent(5, "a", "0", "1") + sent(4, "b", "0", "1"),
        {("a", HOUR_10): (5, "flooded")},
    ),
    "nor is the next hour": (
        BOTH,
        sent(3, "a", "1", minute=59) + sent(4, "a", "0", "1", minute=60),
        {("a", HOUR_10): (3, "uniform")},
    ),
    "hours are not added up": (BOTH, sent(3, "a", "0", "1") + sent(3, "a", "0", "1", minute=60), {}),
    "callers without a name are one": (BOTH, sent(5, None, "0", "1"), {("", HOUR_10): (5, "flooded")}),
    "what a person allows counts": (
        BOTH.model_copy(update={"allow": (Batch(source="a", hour=HOUR_10),)}),
        sent(5, "a", "1") + sent(5, "a", "1", minute=60),
        {("a", HOUR_11): (5, "flooded")},
    ),
    "a limit on one of both": (Quarantine(same_labels=3), sent(99, "a", "0", "1"), {}),
    "dates are judged with their answers": (Quarantine(dated_before_seconds=60), sent(99, "a", "1"), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_batch_is_set_aside_as_a_whole_by_the_limits_that_a_person_states(case: str) -> None:
    rules, labels, expected = CASES[case]
    given_ = table(*labels)
    found = judged(given_, rules)
    assert {(b.source, b.hour): (b.labels, b.reason.value) for b in found.batches} == expected
    assert found.believed.num_rows + sum(found.counts().values()) == given_.num_rows
    aside = set(expected)
    kept = [f"f{at}" for at, (minutes, source, _) in enumerate(labels) if (source or "", _hour(minutes)) not in aside]
    assert found.believed.column("id").to_pylist() == kept, "in their order"


def _hour(minutes: int) -> str:
    return f"{TEN + timedelta(minutes=minutes):%Y-%m-%dT%H}:00:00Z"


some_labels = st.lists(
    st.tuples(st.integers(0, 179), st.sampled_from(["a", "b", None]), st.sampled_from("01")), max_size=30
)


@settings(max_examples=30)
@given(some_labels, some_labels)
def test_what_is_said_of_an_hour_that_is_over_does_not_change_whatever_comes_later(
    before: list[Sent], later: list[Sent]
) -> None:
    first = judged(table(*before), BOTH)
    again = judged(table(*before, *((minutes + 180, source, label) for minutes, source, label in later)), BOTH)
    assert again.batches[: len(first.batches)] == first.batches
    assert again.believed.slice(0, first.believed.num_rows) == first.believed


@pytest.mark.parametrize(
    ("rules", "until"),
    [(None, "10:59:59"), (Quarantine(dated_before_seconds=1), "10:59:59"), (BOTH, "10:00:00")],
)
def test_labels_of_the_hour_under_way_wait_only_while_batches_are_judged(rules: Quarantine | None, until: str) -> None:
    found = labels_until(Labels(quarantine=rules), TEN + timedelta(minutes=59, seconds=59))
    assert f"{found:%H:%M:%S}" == until


def test_an_hour_is_over_when_all_of_it_is_written() -> None:
    limits = Labels(quarantine=BOTH)
    assert labels_until(limits, TEN + timedelta(seconds=9), timedelta(seconds=10)) == TEN - timedelta(hours=1)
    assert labels_until(limits, TEN + timedelta(seconds=10), timedelta(seconds=10)) == TEN
