"""`python -m bucle.pods.evaluate`: closes the full windows of one served version and takes every signal of each.

Scores come from the captured answers: no model is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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
from bucle.contracts.result import (
    EvaluateResult,
    Failure,
    LabelledResult,
    ServedResult,
    SignalResult,
    WindowResult,
)
from bucle.contracts.table import GroupBy
from bucle.contracts.task import EvaluateTask, LabelledWindows, MeasuredMetric, ServedWindows
from bucle.contracts.uncounted import Suspicion, newest
from bucle.podkit import store
from bucle.podkit.losses import answers_of, truth_of
from bucle.podkit.metrics import grouped_mean, per_row
from bucle.podkit.program import Part, bad_configuration, main
from bucle.podkit.quarantine import labels_until
from bucle.pods import column_signals
from bucle.pods.arrivals import WindowEnds, arrivals, key_of
from bucle.pods.groups import Grouped, among, grouped, over, tally
from bucle.pods.served import served_windows
from bucle.pods.window_bounds import MOST_WINDOWS, Cut

JsonList = list[dict[str, Any]]


def run(task: EvaluateTask) -> Part:
    result, findings = evaluate(task, datetime.now(UTC))
    uri = store.join(task.result_location, f"windows-{short_hash(task.as_json())}.json")
    stored = {**result.as_json(), "findings": findings}
    store.write_bytes(uri, canonical_json(stored).encode("ascii"))
    return {"evaluate": result.model_copy(update={"uri": uri})}


def evaluate(task: EvaluateTask, now: datetime) -> tuple[EvaluateResult, JsonList]:
    """At most 20 windows of each sort of rows, oldest first, and what was found of all columns. `until` empty: everything
    that all servers have written by now."""
    uri = capture.reference_path(task.location, task.version)
    reference = Reference.from_json(store.read_bytes(uri))
    until = datetime.fromisoformat(task.until) if task.until else now - SETTLED
    labelled = _labelled(task, task.labelled, reference, until) if task.labelled is not None else None
    served, findings = _served(task, task.served, reference, until) if task.served is not None else (None, [])
    return EvaluateResult(labelled=labelled, served=served), findings


def _served(
    task: EvaluateTask, asked: ServedWindows, reference: Reference, until: datetime
) -> tuple[ServedResult, JsonList]:
    found = served_windows(task, asked.first, reference, until)
    windows, findings = [], []
    for window in found.windows:
        seen = column_signals.Window(window.features, window.predictions, task.windows.seconds)
        said = [column_signals.said(signal, seen, reference, asked.dropped) for signal in asked.signals]
        findings += [
            {"window": window.index, "signal": told.result.name, "columns": told.findings.as_json()}
            for told in said
            if told.findings is not None
        ]
        windows.append(
            WindowResult(
                index=window.index,
                first=window.first.isoformat(),
                last=window.last.isoformat(),
                rows=window.rows,
                signals=tuple(told.result for told in said),
            )
        )
    failures = [signal.failure for window in windows for signal in window.signals]
    if failures and task.labelled is None and all(failures) and failures[0] is not None:
        raise bad_configuration(failures[0].reason, failures[0].message)
    size = task.windows.rows or 0
    rows = (asked.first + len(windows)) * size + found.left
    return ServedResult(windows=tuple(windows), rows=rows, more=found.more), findings


def _labelled(task: EvaluateTask, asked: LabelledWindows, reference: Reference, until: datetime) -> LabelledResult:
    cut, ends = Cut.of(task), WindowEnds.read(task)
    closed = asked.first * (cut.rows or 0)
    after = ends.after(closed) if cut.rows is not None else cut.begins(asked.first)
    found = arrivals(task, closed, reference, until, after)
    measured = _measured(asked.signals, reference, found.rows)
    spans = cut.spans(found.rows, asked.first, labels_until(task.labels, until))
    told = spans[:MOST_WINDOWS]
    received = found.rows.column(capture.RECEIVED)
    windows = [window(measured, received, span, asked.first + at, cut) for at, span in enumerate(told)]
    if cut.rows is not None:
        ends.write({closed + span.stop: key_of(found.rows, span.stop - 1) for span in told})
    apart = {key.column: grouping for key, grouping in measured.groupings.items()}.values()
    return LabelledResult(
        windows=tuple(windows),
        rows=closed + found.rows.num_rows,
        more=len(spans) > MOST_WINDOWS,
        ungrouped=sum(grouping.ungrouped for grouping in apart),
        misdated=sum(grouping.misdated for grouping in apart),
        waiting=found.waiting,
        unjoined=found.unjoined,
        unreadable=found.unreadable,
        flooded=sum(batch.labels for batch in found.batches if batch.reason is Suspicion.FLOODED),
        uniform=sum(batch.labels for batch in found.batches if batch.reason is Suspicion.UNIFORM),
        antedated=found.antedated,
        corrected=found.corrected,
        coverage=found.coverage,
        batches=newest(found.batches),
    )


@dataclass(frozen=True, slots=True)
class Grouping:
    """The group of each row in order (−1: none, or still open)."""

    groups: NDArray[np.int64]
    ungrouped: int
    misdated: int


@dataclass(frozen=True, slots=True)
class Measured:
    """The rows in order, as the signals see them: the value of each metric, and the groups by each rule. A signal that
    cannot be taken has a failure; it keeps no other from its verdict."""

    signals: tuple[MeasuredMetric, ...]
    values: Mapping[str, NDArray[np.float64]]
    groupings: Mapping[GroupBy, Grouping]
    failures: Mapping[str, Failure]


def _measured(signals: tuple[MeasuredMetric, ...], reference: Reference, rows: pa.Table) -> Measured:
    truth, _ = truth_of(rows.column(reference.table.target.name), reference)
    answers = answers_of(rows, reference)
    values: dict[str, NDArray[np.float64]] = {}
    groupings: dict[GroupBy, Grouping] = {}
    failures: dict[str, Failure] = {}
    for signal in signals:
        failure = _cannot_be_taken(signal, reference, rows)
        if failure is not None:
            failures[signal.name] = failure
            continue
        if signal.metric not in values:
            values[signal.metric] = per_row(signal.metric, truth, answers)
        by = _group_by(signal)
        if by not in groupings:
            groupings[by] = _grouping(rows, by)
    if failures and not values:
        first = next(iter(failures.values()))
        raise bad_configuration(first.reason, first.message)  # no window is used up while nothing can be said of any
    return Measured(signals, values, groupings, failures)


def _group_by(signal: MeasuredMetric) -> GroupBy:
    return signal.group_by or GroupBy(column=capture.RECEIVED, unit="Hour")


def _cannot_be_taken(signal: MeasuredMetric, reference: Reference, rows: pa.Table) -> Failure | None:
    metric, task = METRICS.get(signal.metric), reference.table.target.task
    if metric is None or not metric.per_row or task not in metric.tasks:
        told = f"metric {signal.metric} is not a mean over rows of a {task} model: choose another"
        return Failure(reason="UnknownMetric", message=told)
    column = _group_by(signal).column
    if column not in rows.column_names:
        told = f"groupBy names the column {column}, which the served model's schema does not have"
        return Failure(reason="UnknownColumn", message=told)
    return None


def _grouping(rows: pa.Table, by: GroupBy) -> Grouping:
    found = grouped(rows, by)
    misdated = int(found.misdated.sum())
    groups = _closed(found, rows.column(capture.RECEIVED), by)
    return Grouping(groups, found.names.null_count - misdated, misdated)


def _closed(found: Grouped, received: pa.ChunkedArray, by: GroupBy) -> NDArray[np.int64]:
    """The group of each row as a number, −1 without one and for a group of which more rows may come."""
    encoded = found.names.dictionary_encode()
    groups = np.array(encoded.indices.fill_null(-1), dtype=np.int64)
    groups[~among(found.names, over(tally(found, received), by))] = -1
    return groups


def window(measured: Measured, received: pa.ChunkedArray, span: slice, index: int, cut: Cut) -> WindowResult:
    rows = received.slice(span.start, span.stop - span.start)
    first, last = cut.bounds(index) if cut.rows is None else (pc.min(rows).as_py(), pc.max(rows).as_py())
    return WindowResult(
        index=index,
        first=first.isoformat(),
        last=last.isoformat(),
        rows=len(rows),
        signals=tuple(_signal(measured, signal, span) for signal in measured.signals),
    )


def _signal(measured: Measured, signal: MeasuredMetric, span: slice) -> SignalResult:
    """The metric over the rows of closed groups, with the standard error that these groups allow.

    With fewer than two closed groups there is no standard error, and the value is that of all rows.
    """
    if signal.name in measured.failures:
        return SignalResult(name=signal.name, failure=measured.failures[signal.name])
    if span.start == span.stop:
        return SignalResult(name=signal.name, verdict="NoData", message="no row got its label")
    values, groups = measured.values[signal.metric][span], measured.groupings[_group_by(signal)].groups[span]
    closed = groups >= 0
    found = grouped_mean(values[closed], groups[closed]) if closed.any() else None
    enough = found if found is not None and found.groups > 1 else None
    return SignalResult(
        name=signal.name,
        value=decimal_text(enough.value if enough is not None else float(values.mean())),
        standard_error=decimal_text(enough.standard_error) if enough is not None else None,
        groups=found.groups if found is not None else 0,
        kish=decimal_text(found.kish, 6) if enough is not None and found is not None else None,
    )


if __name__ == "__main__":
    sys.exit(main("evaluate", run))
