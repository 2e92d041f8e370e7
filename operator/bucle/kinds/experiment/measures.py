"""What an Experiment tells in numbers: how far its search is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bucle.contracts import telemetry
from bucle.contracts.measures import Measures, given, together
from bucle.kinds.experiment.state import TrialState
from bucle.resources.documents import parse
from bucle.resources.experiment import Experiment


def measures(raw: Mapping[str, Any]) -> Measures:
    status = parse(Experiment, raw).status
    counts, best = status.counts, status.best
    by_state = {
        TrialState.PLANNED: counts.planned,
        TrialState.RUNNING: counts.running,
        TrialState.SUCCEEDED: counts.succeeded,
        TrialState.FAILED: counts.failed,
    } if counts else {}  # fmt: skip
    shown = together(
        *(given(telemetry.TRIALS, count, state) for state, count in by_state.items()),
        given(telemetry.BEST, best.value if best else None),
    )
    return Measures(shown)
