"""The labelled rows of one served version in the order in which they became labelled, from where the last window ended.

A window is bounded by keys of rows, never by a count of rows before it: rows that turn out to be unusable, or files that
come late, move no row from one window into another. May know the store, the tables and the task of `evaluate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from bucle.contracts import capture
from bucle.contracts.base import Document
from bucle.contracts.canonical import short_hash
from bucle.contracts.coverage import Coverage
from bucle.contracts.reference import Reference
from bucle.contracts.row_rules import LabelContract
from bucle.contracts.task import EvaluateTask
from bucle.contracts.uncounted import SetAsideBatch
from bucle.podkit import store
from bucle.podkit.capture_join import (
    ANTEDATED,
    CORRECTED,
    UNJOINED,
    Asked,
    FileCache,
    Span,
    feedback_rows,
    newly_labelled_rows,
)
from bucle.podkit.label_pairs import LABELLED, LabelRule
from bucle.podkit.losses import readable, truth_of, usable_feedback
from bucle.podkit.program import ProgramError
from bucle.podkit.quarantine import labels_until

KNOWN = "bucle_known"
"""When a row got a mature label."""
ORDER = (KNOWN, capture.RECEIVED, capture.ID, capture.ROW)
KEPT_ENDS = 200


class RowKey(Document):
    """The place of a row in the order of arrival; times are ISO 8601."""

    known: str
    received: str
    id: str
    row: int

    def sorts_as(self) -> tuple[datetime, datetime, str, int]:
        return datetime.fromisoformat(self.known), datetime.fromisoformat(self.received), self.id, self.row


class WindowEnds(Document):
    """The keys of the last rows of windows that were told, by the number of rows up to there; beside the results."""

    location: str
    ends: dict[int, RowKey] = {}

    @classmethod
    def read(cls, task: EvaluateTask, of: str | None = None) -> WindowEnds:
        """What earlier runs on the same windows told; empty when there was none. `of`: of served rows, say. Raises what
        the store raises."""
        # Without what is set aside: it takes labels out of the order, and moves none in it.
        same = [task.version, task.since, task.windows.rows, of or task.labels.without_quarantine().as_json()]
        uri = store.join(task.result_location, f"ends-{short_hash(same)}.json")
        try:
            return cls.from_json(store.read_bytes(uri))
        except ProgramError as error:
            if error.reason != "SourceMissing":
                raise
        except ValidationError:
            pass  # of another release: windows are counted once, as without it
        return cls(location=uri)

    def after(self, closed: int) -> RowKey | None:
        return self.ends.get(closed)

    def write(self, told: dict[int, RowKey]) -> None:
        if told:
            newest = dict(sorted((self.ends | told).items())[-KEPT_ENDS:])
            whole = self.model_copy(update={"ends": newest})
            store.write_bytes(self.location, whole.canonical().encode("ascii"))


@dataclass(frozen=True, slots=True)
class Arrivals:
    """`rows` in order, with the target as the model spells it. Of the labels that came since: `unjoined` belong to no
    answer; `unreadable` are no label of the model, or belong to an answer that is none of its own; `antedated` say they
    were known before their answer was given; those of `batches` are set aside; `waiting` are not judged yet.
    `corrected`: rows that came before the key, and have another label since."""

    rows: pa.Table
    unjoined: int
    unreadable: int
    antedated: int
    batches: tuple[SetAsideBatch, ...]
    waiting: int
    corrected: int
    coverage: Coverage


def arrivals(
    task: EvaluateTask, closed: int, reference: Reference, until: datetime, after: RowKey | datetime | None
) -> Arrivals:
    """The rows after that key, or that became labelled at that time or later. Without either `closed` rows are skipped:
    the first run after an upgrade has no other mark."""
    cache = FileCache()
    given, until = until, labels_until(task.labels, until)
    waiting = 0 if until == given else feedback_rows(task.location, given, cache, since=until).num_rows
    since = datetime.fromisoformat(task.since)
    start = datetime.fromisoformat(after.known) if isinstance(after, RowKey) else after or since
    target = reference.table.target
    asked = Asked(
        task.location,
        reference.table,
        Span(since, until),
        LabelRule(task.labels, until),
        revision=task.version,
        contract=LabelContract(target.task, reference.classes),
    )
    rows = by_arrival(newly_labelled_rows(asked, start, cache), task.labels.maturity_seconds)
    if isinstance(after, RowKey):
        rows = rows.filter(later_than(rows, after))
    elif after is not None:
        rows = rows.filter(pc.greater_equal(rows.column(KNOWN), pa.scalar(after, rows.column(KNOWN).type)))
    usable = _usable(rows, reference)
    _, bad = usable_feedback(feedback_rows(task.location, until, cache, since=start), reference)
    return Arrivals(
        rows=usable if after is not None else usable.slice(closed),
        unjoined=asked.aside[UNJOINED],
        unreadable=bad.rows + rows.num_rows - usable.num_rows,
        antedated=asked.aside[ANTEDATED],
        batches=tuple(asked.batches),
        waiting=waiting,
        corrected=asked.aside[CORRECTED],
        coverage=asked.covered[0],
    )


def by_arrival(rows: pa.Table, maturity_seconds: int) -> pa.Table:
    """With `bucle_known`, in the order in which rows got a mature label, which later rows only ever continue."""
    mature = pc.add(rows.column(capture.RECEIVED), pa.scalar(timedelta(seconds=maturity_seconds), pa.duration("us")))
    labelled = rows.column(LABELLED)
    known = pc.if_else(pc.greater(mature, labelled), mature, labelled)
    return rows.append_column(KNOWN, known).sort_by([(name, "ascending") for name in ORDER])


def key_of(rows: pa.Table, at: int) -> RowKey:
    known, received, id_, row = (rows.column(name)[at].as_py() for name in ORDER)
    return RowKey(known=known.isoformat(), received=received.isoformat(), id=id_, row=row)


def later_than(rows: pa.Table, key: RowKey) -> pa.Array:
    """Which rows come after the key in the order of arrival."""
    later = pa.array(np.zeros(rows.num_rows, dtype=np.bool_))
    same = pa.array(np.ones(rows.num_rows, dtype=np.bool_))
    for name, value in zip(ORDER, key.sorts_as(), strict=True):
        column = rows.column(name)
        mark = pa.scalar(value, column.type)
        later = pc.or_(later, pc.and_(same, pc.greater(column, mark)))
        same = pc.and_(same, pc.equal(column, mark))
    return later


def _usable(rows: pa.Table, reference: Reference) -> pa.Table:
    """Rows whose answer fits the model."""
    _, usable = truth_of(rows.column(reference.table.target.name), reference)
    return rows.filter(pa.array(usable & readable(rows, reference)))
