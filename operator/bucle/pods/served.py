"""The rows that one served version answered callers with, in the order of receipt, cut into windows and sketched as they
are read: memory is that of one hour, whatever the length of a window.

May know the store, captured files, sketches and the task of `evaluate`. As for labelled rows, a window of so many rows
begins after the key of the last row of the one before: a file that comes late moves no row of a window that was judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from bucle.contracts import capture
from bucle.contracts.reference import Reference
from bucle.contracts.sketch import WindowSketch
from bucle.contracts.task import EvaluateTask
from bucle.podkit.capture_join import ANSWERED, FileCache, Span, in_order, rows_in
from bucle.podkit.capture_listing import capture_files, hour_of_file, until_whole
from bucle.podkit.sketches import Sketcher, predicted
from bucle.pods.arrivals import KNOWN, RowKey, WindowEnds, key_of, later_than
from bucle.pods.window_bounds import MOST_WINDOWS, Cut

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ServedWindow:
    """`first` and `last`: of its rows, or where a window of time begins and ends."""

    index: int
    first: datetime
    last: datetime
    rows: int
    features: WindowSketch
    predictions: WindowSketch


@dataclass(frozen=True, slots=True)
class Served:
    """`left`: rows after the last full window."""

    windows: tuple[ServedWindow, ...]
    left: int
    more: bool


class _Filling:
    """The window that rows are being put into."""

    def __init__(self, features: Sketcher, predictions: Sketcher) -> None:
        self._features, self._predictions = features, predictions
        self.rows = 0
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.key: RowKey | None = None
        self.sketches = (features.empty(), predictions.empty())

    def put(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        received = rows.column(capture.RECEIVED)
        self.first = self.first or received[0].as_py()
        self.last, self.rows = received[-1].as_py(), self.rows + rows.num_rows
        self.key = key_of(rows, rows.num_rows - 1)
        features, predictions = self.sketches
        self.sketches = (
            features.and_then(self._features.sketch(rows)),
            predictions.and_then(self._predictions.sketch(predicted(rows))),
        )

    def closed(self, index: int, cut: Cut) -> ServedWindow:
        begins, ends = cut.bounds(index) if cut.seconds is not None else (self.first, self.last)
        assert begins is not None and ends is not None, "a window of rows has rows"
        return ServedWindow(index, begins, ends, self.rows, *self.sketches)


class _Cutter:
    """Puts rows that come in order into windows."""

    def __init__(self, cut: Cut, first: int, reference: Reference) -> None:
        self._cut, self._first = cut, first
        self._sketchers = Sketcher.of_features(reference), Sketcher.of_predictions(reference)
        self._filling = _Filling(*self._sketchers)
        self.windows: list[ServedWindow] = []
        self.ends: dict[int, RowKey] = {}

    @property
    def enough(self) -> bool:
        return len(self.windows) == MOST_WINDOWS

    @property
    def left(self) -> int:
        return self._filling.rows

    def take(self, rows: pa.Table | None, read_until: datetime) -> None:
        """The next rows; with them all are known up to that time."""
        at = 0
        while not self.enough:
            index = self._first + len(self.windows)
            if rows is not None:
                count = self._cut.belonging(rows.slice(at), index, self._filling.rows)
                self._filling.put(rows.slice(at, count))
                at += count
            if not self._cut.is_full(index, self._filling.rows, read_until):
                return
            self.windows.append(self._filling.closed(index, self._cut))
            if self._filling.key is not None:
                self.ends[index + 1] = self._filling.key
            self._filling = _Filling(*self._sketchers)


def served_windows(task: EvaluateTask, first: int, reference: Reference, until: datetime) -> Served:
    """The full windows from the one with index `first` on, oldest first, at most 20."""
    cut = Cut.of(task)
    if cut.rows is None:
        since, after, skipped, ends = cut.begins(first), None, 0, None
    else:
        ends = WindowEnds.read(task, "served")
        after = ends.after(first)
        since = datetime.fromisoformat(after.received if after is not None else task.since)
        skipped = 0 if after is not None else first * cut.rows
    cutter = _Cutter(cut, first, reference)
    for rows, read_until in _without_first(skipped, _hours(task, reference, Span(since, until), after)):
        cutter.take(rows, read_until)
        if cutter.enough:
            break
    cutter.take(None, until)
    if ends is not None:
        ends.write(cutter.ends)
    return Served(tuple(cutter.windows), cutter.left, more=cutter.enough)


def _without_first(count: int, hours: Iterable[tuple[pa.Table, datetime]]) -> Iterator[tuple[pa.Table, datetime]]:
    """Without so many rows: those of windows that were told, where no key tells their end."""
    for rows, read_until in hours:
        gone = min(count, rows.num_rows)
        count -= gone
        yield rows.slice(gone), read_until


def _hours(
    task: EvaluateTask, reference: Reference, span: Span, after: RowKey | None
) -> Iterator[tuple[pa.Table, datetime]]:
    """The rows of each hour that has any, in order, with the time up to which all rows were given."""
    cache, revisions = FileCache(), (task.version,)
    by_hour: dict[datetime, list[str]] = {}
    for uri in capture_files(task.location, revisions, span, cache):
        named = hour_of_file(uri)
        if named is not None and named.since is not None:
            by_hour.setdefault(named.since, []).append(uri)
    assert span.before is not None, "a look has an end"
    for hour in sorted(by_hour):
        rows = until_whole(cache, lambda hour=hour: _rows(task, reference, hour, by_hour, span, cache))  # type: ignore[misc]
        cache.forget(0)
        rows = rows.append_column(KNOWN, rows.column(capture.RECEIVED))
        yield rows if after is None else rows.filter(later_than(rows, after)), min(hour + HOUR, span.before)


def _rows(
    task: EvaluateTask,
    reference: Reference,
    hour: datetime,
    by_hour: dict[datetime, list[str]],
    span: Span,
    cache: FileCache,
) -> pa.Table:
    """The rows of one hour, without columns that none of its files has; listed again where files were merged meanwhile."""
    listed = by_hour.pop(hour, None)
    uris = capture_files(task.location, (task.version,), Span(hour, hour + HOUR), cache) if listed is None else listed
    rows = rows_in(uris, reference.table, span, cache)
    answered = rows.filter(pc.is_in(rows.column(capture.ROLE), pa.array(ANSWERED)))
    there = {name for found in cache.read(uris) for name in found.column_names}
    missing = [column.name for column in reference.table.columns if column.name not in there]
    return in_order(answered).drop_columns(missing)
