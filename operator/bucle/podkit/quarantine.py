"""Labels that are set aside because of what came with them: a flood of one caller, or an hour that says one thing alone.

Pure, for typed tables of feedback. What is judged is a batch: all labels of one source in one hour (UTC) of receipt,
and only hours that are over, so that what is said of a batch does not change. A person states the limits
(`contracts.table.Quarantine`); without one nothing is set aside.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from bucle.contracts import capture
from bucle.contracts.table import Batch, Labels, Quarantine
from bucle.contracts.uncounted import SetAsideBatch, Suspicion

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Judged:
    """`believed`: the other labels, in their order. `batches`: those set aside, by hour and source."""

    believed: pa.Table
    batches: tuple[SetAsideBatch, ...] = ()

    def counts(self) -> Counter[Suspicion]:
        found: Counter[Suspicion] = Counter()
        for batch in self.batches:
            found[batch.reason] += batch.labels
        return found


def labels_until(labels: Labels, before: datetime, settled: timedelta = timedelta()) -> datetime:
    """Up to when labels can be looked at: with limits on batches, to the end of the last hour that is over, and so long
    ago that all of it is written."""
    judged = labels.quarantine is not None and labels.quarantine.judges_batches
    return hour_of(before - settled) if judged else before


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def judged(feedback: pa.Table, rules: Quarantine | None) -> Judged:
    """`feedback`: all labels of whole hours, those that are no labels left out, each spelt as the model's class."""
    if rules is None or not rules.judges_batches or feedback.num_rows == 0:
        return Judged(feedback)
    received = feedback.column(capture.RECEIVED).cast(pa.int64()).to_numpy()
    frame = pd.DataFrame(
        {
            "hour": received // (HOUR // timedelta(microseconds=1)),
            "source": feedback.column(capture.SOURCE).to_pandas().astype(object).fillna(""),
            "label": feedback.column("label").combine_chunks().dictionary_encode().indices.to_numpy(),
        }
    )
    batches = frame.groupby(["hour", "source"], sort=True)["label"].agg(["size", "nunique"])
    found = [
        SetAsideBatch(source=str(source), hour=_text(int(hour)), labels=int(size), reason=reason)
        for (hour, source), size, kinds in zip(batches.index, batches["size"], batches["nunique"], strict=True)
        if (reason := _suspicion(rules, Batch(source=str(source), hour=_text(int(hour))), int(size), int(kinds)))
    ]
    aside = {(batch.hour, batch.source) for batch in found}
    keys = zip(frame["hour"].map(lambda hour: _text(int(hour))), frame["source"], strict=True) if aside else ()
    believed = np.array([key not in aside for key in keys], dtype=np.bool_)
    return Judged(feedback.filter(pa.array(believed)) if aside else feedback, tuple(found))


def _suspicion(rules: Quarantine, batch: Batch, size: int, kinds: int) -> Suspicion | None:
    if batch in rules.allow:
        return None
    if rules.labels_per_hour is not None and size > rules.labels_per_hour:
        return Suspicion.FLOODED
    if rules.same_labels is not None and kinds == 1 and size >= rules.same_labels:
        return Suspicion.UNIFORM
    return None


def _text(hour: int) -> str:
    return (datetime.fromtimestamp(0, UTC) + hour * HOUR).strftime("%Y-%m-%dT%H:00:00Z")
