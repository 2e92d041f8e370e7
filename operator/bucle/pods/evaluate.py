"""`python -m bucle.pods.evaluate`: closes the full windows of one served version and says how well it did in each.

Scores come from the captured answers: no model is loaded.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts import capture
from bucle.contracts.base import decimal_text
from bucle.contracts.canonical import canonical_json, short_hash
from bucle.contracts.capture import SETTLED
from bucle.contracts.metrics import METRICS
from bucle.contracts.reference import Reference
from bucle.contracts.result import EvaluateResult, WindowResult
from bucle.contracts.table import GroupBy
from bucle.contracts.task import EvaluateTask
from bucle.podkit import store
from bucle.podkit.losses import answers_of, truth_of
from bucle.podkit.metrics import grouped_mean, per_row
from bucle.podkit.program import Part, bad_configuration, main
from bucle.pods.arrivals import WindowEnds, arrivals, key_of
from bucle.pods.groups import Grouped, among, grouped, over, tally

MOST_WINDOWS = 20


def run(task: EvaluateTask) -> Part:
    result = evaluate(task, datetime.now(UTC))
    name = f"windows-{short_hash(task.as_json())}.json"
    store.write_bytes(store.join(task.result_location, name), canonical_json(result.as_json()).encode("ascii"))
    return {"evaluate": result}


def evaluate(task: EvaluateTask, now: datetime) -> EvaluateResult:
    """At most 20 windows, oldest first. `until` empty: everything that all servers have written by now."""
    metric = METRICS.get(task.metric)
    if metric is None or not metric.per_row:
        raise bad_configuration("UnknownMetric", f"metric {task.metric} is not a mean over rows: choose another")
    uri = capture.reference_path(task.location, task.version)
    reference = Reference.from_json(store.read_bytes(uri))
    until = datetime.fromisoformat(task.until) if task.until else now - SETTLED
    ends = WindowEnds.read(task)
    found = arrivals(task, reference, until, ends.after(task.closed))
    judged = _judged(task, reference, found.rows)
    size = task.windows.rows
    full = found.rows.num_rows // size
    told = [slice(first, first + size) for first in range(0, min(full, MOST_WINDOWS) * size, size)]
    windows = [window(judged, span, task.closed // size + at) for at, span in enumerate(told)]
    ends.write({task.closed + span.stop: key_of(found.rows, span.stop - 1) for span in told})
    return EvaluateResult(
        windows=tuple(windows),
        labelled=task.closed + found.rows.num_rows,
        more=full > MOST_WINDOWS,
        ungrouped=judged.ungrouped,
        misdated=judged.misdated,
        unjoined=found.unjoined,
        unreadable=found.unreadable,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """The rows in order: the metric's value, the group (−1: none, or still open) and the received time."""

    values: NDArray[np.float64]
    groups: NDArray[np.int64]
    received: pa.ChunkedArray
    ungrouped: int
    misdated: int


def _judged(task: EvaluateTask, reference: Reference, rows: pa.Table) -> Judged:
    truth, _ = truth_of(rows.column(reference.table.target.name), reference)
    by = task.group_by or GroupBy(column=capture.RECEIVED, unit="Hour")
    if by.column not in rows.column_names:
        raise bad_configuration(
            "UnknownColumn", f"groupBy names the column {by.column}, which the served model's schema does not have"
        )
    found = grouped(rows, by)
    groups = _closed(found, rows.column(capture.RECEIVED), by)
    values = per_row(task.metric, truth, answers_of(rows, reference))
    misdated = int(found.misdated.sum())
    return Judged(values, groups, rows.column(capture.RECEIVED), found.names.null_count - misdated, misdated)


def _closed(found: Grouped, received: pa.ChunkedArray, by: GroupBy) -> NDArray[np.int64]:
    """The group of each row as a number, −1 without one and for a group of which more rows may come."""
    encoded = found.names.dictionary_encode()
    groups = np.array(encoded.indices.fill_null(-1), dtype=np.int64)
    groups[~among(found.names, over(tally(found, received), by))] = -1
    return groups


def window(judged: Judged, span: slice, index: int) -> WindowResult:
    """The metric over the rows of closed groups, with the standard error that these groups allow.

    With fewer than two closed groups there is no standard error, and the value is that of all rows.
    """
    values, groups = judged.values[span], judged.groups[span]
    received = judged.received.slice(span.start, len(values))
    closed = groups >= 0
    found = grouped_mean(values[closed], groups[closed]) if closed.any() else None
    enough = found if found is not None and found.groups > 1 else None
    return WindowResult(
        index=index,
        first=pc.min(received).as_py().isoformat(),
        last=pc.max(received).as_py().isoformat(),
        rows=len(values),
        groups=found.groups if found is not None else 0,
        value=decimal_text(enough.value if enough is not None else float(values.mean())),
        standard_error=decimal_text(enough.standard_error) if enough is not None else None,
    )


if __name__ == "__main__":
    sys.exit(main("evaluate", run))
