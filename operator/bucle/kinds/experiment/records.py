"""The words of `status.trials` and `status.final`, and what can be read off the rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bucle.contracts.metrics import METRICS
from bucle.resources.experiment_status import Best, Counts, Trial

PLANNED, RUNNING, SUCCEEDED, FAILED = "Planned", "Running", "Succeeded", "Failed"
"""States of a trial."""

FITTING, WAITING, PASSED, REGISTERED, KEPT, REFUSED, STOPPED = (
    "Fitting",
    "Waiting",
    "Passed",
    "Registered",
    "NotRegistered",
    "Refused",
    "Stopped",
)
"""States of the final fit. Passed: scored, judged good, not yet seen in the registry. Stopped: no attempt can help."""

DECIDED = frozenset({REGISTERED, KEPT, REFUSED})


def is_open(row: Trial) -> bool:
    return row.state in (PLANNED, RUNNING)


def counts(rows: Iterable[Trial]) -> Counts:
    states = [row.state for row in rows]
    return Counts(
        planned=states.count(PLANNED),
        running=states.count(RUNNING),
        succeeded=states.count(SUCCEEDED),
        failed=states.count(FAILED),
    )


def best(rows: Iterable[Trial], metric: str) -> Trial | None:
    """The successful trial with the best value; of equals the first."""
    sign = METRICS[metric].loss_sign()
    valued = [row for row in rows if row.state == SUCCEEDED and row.value is not None]
    return min(valued, key=lambda row: (sign * float(row.value or "0"), row.index or 0), default=None)


def as_best(row: Trial | None) -> Best | None:
    return Best(index=row.index, value=row.value, params=row.params, run_id=row.run_id) if row else None
