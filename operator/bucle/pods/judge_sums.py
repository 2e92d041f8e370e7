"""From served rows, shadow rows and labels to cumulative sums per closed group. Pure: tables in, Evidence out.

May know pyarrow/pandas, numpy and the evidence contract; reads no store and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts import capture
from bucle.contracts.capture import ROLL_SECONDS
from bucle.contracts.evidence import Evidence, GroupSums, Query
from bucle.contracts.reference import Reference
from bucle.contracts.table import GroupBy, TableSchema
from bucle.podkit.frames import ARROW
from bucle.podkit.losses import answers_of, losses, prior_answers, readable, truth_of
from bucle.pods.groups import among, grouped, over, tally

SETTLED = timedelta(seconds=2 * ROLL_SECONDS)
"""What was received longer ago has been written by every server that could write."""

MIRROR_START = timedelta(seconds=5)
"""Router pods begin to copy one after the other: what only stable answered until so long after the first copy is no loss."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How pairs are judged: the metric, the groups, how long a label may take, and how to read each model's answers."""

    metric: str
    group_by: GroupBy | None
    maturity_seconds: int
    stable: Reference
    candidate: Reference


@dataclass(frozen=True, slots=True)
class Seen:
    """What the store holds: stable rows (all; and those with a label), shadow rows, each (id, row) once, in order.

    Of the labels received since the rollout began: how many belong to no stable row, and how many are none.
    """

    stable: pa.Table
    labelled: pa.Table
    shadow: pa.Table
    dropped: int
    unjoined: int = 0
    bad_labels: int = 0


def evidence_of(query: Query, seen: Seen, rules: Rules, now: datetime) -> Evidence:
    """Cumulative sums over the closed groups. Zero counts while there is nothing to pair."""
    watermark = now - SETTLED
    differs = rules.candidate.question().unlike(rules.stable.question())
    if seen.stable.num_rows == 0 or differs:
        return _nothing(query, rules, seen, watermark, differs)
    rows = _usable(seen.labelled, rules.stable)
    shadow = seen.shadow.filter(pa.array(readable(seen.shadow, rules.candidate)))
    partner = _partners(rows, shadow)
    first = pc.min(seen.shadow.column(capture.RECEIVED)).as_py() or datetime.fromisoformat(query.started_at)
    settled = _between(rows, first + MIRROR_START, watermark)
    missing = (partner < 0) & settled & _sampled(rows, query.sample_percent)
    counted = (partner >= 0) | (missing & (query.percent == 100))
    found = grouped(rows, rules.group_by)
    named = np.asarray(pc.is_valid(found.names))
    closed = among(found.names, closed_groups(seen.stable, rules, watermark))
    used = counted & named & closed
    return Evidence(
        query=query,
        metric=rules.metric,
        watermark=watermark.isoformat(),
        requests=len(pc.unique(seen.stable.column(capture.ID))),
        pairs=int((_partners(seen.stable, shadow) >= 0).sum()),
        labelled=int((partner >= 0).sum()),
        missing=int(missing.sum()),
        dropped=seen.dropped,
        open_rows=int((counted & named & ~closed).sum()),
        ungrouped=int((counted & ~named & ~found.misdated).sum()),
        misdated=int((counted & found.misdated).sum()),
        unjoined=seen.unjoined,
        unreadable=seen.bad_labels + seen.labelled.num_rows - rows.num_rows + seen.shadow.num_rows - shadow.num_rows,
        groups=_sums(_taken(rows, shadow, partner, used), found.names.filter(pa.array(used)), rules),
    )


def closed_groups(stable: pa.Table, rules: Rules, watermark: datetime) -> list[str]:
    """Groups that are over, and whose labels have had their time to come."""
    seen = tally(grouped(stable, rules.group_by), stable.column(capture.RECEIVED))
    mature = (watermark - timedelta(seconds=rules.maturity_seconds)).timestamp() * 1e6
    return [group for group, last in over(seen, rules.group_by).items() if last < mature]


@dataclass(frozen=True, slots=True)
class _Paired:
    """Labelled stable rows and, per row, the position of the shadow's answer (−1: charged as missing)."""

    rows: pa.Table
    shadow: pa.Table
    partner: NDArray[np.int64]


def _taken(rows: pa.Table, shadow: pa.Table, partner: NDArray[np.int64], used: NDArray[np.bool_]) -> _Paired:
    return _Paired(rows.filter(pa.array(used)), shadow, partner[used])


