"""When what was captured is in the store: one answer, for the servers that write and for everybody who reads."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.support.builders.drift_states import EVALUATION

from bucle.contracts.capture import ROLL_SECONDS, SETTLED
from bucle.kinds.dataset.children import SETTLED_AFTER
from bucle.kinds.driftpolicy.evaluation_job import made_at
from bucle.workloads.attempt import Attempt

ROOT = Path(__file__).resolve().parents[3]


def test_a_reader_waits_two_of_the_intervals_in_which_a_server_writes() -> None:
    assert timedelta(seconds=2 * ROLL_SECONDS) == SETTLED


def test_an_evaluation_and_a_build_wait_until_every_server_has_written() -> None:
    evaluation = replace(EVALUATION, attempt=Attempt(0))
    assert made_at(evaluation) - evaluation.until == SETTLED
    assert SETTLED_AFTER >= SETTLED


def test_nobody_keeps_a_number_of_seconds_of_their_own_for_it() -> None:
    """An interval that is made longer would otherwise let a reader close its books before the servers have written."""
    own = re.compile(r"^(?:ROLL\w*SECONDS|\w*SETTLED\w*)(?:: \w+)? = .*?[0-9]{2}|^ROLL\w*SECONDS(?:: \w+)? = ", re.M)
    sources = (path for folder in ("operator", "tests", "hack") for path in (ROOT / folder).rglob("*.py"))
    keeping = {str(path.relative_to(ROOT)) for path in sources if own.search(path.read_text(encoding="utf-8"))}
    assert keeping == {"operator/bucle/contracts/capture.py"}
