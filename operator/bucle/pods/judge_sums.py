"""From served rows, shadow rows and labels to sums per group of each hour, and from these to Evidence. Pure.

May know pyarrow/pandas, numpy and the evidence contract; reads no store and no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts import capture
from bucle.contracts.capture import SETTLED
from bucle.contracts.evidence import ClassSums, Evidence, GroupSums, Query, ReferenceDays
from bucle.contracts.reference import Reference
from bucle.contracts.table import GroupBy
from bucle.contracts.task import Mix
from bucle.contracts.uncounted import Suspicion, newest
from bucle.podkit.frames import ARROW
from bucle.podkit.losses import answers_of, losses, prior_answers, readable, truth_of
from bucle.pods.groups import grouped, over, tally
from bucle.pods.judge_checkpoint import FeedbackHour, HourSums, Tally

MIRROR_START = timedelta(seconds=5)
"""Router pods begin to copy one after the other: what only stable answered until so long after the first copy is no loss."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How pairs are judged: the metric, the groups, how long a label may take, how to read each model's answers, and the mix."""

    metric: str
    group_by: GroupBy | None
    maturity_seconds: int
    stable: Reference
    candidate: Reference
    mix: Mix | None = None

    @property
    def kept_classes(self) -> tuple[str, ...]:
        """True classes whose sums are kept apart: those of a declared mix, or the positive one that tells how hard a day is."""
        if self.mix is None or not self.stable.classes:
            return ()
        positive = self.stable.table.target.positive if self.stable.table.target.task == "Binary" else None
        return (positive,) if self.mix.names_days and positive is not None else self.mix.classes

    @property
    def differs(self) -> str:
        """Why the answers of the two cannot be compared, or empty."""
        return self.candidate.question().unlike(self.stable.question())


@dataclass(frozen=True, slots=True)
class HourRows:
    """An hour of what the store holds: stable rows (all; and those with a label), the shadow's rows of it and, if some
    have their copy there, of the hours beside it; each (id, row) once, in order. `files`, `labels`: hashes of what it is
    made of. `antedated`: labels of its rows that say they were known long before."""

    files: str
    labels: str
    stable: pa.Table
    labelled: pa.Table
    shadow: pa.Table
    dropped: int
    antedated: int = 0


def hour_sums(query: Query, hour: HourRows, rules: Rules, copies_from: str, now: datetime) -> HourSums:
    """What an hour of stable rows adds to the evidence, whatever becomes of its groups. `copies_from`: since when
    missing copies are losses, or empty while nobody knows of a copy."""
    if rules.differs:
        return _counted(hour, now)
    watermark = now - SETTLED
    rows = _usable(hour.labelled, rules.stable)
    shadow = hour.shadow.filter(pa.array(readable(hour.shadow, rules.candidate)))
    partner = partners(rows, shadow)
    first = datetime.fromisoformat(copies_from or query.started_at)
    settled = _between(rows, first + MIRROR_START, watermark)
    missing = (partner < 0) & settled & _sampled(rows, query.sample_percent)
    counted = (partner >= 0) | (missing & (query.percent == 100))
    found = grouped(rows, rules.group_by)
    named = np.asarray(pc.is_valid(found.names))
    used = counted & named
    received = hour.stable.column(capture.RECEIVED)
    seen = tally(grouped(hour.stable, rules.group_by), received)
    return HourSums(
        files=hour.files,
        labels=hour.labels,
        until=now.isoformat(),
        last=_text(pc.max(received)),
        first_copy=_text(pc.min(hour.shadow.column(capture.RECEIVED))),
        copies_from=copies_from,
        requests=len(pc.unique(hour.stable.column(capture.ID))),
        pairs=int((partners(hour.stable, shadow) >= 0).sum()),
        labelled=int((partner >= 0).sum()),
        missing=int(missing.sum()),
        dropped=hour.dropped,
        ungrouped=int((counted & ~named & ~found.misdated).sum()),
        misdated=int((counted & found.misdated).sum()),
        unreadable=hour.labelled.num_rows - rows.num_rows + hour.shadow.num_rows - shadow.num_rows,
        antedated=hour.antedated,
        groups=_sums(
            _Paired(rows.filter(pa.array(used)), shadow, partner[used]), found.names.filter(pa.array(used)), rules
        ),
        seen=tuple(Tally.model_validate(line) for line in seen.to_dict("records")),
    )


def _counted(hour: HourRows, now: datetime) -> HourSums:
    """Of two models that answer different questions nothing is paired."""
    requests = len(pc.unique(hour.stable.column(capture.ID)))
    return HourSums(
        files=hour.files, labels=hour.labels, until=now.isoformat(), requests=requests, dropped=hour.dropped
    )


