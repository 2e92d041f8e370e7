"""A judge's memory of one step: hours of rows as sums, made anew only where something of them is new.

May know the store, the captured files and the sums. The checkpoint is a function of the files it names: a judge that
was killed at any moment, or two judges at once, make the same one again from the last that was written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import ValidationError

from bucle.contracts import capture, names
from bucle.contracts.canonical import short_hash
from bucle.contracts.capture import SETTLED
from bucle.contracts.evidence import Evidence, Query
from bucle.contracts.row_rules import CLOCKS_DIFFER
from bucle.contracts.table import Labels, TableSchema
from bucle.podkit import store
from bucle.podkit.capture_join import (
    ANSWERED,
    FileCache,
    Span,
    dropped_in,
    feedback_in,
    in_order,
    rows_in,
)
from bucle.podkit.capture_listing import capture_files, feedback_files, hour_of_file, until_whole
from bucle.podkit.frames import ARROW
from bucle.podkit.label_pairs import LabelRule, with_labels
from bucle.podkit.losses import usable_feedback
from bucle.podkit.program import ProgramError
from bucle.podkit.quarantine import judged, labels_until
from bucle.pods.judge_checkpoint import Checkpoint, FeedbackHour, HourSums
from bucle.pods.judge_mix import DeclaredDays
from bucle.pods.judge_sums import MIRROR_START, HourRows, Rules, evidence_of, hour_sums, partners

log = logging.getLogger("bucle.judge")

BESIDE = timedelta(minutes=1)
"""A copy may look so much younger or older than its original: pods have clocks of their own."""
STILL_COMING = timedelta(hours=2)
"""Labels of the last hours may be there before their rows are: they look for them at each look."""
WRITTEN_EVERY = timedelta(minutes=1)
WRITTEN_HOURS = 50
NO_NAMES = np.array([], dtype=np.uint64)
KEPT_BYTES = 64 * 1024 * 1024
"""What is kept of files between two looks."""


@dataclass(frozen=True, slots=True)
class Hour:
    """The files of one hour, by its start."""

    start: datetime
    end: datetime
    stable: list[str] = field(default_factory=list)
    shadow: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.start.isoformat()

    @property
    def hash(self) -> str:
        return short_hash([sorted(self.stable), sorted(self.shadow)], 16)


@dataclass(frozen=True, slots=True)
class Names:
    """By what labels may name the rows of an hour: eight bytes each."""

    files: str
    ids: NDArray[np.uint64]
    requests: NDArray[np.uint64]


@dataclass
class Ledger:
    """Of one question (`query`, `rules`, `labels`) about the deployment at `location`. `table`: the columns judged by."""

    location: str
    query: Query
    rules: Rules
    labels: Labels
    table: TableSchema
    cache: FileCache
    kept: Checkpoint = field(init=False)
    days: DeclaredDays | None = field(init=False, default=None)
    _names: dict[str, Names] = field(default_factory=dict)
    _written: datetime | None = None

    def __post_init__(self) -> None:
        told = [self.query.as_json(), self.labels.as_json(), self.rules.metric, self.rules.maturity_seconds]
        by = self.rules.group_by
        told += [by.as_json() if by else None, self.rules.stable.as_json(), self.rules.candidate.as_json()]
        mix, begun = self.rules.mix, datetime.fromisoformat(self.query.started_at)
        told += [mix.as_json()] if mix is not None else []
        question = short_hash(told, 16)
        folder = store.join(self.location, "evidence", self.query.rollout)
        self.uri = store.join(folder, f"sums-{question}.json")
        self.kept = _read(self.uri, question)
        if mix is not None and mix.names_days:
            at = store.join(folder, f"days-{question}.json")
            self.days = DeclaredDays(
                self.location, begun, mix, self.rules, self.labels, self.table, self.cache.columns, at
            )

    def look(self, now: datetime) -> Evidence:
        """The evidence up to now. Reads what is new since the last look, here or in a judge before this one."""
        return until_whole(self.cache, lambda: self._look(now))

    def _look(self, now: datetime) -> Evidence:
        span = Span(datetime.fromisoformat(self.query.started_at), now + BESIDE)
        hours, labels = self._captured(span), self._labelled(now)
        told = self._routed(hours, labels, now)
        rows = self._summed(hours, _Labels(told, labels), span, now)
        self._keep(Checkpoint(question=self.kept.question, rows=rows, labels=told), now)
        days = self.days.look(now) if self.days is not None else None
        return evidence_of(self.query, self.rules, list(rows.values()), list(told.values()), now, days)

    def _keep(self, new: Checkpoint, now: datetime) -> None:
        """The hour that is under way changes at each look: it is not worth a write each time."""
        grown = (new.rows.keys(), new.labels.keys()) != (self.kept.rows.keys(), self.kept.labels.keys())
        due = self._written is None or now - self._written >= WRITTEN_EVERY
        if new != self.kept and (grown or due):
            self._write(new)
            self._written = now
        self.kept = new
        oldest = now - timedelta(seconds=self.labels.maturity_seconds + self.labels.horizon_seconds) - STILL_COMING
        self._names = {key: known for key, known in self._names.items() if datetime.fromisoformat(key) >= oldest}
        self.cache.forget(KEPT_BYTES)

    def _write(self, new: Checkpoint) -> None:
        store.write_bytes(self.uri, new.canonical().encode("ascii"))

    # --- files -----------------------------------------------------------------------------------------------

    def _captured(self, span: Span) -> dict[str, Hour]:
        """The hours with captured rows of either version, the oldest first."""
        stable = _by_hour(capture_files(self.location, (self.query.stable,), span, self.cache))
        shadow = _by_hour(capture_files(self.location, (self.query.candidate,), span, self.cache))
        spans = {**{hour.key: hour for hour in stable.values()}, **{hour.key: hour for hour in shadow.values()}}
        return {
            key: Hour(
                hour.start,
                hour.end,
                stable[key].stable if key in stable else [],
                shadow[key].stable if key in shadow else [],
            )
            for key, hour in sorted(spans.items())
        }

    def _labelled(self, now: datetime) -> dict[str, Hour]:
        since = datetime.fromisoformat(self.query.started_at) - CLOCKS_DIFFER
        return _by_hour(feedback_files(self.location, Span(since, labels_until(self.labels, now, SETTLED)), self.cache))

    # --- labels: whose rows they are -------------------------------------------------------------------------

    def _routed(self, hours: Mapping[str, Hour], files: Mapping[str, Hour], now: datetime) -> dict[str, FeedbackHour]:
        since = datetime.fromisoformat(self.query.started_at)
        fresh = [
            hour for key, hour in hours.items() if key not in self.kept.rows or self.kept.rows[key].files != hour.hash
        ]
        told: dict[str, FeedbackHour] = {}
        for key, hour in sorted(files.items()):
            known = self.kept.labels.get(key)
            if known is not None and known.files == hour.hash and not self._may_join_now(known, hour, fresh, now):
                told[key] = known
            else:
                told[key] = self._whose(hour, hours, since, now)
        return told

    def _may_join_now(self, known: FeedbackHour, hour: Hour, fresh: list[Hour], now: datetime) -> bool:
        """Whether labels that belonged to nobody may have got their row: it was written late."""
        if not known.unjoined:
            return False
        recent = now - STILL_COMING
        return any(
            other.start < hour.end + CLOCKS_DIFFER
            and other.end > self._farthest(hour)
            and (hour.end > recent or other.end < recent)
            for other in fresh
        )

    def _farthest(self, hour: Hour) -> datetime:
        return hour.start - timedelta(seconds=self.labels.maturity_seconds + self.labels.horizon_seconds)

    def _whose(self, hour: Hour, hours: Mapping[str, Hour], since: datetime, now: datetime) -> FeedbackHour:
        """Looks from the newest hour back until each label has found its row, at most to the horizon."""
        given = feedback_in(hour.stable, Span(None, now), self.cache)
        found = judged(usable_feedback(given, self.rules.stable)[0], self.labels.quarantine)
        labels = _received_from(found.believed, since - CLOCKS_DIFFER)
        by_id = np.asarray(pc.is_valid(labels.column("id")))
        named = _hashes(pc.coalesce(labels.column("id"), labels.column("request_id")))
        still_open = np.ones(labels.num_rows, dtype=np.bool_)
        mine_are: list[str] = []
        for other in _back(hours, hour.end + CLOCKS_DIFFER, self._farthest(hour)):
            if not still_open.any():
                break
            known = self._ids_of(other)
            mine = np.where(by_id, np.isin(named, known.ids), np.isin(named, known.requests))
            if (mine & still_open).any():
                mine_are.append(other.key)
            still_open &= ~mine
        # What came a little earlier than the rollout may be of an earlier row: nobody misses it.
        begun = pc.greater_equal(labels.column(capture.RECEIVED), pa.scalar(since, ARROW["Timestamp"]))
        _, aside = usable_feedback(_received_from(given, since), self.rules.stable)
        return FeedbackHour(
            files=hour.hash,
            hours=tuple(sorted(mine_are)),
            unjoined=int((still_open & np.asarray(begun)).sum()),
            unreadable=aside.rows,
            batches=found.batches,
        )

    def _ids_of(self, hour: Hour) -> Names:
        """By what labels may name the rows of an hour."""
        files = short_hash(sorted(hour.stable), 16)
        known = self._names.get(hour.key)
        if known is None or known.files != files:
            rows = rows_in(hour.stable, self.table, Span(), self.cache)
            requests = [_hashes(rows.column(name).drop_null()) for name in (capture.ID, capture.REQUEST_ID)]
            column = self.table.with_role("Id") if self.labels.key == "Id" else ()
            ids = _hashes(rows.column(column[0].name).cast(pa.string()).drop_null()) if column else NO_NAMES
            known = Names(files, np.unique(ids), np.unique(np.concatenate(requests)))
            self._names[hour.key] = known
            self.cache.forget(KEPT_BYTES)
        return known

    # --- rows ------------------------------------------------------------------------------------------------

    def _summed(self, hours: Mapping[str, Hour], labels: _Labels, span: Span, now: datetime) -> dict[str, HourSums]:
        rows = {key: self.kept.rows[key] for key in hours if key in self.kept.rows}
        stale = [key for key, hour in hours.items() if not self._stands(rows.get(key), hour, labels.hash_of(key))]
        for count, key in enumerate(stale, start=1):
            rows[key] = self._sums_of(hours[key], hours, labels, span, now, _copies_from(rows))
            self.cache.forget(KEPT_BYTES)
            if count % WRITTEN_HOURS == 0:
                # A first look at weeks takes minutes: whoever is killed in it goes on from here.
                self._write(Checkpoint(question=self.kept.question, rows=rows, labels=dict(labels.told)))
        first = _copies_from(rows)
        for key, sums in list(rows.items()):
            if sums.copies_from != first and _touches(sums, first, hours[key]):
                rows[key] = self._sums_of(hours[key], hours, labels, span, now, first)
        return {key: rows[key] for key in hours}

    def _stands(self, sums: HourSums | None, hour: Hour, labels: str) -> bool:
        """Whether nothing of the hour can be new: no file, no label, and all of its rows are mature and settled."""
        if sums is None or (sums.files, sums.labels) != (hour.hash, labels):
            return False
        last = max(hour.end, datetime.fromisoformat(sums.last)) if sums.last else hour.end
        final = last + timedelta(seconds=self.labels.maturity_seconds) + SETTLED + BESIDE
        return datetime.fromisoformat(sums.until) >= final

    def _sums_of(
        self,
        hour: Hour,
        hours: Mapping[str, Hour],
        labels: _Labels,
        span: Span,
        now: datetime,
        copies_from: str,
    ) -> HourSums:
        stable = rows_in(hour.stable, self.table, span, self.cache)
        stable = in_order(stable.filter(pc.is_in(stable.column(capture.ROLE), pa.array(ANSWERED))))
        shadow = self._copies(hour.shadow, span)
        copies = shadow
        if (partners(stable, shadow) < 0).any():
            beside = [f for other in hours.values() if _beside(other, hour) for f in other.shadow]
            near = self._copies(beside, Span(hour.start - BESIDE, hour.end + BESIDE)) if beside else shadow.slice(0, 0)
            wanted = pc.is_in(near.column(capture.ID), pc.unique(stable.column(capture.ID)))
            copies = in_order(pa.concat_tables([shadow, near.filter(wanted)]))
        given = feedback_in(labels.files_of(hour.key), Span(None, now), self.cache)
        told = judged(usable_feedback(given, self.rules.stable)[0], self.labels.quarantine).believed
        labelled = with_labels(stable, told, LabelRule(self.labels, now), self.table)
        rows = HourRows(
            files=hour.hash,
            labels=labels.hash_of(hour.key),
            stable=stable,
            labelled=labelled.rows,
            antedated=labelled.antedated,
            shadow=copies,
            dropped=dropped_in([*hour.stable, *hour.shadow], self.cache),
        )
        first = pc.min(shadow.column(capture.RECEIVED)).as_py()
        known = min(filter(None, (copies_from, first.isoformat() if first else "")), default="")
        return hour_sums(self.query, rows, self.rules, known, now)

    def _copies(self, files: list[str], span: Span) -> pa.Table:
        rows = rows_in(files, self.table, span, self.cache)
        return in_order(rows.filter(pc.equal(rows.column(capture.ROLE), names.ROLE_SHADOW)))


@dataclass(frozen=True, slots=True)
class _Labels:
    """Whose rows the labels of each hour are, and the files they stand in."""

    told: Mapping[str, FeedbackHour]
    hours: Mapping[str, Hour]

    def hash_of(self, hour: str) -> str:
        mine = [[at, labels.files] for at, labels in sorted(self.told.items()) if hour in labels.hours]
        return short_hash(mine, 16) if mine else ""

    def files_of(self, hour: str) -> list[str]:
        mine = [at for at, labels in sorted(self.told.items()) if hour in labels.hours]
        return [uri for at in mine for uri in self.hours[at].stable]


def _read(uri: str, question: str) -> Checkpoint:
    """What was kept of this question; nothing when there is none, or one of another release."""
    try:
        found = Checkpoint.from_json(store.read_bytes(uri))
    except ProgramError as error:
        if error.reason != "SourceMissing":
            raise
        return Checkpoint(question=question)
    except ValidationError:
        return Checkpoint(question=question)
    return found if found.question == question else Checkpoint(question=question)


def _by_hour(uris: list[str]) -> dict[str, Hour]:
    found: dict[str, Hour] = {}
    for uri in uris:
        span = hour_of_file(uri)
        if span is not None and span.since is not None and span.before is not None:
            hour = found.setdefault(span.since.isoformat(), Hour(span.since, span.before))
            hour.stable.append(uri)
    return found


def _back(hours: Mapping[str, Hour], before: datetime, since: datetime) -> Iterator[Hour]:
    """Hours that may hold rows of that time, the newest first."""
    for hour in reversed(list(hours.values())):
        if hour.start < before and hour.end > since:
            yield hour


def _beside(other: Hour, hour: Hour) -> bool:
    return other.key != hour.key and other.start < hour.end + BESIDE and other.end > hour.start - BESIDE


def _copies_from(rows: Mapping[str, HourSums]) -> str:
    """The receipt of the first copied answer that is known, or empty."""
    return min((sums.first_copy for sums in rows.values() if sums.first_copy), default="")


def _touches(sums: HourSums, first: str, hour: Hour) -> bool:
    """Whether rows of the hour were told as missing, or not, by another first copy than is known now."""
    edges = [datetime.fromisoformat(time) for time in (sums.copies_from, first) if time]
    return hour.start < max(edges, default=datetime.max.replace(tzinfo=UTC)) + MIRROR_START


def _received_from(labels: pa.Table, since: datetime) -> pa.Table:
    return labels.filter(pc.greater_equal(labels.column(capture.RECEIVED), pa.scalar(since, ARROW["Timestamp"])))


def _hashes(values: pa.ChunkedArray) -> NDArray[np.uint64]:
    texts = values.to_pandas().astype(object).to_numpy()
    return np.asarray(pd.util.hash_array(texts), dtype=np.uint64)
