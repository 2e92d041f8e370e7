"""What the days were like that a declared mix names: read back in time once, then kept in the store beside the evidence.

May know the store and the captured files. One day of receipt is held at a time, whatever the history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from pydantic import ValidationError

from bucle.contracts.evidence import ReferenceDays
from bucle.contracts.row_rules import LabelContract
from bucle.contracts.table import Labels, TableSchema
from bucle.contracts.task import Mix
from bucle.podkit import store
from bucle.podkit.capture_join import Asked, FileCache, Span, labelled_rows_back
from bucle.podkit.capture_listing import first_day
from bucle.podkit.label_pairs import LabelRule
from bucle.podkit.losses import losses, prior_answers, truth_of
from bucle.podkit.program import ProgramError
from bucle.pods.groups import grouped
from bucle.pods.judge_sums import Rules

FARTHEST_BACK = timedelta(days=400)
ASKED_AGAIN = timedelta(minutes=10)
"""While days are missing: labels that come late may bring them."""
DATED_BEFORE = timedelta(days=2)
"""Rows received so long before a day are not of it: what is dated further ahead is a mistake."""
KEPT_BYTES = 64 * 1024 * 1024
NOTHING = {"rows": 0.0, "hardness": 0.0, "positives": 0.0}


@dataclass
class DeclaredDays:
    """The days of `mix` as rows labelled before the step began (`started_at`) tell them; `columns`: of
    captured files; `uri`: where the sums are kept."""

    location: str
    started_at: datetime
    mix: Mix
    rules: Rules
    labels: Labels
    table: TableSchema
    columns: tuple[str, ...] | None
    uri: str
    _found: ReferenceDays | None = None
    _asked: datetime | None = field(default=None)

    def look(self, now: datetime) -> ReferenceDays:
        """The same at every look once all days are found: the question must not move while it is being answered."""
        if self._found is None:
            self._found = _read(self.uri)
        due = self._asked is None or now - self._asked >= ASKED_AGAIN
        if self._found is None or (not self._whole(self._found) and due):
            self._asked = now
            self._found = self._summed(now)
            if self._whole(self._found):
                store.write_bytes(self.uri, self._found.canonical().encode("ascii"))
        return self._found

    def _whole(self, found: ReferenceDays) -> bool:
        return found.rows > 0 and found.days >= self.mix.reference_days

    def _summed(self, now: datetime) -> ReferenceDays:
        days: dict[str, dict[str, float]] = {}
        cache = FileCache(columns=self.columns)
        for span in self._back():
            new = self._day(span, now, cache)
            for name, sums in new.items():
                known = days.get(name, NOTHING)
                days[name] = {key: known[key] + value for key, value in sums.items()}
            wanted = self._wanted(days)
            if new and self.mix.reference_days and len(wanted) == self.mix.reference_days and max(new) < min(wanted):
                break
        return self._told({name: days[name] for name in self._wanted(days)})

    def _wanted(self, days: dict[str, dict[str, float]]) -> list[str]:
        if self.mix.reference_days:
            return sorted(days)[-self.mix.reference_days :]
        return sorted(name for name in days if self.mix.first <= name <= self.mix.last)

    def _back(self) -> Iterator[Span]:
        """Days of receipt before the step, the newest first, as far as anything was captured or could be of the mix."""
        first = first_day(self.location)
        if first is None:
            return
        oldest = max(first, self.started_at - FARTHEST_BACK)
        oldest = max(oldest, _begins(self.mix.first) - DATED_BEFORE)
        end = self.started_at
        while end > oldest:
            yield Span(end - timedelta(days=1), end)
            end -= timedelta(days=1)

    def _day(self, span: Span, now: datetime, cache: FileCache) -> dict[str, dict[str, float]]:
        """Per group of the rows received in the span: how many have a label, and how hard they were."""
        assert span.before is not None
        told_by = span.before + timedelta(seconds=self.labels.maturity_seconds + self.labels.horizon_seconds)
        reference = self.rules.stable
        contract = LabelContract(reference.table.target.task, reference.classes)
        rule = LabelRule(self.labels, min(now, told_by))
        asked = Asked(self.location, self.table, span, rule, contract=contract)
        rows, _ = next(iter(labelled_rows_back(asked, cache)))
        cache.forget(KEPT_BYTES)
        if rows.num_rows == 0:
            return {}
        labels = rows.column(reference.table.target.name)
        truth, usable = truth_of(labels, reference)
        hardness = losses(self.rules.metric, truth, prior_answers(reference, rows.num_rows))
        positive = reference.table.target.positive
        positives = pc.equal(labels, positive) if self._binary else np.zeros(rows.num_rows)
        names = grouped(rows, self.rules.group_by).names.to_pandas()
        frame = pd.DataFrame({"rows": 1.0, "hardness": hardness, "positives": np.asarray(positives, dtype=np.float64)})
        sums = frame[usable].groupby(names[usable]).sum()
        return {str(name): {str(key): float(value) for key, value in row.items()} for name, row in sums.iterrows()}

    @property
    def _binary(self) -> bool:
        return self.rules.stable.table.target.task == "Binary"

    def _told(self, days: dict[str, dict[str, float]]) -> ReferenceDays:
        target = self.rules.stable.table.target
        total = {key: sum(sums[key] for sums in days.values()) for key in NOTHING}
        return ReferenceDays(
            first=min(days, default=""),
            last=max(days, default=""),
            days=len(days),
            rows=round(total["rows"]),
            hardness=total["hardness"],
            positives=round(total["positives"]),
            share_of=f"{target.name}={target.positive}" if self._binary else "",
        )


def _begins(day: str) -> datetime:
    """Of a day that no calendar has, as of none at all, everything may be part."""
    try:
        return datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC) + DATED_BEFORE


def _read(uri: str) -> ReferenceDays | None:
    try:
        return ReferenceDays.from_json(store.read_bytes(uri))
    except ProgramError as error:
        if error.reason != "SourceMissing":
            raise
        return None
    except ValidationError:
        return None
