"""`python -m bucle.pods.evaluate`: closes the full windows of one served version and says how well it did in each.

Scores come from the captured answers: no model is loaded.
"""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bucle.contracts import capture
from bucle.contracts.base import decimal_text
from bucle.contracts.canonical import canonical_json, short_hash
from bucle.contracts.metrics import METRICS
from bucle.contracts.reference import Reference
from bucle.contracts.result import EvaluateResult, WindowResult
from bucle.contracts.table import GroupBy
from bucle.contracts.task import EvaluateTask
from bucle.podkit import store
from bucle.podkit.losses import answers_of, truth_of
from bucle.podkit.metrics import grouped_mean, per_row
from bucle.podkit.program import Part, bad_configuration, main
from bucle.podkit.splits import groups_of
from bucle.podkit.tables import labelled_rows
from bucle.pods.judging import SETTLED

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
    rows = labelled_rows(
        task.location,
        table=reference.table,
        labels=task.labels,
        received_before=until,
        labels_received_before=until,
        revision=task.version,
        since=datetime.fromisoformat(task.since),
        answers=True,
    )
    _, usable = truth_of(rows.column(reference.table.target.name), reference)
    rows = rows.filter(pa.array(usable))
    size = task.windows.rows
    full = max(0, (rows.num_rows - task.closed) // size)
    windows = [
        window(task, reference, rows.slice(task.closed + at * size, size), task.closed // size + at)
        for at in range(min(full, MOST_WINDOWS))
    ]
    return EvaluateResult(windows=tuple(windows), labelled=rows.num_rows, more=full > MOST_WINDOWS)


def window(task: EvaluateTask, reference: Reference, rows: pa.Table, index: int) -> WindowResult:
    """The metric over the window with the standard error its closed groups allow.

    The last group of a window goes on in the next one, so it is not closed; rows without a group are left out. With
    fewer than two closed groups there is no standard error, and the value is that of all rows.
    """
    truth, _ = truth_of(rows.column(reference.table.target.name), reference)
    values = per_row(task.metric, truth, answers_of(rows, reference))
    by = task.group_by or GroupBy(column=capture.RECEIVED, unit="Hour")
    encoded = groups_of(rows.column(by.column), by).dictionary_encode()
    codes = np.asarray(encoded.indices.fill_null(-1), dtype=np.int64)
    grouped = codes >= 0
    closed = grouped & (codes != codes[grouped][-1]) if grouped.any() else grouped
    received = rows.column(capture.RECEIVED)
    found = grouped_mean(values[closed], codes[closed]) if closed.any() else None
    judged = found is not None and found.groups > 1
    return WindowResult(
        index=index,
        first=pc.min(received).as_py().isoformat(),
        last=pc.max(received).as_py().isoformat(),
        rows=rows.num_rows,
        groups=found.groups if found is not None else 0,
        value=decimal_text(found.value if found is not None and judged else float(values.mean())),
        standard_error=decimal_text(found.standard_error)
        if found is not None and judged and math.isfinite(found.standard_error)
        else None,
    )


if __name__ == "__main__":
    sys.exit(main("evaluate", run))
