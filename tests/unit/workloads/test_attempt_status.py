"""The one codec of attempts: what is written of an attempt is read back, whichever kind's record it stands in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bucle.resources import dataset_status, driftpolicy_status, experiment_status
from bucle.workloads import attempt_status
from bucle.workloads.attempt import Attempt

LATER = datetime(2026, 3, 1, 13, tzinfo=UTC)
RECORDS: list[type[Any]] = [dataset_status.Build, driftpolicy_status.EvaluationJob, experiment_status.Final]
ATTEMPTS = {
    "first": Attempt(0),
    "waits": Attempt(2, 1, "StoreUnavailable", "the store does not answer", LATER),
    "given up": Attempt(3, 3, "ProgramFailed", "exit code 1", None, given_up=True),
}


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_what_is_written_is_read_back(attempt: Attempt, record: type[Any]) -> None:
    row = record(**attempt_status.told(attempt))
    assert attempt_status.decoded(row, message=row.message, given_up=attempt.given_up) == attempt


def test_a_trial_keeps_no_words() -> None:
    row = experiment_status.Trial(**attempt_status.counted(ATTEMPTS["waits"]))
    assert attempt_status.decoded(row) == Attempt(2, 1, "StoreUnavailable", "", LATER)


def test_an_attempt_that_was_never_numbered_is_the_first() -> None:
    assert attempt_status.decoded(dataset_status.Build()) == Attempt(0)