def evidence_of(
    query: Query,
    rules: Rules,
    hours: Sequence[HourSums],
    labels: Sequence[FeedbackHour],
    now: datetime,
    reference: ReferenceDays | None = None,
) -> Evidence:
    """Cumulative sums over the closed groups. Zero counts while there is nothing to pair."""
    watermark = now - SETTLED
    sums = _together([group for hour in hours for group in hour.groups])
    closed = set(closed_groups([line for hour in hours for line in hour.seen], rules, watermark))
    aside = [batch for hour in labels for batch in hour.batches]
    return Evidence(
        query=query,
        metric=rules.metric,
        watermark=watermark.isoformat(),
        requests=sum(hour.requests for hour in hours),
        pairs=sum(hour.pairs for hour in hours),
        labelled=sum(hour.labelled for hour in hours),
        missing=sum(hour.missing for hour in hours),
        dropped=sum(hour.dropped for hour in hours),
        open_rows=sum(group.n for group in sums if group.group not in closed),
        ungrouped=sum(hour.ungrouped for hour in hours),
        misdated=sum(hour.misdated for hour in hours),
        unjoined=sum(hour.unjoined for hour in labels),
        unreadable=sum(hour.unreadable for hour in hours) + sum(hour.unreadable for hour in labels),
        flooded=sum(batch.labels for batch in aside if batch.reason is Suspicion.FLOODED),
        uniform=sum(batch.labels for batch in aside if batch.reason is Suspicion.UNIFORM),
        antedated=sum(hour.antedated for hour in hours),
        batches=newest(aside),
        incompatible=rules.differs,
        groups=tuple(group for group in sums if group.group in closed),
        mix=rules.mix,
        reference=reference,
        classes=rules.stable.classes if rules.mix is not None else (),
    )


def closed_groups(seen: Sequence[Tally], rules: Rules, watermark: datetime) -> list[str]:
    """Groups that are over, and whose labels have had their time to come."""
    mature = (watermark - timedelta(seconds=rules.maturity_seconds)).timestamp() * 1e6
    frame = pd.DataFrame([line.model_dump() for line in seen], columns=list(Tally.model_fields))
    return [group for group, last in over(frame, rules.group_by).items() if last < mature]


def _together(groups: Sequence[GroupSums]) -> list[GroupSums]:
    """The sums of a group in all hours, in the order of the names."""
    added: dict[str, GroupSums] = {}
    for group in groups:
        sums = added.get(group.group)
        added[group.group] = _added(sums, group) if sums else group
    return [added[name] for name in sorted(added)]


def _added(sums: GroupSums, group: GroupSums) -> GroupSums:
    classes = dict(sums.classes)
    for label, more in group.classes.items():
        known = classes.get(label, ClassSums(n=0, x=0.0, p=0.0))
        classes[label] = ClassSums(n=known.n + more.n, x=known.x + more.x, p=known.p + more.p)
    numbers = {name: getattr(sums, name) + getattr(group, name) for name in ("n", "x", "p", "c", "s")}
    return group.model_copy(update={**numbers, "classes": classes})


def _text(scalar: pa.Scalar) -> str:
    time = scalar.as_py()
    return "" if time is None else str(time.isoformat())


@dataclass(frozen=True, slots=True)
class _Paired:
    """Labelled stable rows and, per row, the position of the shadow's answer (−1: charged as missing)."""

    rows: pa.Table
    shadow: pa.Table
    partner: NDArray[np.int64]


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
    named = groups.to_pandas().to_numpy()
    classes = _of_classes(frame, named, rows.column(ours.table.target.name), rules.kept_classes)
    return tuple(
        GroupSums(
            group=str(group),
            n=int(row.n),
            x=float(row.x),
            p=float(row.p),
            c=float(row.c),
            s=float(row.s),
            classes=classes.get(str(group), {}),
        )
        for group, row in frame.groupby(named).sum().iterrows()
    )


def _of_classes(
    frame: pd.DataFrame, groups: NDArray[np.object_], truth: pa.ChunkedArray, labels: Sequence[str]
) -> dict[str, dict[str, ClassSums]]:
    """By group and true class; a class that no row of a group has is left out there."""
    found: dict[str, dict[str, ClassSums]] = {}
    for label in labels:
        mine = np.asarray(pc.equal(truth, label))
        for group, row in frame[mine].groupby(groups[mine]).sum().iterrows():
            sums = ClassSums(n=int(row.n), x=float(row.x), p=float(row.p))
            found.setdefault(str(group), {})[label] = sums
    return found


def _usable(labelled: pa.Table, reference: Reference) -> pa.Table:
    """Rows whose label is one of the model's classes (or a number) and whose answer fits the model."""
    _, usable = truth_of(labelled.column(reference.table.target.name), reference)
    return labelled.filter(pa.array(usable & readable(labelled, reference)))


def _keys(table: pa.Table) -> pd.DataFrame:
    ids, rows = table.column(capture.ID).to_pandas(), table.column(capture.ROW).to_pandas()
    return pd.DataFrame({"id": ids, "row": rows.astype("int64")})


def partners(rows: pa.Table, shadow: pa.Table) -> NDArray[np.int64]:
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