def _sums(paired: _Paired, groups: pa.Array, rules: Rules) -> tuple[GroupSums, ...]:
    ours, theirs, rows, partner = rules.stable, rules.candidate, paired.rows, paired.partner
    if rows.num_rows == 0:
        return ()
    truth, _ = truth_of(rows.column(ours.table.target.name), ours)
    stable = losses(rules.metric, truth, answers_of(rows, ours))
    prior = losses(rules.metric, truth, prior_answers(ours, rows.num_rows))
    candidate = prior.copy()
    there = partner >= 0
    if there.any():
        answered = answers_of(paired.shadow.take(pa.array(partner[there])), theirs)
        answered = answered.by_classes(theirs.classes, ours.classes)
        candidate[there] = losses(rules.metric, truth[there], answered)
    frame = pd.DataFrame({"n": 1, "x": candidate - stable, "p": candidate - prior, "c": candidate, "s": stable})
    sums = frame.groupby(groups.to_pandas().to_numpy()).sum()
    return tuple(
        GroupSums(group=str(group), n=int(row.n), x=float(row.x), p=float(row.p), c=float(row.c), s=float(row.s))
        for group, row in sums.iterrows()
    )


def _usable(labelled: pa.Table, reference: Reference) -> pa.Table:
    """Rows whose label is one of the model's classes (or a number) and whose answer fits the model."""
    _, usable = truth_of(labelled.column(reference.table.target.name), reference)
    return labelled.filter(pa.array(usable & readable(labelled, reference)))


def unjoined(served: pa.Table, feedback: pa.Table, table: TableSchema) -> int:
    """Labels of `feedback` that belong to no row of `served`, whatever they say."""
    ids = table.with_role("Id")
    known = served.column(ids[0].name).cast(pa.string()).combine_chunks() if ids else pa.array([], pa.string())
    requests = [served.column(name).combine_chunks() for name in (capture.ID, capture.REQUEST_ID)]
    found = pc.if_else(
        pc.is_valid(feedback.column("id")),
        pc.is_in(feedback.column("id"), known),
        pc.is_in(feedback.column("request_id"), pa.concat_arrays(requests)),
    )
    return int(feedback.num_rows - (pc.sum(found).as_py() or 0))


def _keys(table: pa.Table) -> pd.DataFrame:
    ids, rows = table.column(capture.ID).to_pandas(), table.column(capture.ROW).to_pandas()
    return pd.DataFrame({"id": ids, "row": rows.astype("int64")})


def _partners(rows: pa.Table, shadow: pa.Table) -> NDArray[np.int64]:
    """Per row the position of the shadow row with the same (id, row), −1 without one."""
    theirs = _keys(shadow).assign(at=np.arange(shadow.num_rows, dtype=np.int64))
    merged = _keys(rows).merge(theirs, on=["id", "row"], how="left")
    return np.asarray(merged["at"].fillna(-1).to_numpy(), dtype=np.int64)


def _sampled(rows: pa.Table, percent: int) -> NDArray[np.bool_]:
    """Rows whose answer the candidate would have kept."""
    if percent >= 100:
        return np.ones(rows.num_rows, dtype=np.bool_)
    ids = rows.column(capture.ID).to_pylist()
    return np.fromiter((capture.in_sample(id_, percent) for id_ in ids), dtype=np.bool_, count=len(ids))


def _between(rows: pa.Table, since: datetime, before: datetime) -> NDArray[np.bool_]:
    received = rows.column(capture.RECEIVED)
    low, high = pa.scalar(since, ARROW["Timestamp"]), pa.scalar(before, ARROW["Timestamp"])
    return np.asarray(pc.and_(pc.greater_equal(received, low), pc.less(received, high)))


def _nothing(query: Query, rules: Rules, seen: Seen, watermark: datetime, differs: str) -> Evidence:
    return Evidence(
        query=query,
        metric=rules.metric,
        watermark=watermark.isoformat(),
        requests=len(pc.unique(seen.stable.column(capture.ID))),
        pairs=0,
        labelled=0,
        missing=0,
        dropped=seen.dropped,
        open_rows=0,
        ungrouped=0,
        unjoined=seen.unjoined,
        unreadable=seen.bad_labels,
        incompatible=differs,
        groups=(),
    )
