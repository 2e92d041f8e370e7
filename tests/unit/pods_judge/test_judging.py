"""Cumulative evidence: which rows are paired, charged, counted, and in which groups; the judge and evaluate on a store."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import log
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.asgi import call
from tests.fakes.small_model import TABLE, reference

from bucle.contracts import capture
from bucle.contracts.evidence import Evidence, Query
from bucle.contracts.table import GroupBy, Labels
from bucle.contracts.task import EvaluateTask, JudgeTask, Windows
from bucle.podkit import store
from bucle.podkit.capture_files import Captured, capture_table, capture_uri, feedback_table, feedback_uri, hour_of
from bucle.podkit.program import ProgramError
from bucle.pods.evaluate import evaluate
from bucle.pods.judge import Judge, application

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
BY_DAY = GroupBy(column="time_hour", unit="Day", time_zone="America/New_York")
PRIOR_LOSS = {"1": -log(0.25), "0": -log(0.75)}


@dataclass
class Traffic:
    """One request per row, one second apart, written at once: (day, score of the stable, of the shadow, label)."""

    location: str
    revision: str = "old"
    captured: list[Captured] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0

    def row(self, day: int | None, stable: float, shadow: float | None, label: str | None) -> Traffic:
        self.seconds += 1
        id_ = f"u{len(self.captured):05d}"
        self.captured.append(self._answer(id_, day, stable, "stable", self.revision))
        if shadow is not None:
            self.captured.append(self._answer(id_, day, shadow, "shadow", "new"))
        if label is not None:
            received = START + timedelta(seconds=self.seconds)
            self.labels.append(
                {
                    "id": id_,
                    "request_id": None,
                    "row": 0,
                    "label": label,
                    "label_time": None,
                    "bucle_received": received,
                }
            )
        return self

    def _answer(self, id_: str, day: int | None, score: float, role: str, revision: str) -> Captured:
        return Captured(
            id=id_,
            request_id=None,
            received=START + timedelta(seconds=self.seconds),
            role=role,
            revision=revision,
            latency_ms=1.0,
            rows=1,
            columns={"flight_id": [id_], "time_hour": [None if day is None else f"2013-07-{day:02d}T12:00:00Z"]},
            labels=["1" if score >= 0.5 else "0"],
            scores=[[1 - score, score]],
        )

    def written(self) -> Traffic:
        store.write_bytes(capture.reference_path(self.location, self.revision), reference().canonical().encode())
        for revision in {entry.revision for entry in self.captured}:
            mine = [entry for entry in self.captured if entry.revision == revision]
            uri = capture_uri(self.location, revision, hour_of(mine[0]), f"pod-{len(mine):06d}")
            store.write_bytes(uri, store.parquet_bytes(capture_table(mine, TABLE.columns)))
        if self.labels:
            uri = feedback_uri(self.location, START, f"pod-{len(self.labels):06d}")
            store.write_bytes(uri, store.parquet_bytes(feedback_table(self.labels)))
        return self

    def evidence(self, *, after: float = 3600, **more: Any) -> Evidence:
        judge = Judge(JudgeTask(name="flights", location=self.location, metric="log_loss", group_by=BY_DAY, **more))
        return judge.compute(QUERY, START + timedelta(seconds=self.seconds + after))


QUERY = Query(rollout="ro1", step=0, started_at=START.isoformat(), stable="old", candidate="new")


@pytest.fixture
def traffic(tmp_path: Path) -> Traffic:
    return Traffic(f"file://{tmp_path}")


def test_nothing_yet_is_zero_and_no_error(traffic: Traffic) -> None:
    traffic.written()
    found = traffic.evidence()
    assert (found.requests, found.pairs, found.labelled, found.missing, found.groups) == (0, 0, 0, 0, ())
    assert found.query == QUERY


def test_sums_of_a_closed_group_are_those_of_its_labelled_pairs(traffic: Traffic) -> None:
    traffic.row(1, 0.5, 0.8, "1").row(1, 0.5, 0.2, "0").row(1, 0.9, 0.9, None).row(2, 0.5, 0.5, "1").written()
    found = traffic.evidence()
    (group,) = found.groups
    candidate, stable = -2 * log(0.8), -2 * log(0.5)
    assert (group.group, group.n) == ("2013-07-01", 2)
    assert group.c == pytest.approx(candidate)
    assert group.s == pytest.approx(stable)
    assert group.x == pytest.approx(candidate - stable)
    assert group.p == pytest.approx(candidate - PRIOR_LOSS["1"] - PRIOR_LOSS["0"])
    assert (found.requests, found.pairs, found.labelled, found.open_rows) == (4, 4, 3, 1)


def test_a_missing_answer_is_charged_what_the_constant_predictor_loses(traffic: Traffic) -> None:
    traffic.row(1, 0.9, 0.9, "1")
    traffic.seconds += 10
    traffic.row(1, 0.9, None, "1").row(2, 0.9, 0.9, "1").written()
    found = traffic.evidence()
    (group,) = found.groups
    assert (found.missing, group.n) == (1, 2)
    assert group.c == pytest.approx(-log(0.9) + PRIOR_LOSS["1"])
    assert group.x == pytest.approx(PRIOR_LOSS["1"] + log(0.9))


def test_rows_answered_before_copies_began_are_no_loss(traffic: Traffic) -> None:
    traffic.row(1, 0.9, None, "1").row(1, 0.9, 0.9, "1").row(1, 0.9, None, "1").row(2, 0.9, 0.9, "1").written()
    found = traffic.evidence()
    assert (found.missing, [group.n for group in found.groups]) == (0, [1])


def test_an_answer_that_may_still_be_written_is_not_missing_yet(traffic: Traffic) -> None:
    traffic.row(1, 0.9, 0.9, "1")
    traffic.seconds += 10
    traffic.row(1, 0.9, None, "1").written()
    assert traffic.evidence(after=5).missing == 0
    assert traffic.evidence(after=11).missing == 1


def test_of_a_part_of_the_requests_missing_copies_cannot_be_told_from_those_never_made(traffic: Traffic) -> None:
    traffic.row(1, 0.9, 0.9, "1")
    traffic.seconds += 10
    traffic.row(1, 0.9, None, "1").row(2, 0.9, 0.9, "1").written()
    judge = Judge(JudgeTask(name="flights", location=traffic.location, metric="log_loss", group_by=BY_DAY))
    found = judge.compute(QUERY.model_copy(update={"percent": 50}), START + timedelta(hours=1))
    assert (found.missing, [group.n for group in found.groups]) == (1, [1])


def test_an_answer_outside_of_the_candidates_sample_is_not_missing(traffic: Traffic) -> None:
    """An edited `capture.samplePercent` makes a new revision, which is judged like any other."""
    traffic.row(1, 0.9, 0.9, "1")
    traffic.seconds += 10
    for _ in range(40):
        traffic.row(1, 0.9, None, "1")
    traffic.row(2, 0.9, 0.9, "1").written()
    judge = Judge(JudgeTask(name="flights", location=traffic.location, metric="log_loss", group_by=BY_DAY))
    found = judge.compute(QUERY.model_copy(update={"sample_percent": 25}), START + timedelta(hours=1))
    kept = sum(capture.in_sample(f"u{n:05d}", 25) for n in range(2, 42))
    assert 0 < kept < 40
    assert (found.missing, [group.n for group in found.groups]) == (kept, [kept + 1])


def test_a_candidate_that_answers_nothing_at_all_is_charged_for_every_row(traffic: Traffic) -> None:
    traffic.seconds += 10
    traffic.row(1, 0.9, None, "1").row(1, 0.9, None, "0").row(2, 0.9, None, "1").written()
    found = traffic.evidence()
    (group,) = found.groups
    assert (found.pairs, found.missing, group.n) == (0, 3, 2)
    assert group.p == pytest.approx(0.0) and group.c == pytest.approx(PRIOR_LOSS["1"] + PRIOR_LOSS["0"])


@pytest.mark.parametrize(("maturity", "after", "closed"), [(0, 5, 0), (0, 30, 1), (100, 30, 0), (100, 130, 1)])
def test_a_group_is_closed_when_a_later_one_was_seen_and_its_labels_had_their_time(
    traffic: Traffic, maturity: int, after: float, closed: int
) -> None:
    traffic.row(1, 0.9, 0.9, "1").row(2, 0.9, 0.9, "1").written()
    assert len(traffic.evidence(after=after, labels=Labels(maturity_seconds=maturity)).groups) == closed


def test_rows_without_a_group_and_labels_of_no_class_are_left_out(traffic: Traffic) -> None:
    traffic.row(1, 0.9, 0.9, "1").row(None, 0.9, 0.9, "1").row(1, 0.9, 0.9, "unheard of").row(
        2, 0.9, 0.9, "1"
    ).written()
    found = traffic.evidence()
    assert (found.ungrouped, found.labelled, [group.n for group in found.groups]) == (1, 3, [1])


def test_the_newest_evidence_is_kept_beside_the_rows(traffic: Traffic) -> None:
    traffic.row(1, 0.9, 0.9, "1").row(2, 0.9, 0.9, "1").written()
    found = traffic.evidence()
    assert Evidence.from_json(store.read_bytes(f"{traffic.location}/evidence/ro1.json")) == found


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.sampled_from("01")), max_size=20
    )
)
def test_equal_answers_differ_by_nothing_and_every_pair_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, float, float, str]]
) -> None:
    traffic = Traffic(f"file://{tmp_path_factory.mktemp('t')}")
    for day, stable, _, label in rows:
        traffic.row(day, stable, stable, label)
    found = traffic.written().evidence()
    assert all(group.x == pytest.approx(0) for group in found.groups)
    assert sum(group.n for group in found.groups) + found.open_rows == len(rows) == found.labelled


async def test_http_answers_evidence_or_says_why_not(traffic: Traffic, tmp_path: Path) -> None:
    traffic.row(1, 0.9, 0.9, "1").row(2, 0.9, 0.9, "1").written()
    task = JudgeTask(name="flights", location=traffic.location, metric="log_loss", group_by=BY_DAY)
    app = application(Judge(task))
    asked = "/evidence?" + urlencode(QUERY.model_dump())
    assert [(await call(app, "GET", path)).status for path in ("/ready", "/healthz", "/evidence")] == [200, 200, 400]
    answer = await call(app, "GET", asked)
    assert answer.status == 200
    assert Evidence.model_validate(answer.json()).query == QUERY
    (tmp_path / "references" / "old.json").unlink()
    again = await call(app, "GET", asked.replace("ro1", "ro2"))
    assert again.status == 200, "a reference that was read once is kept"
    fresh = await call(application(Judge(task)), "GET", asked)
    assert fresh.status == 503
    assert "SourceMissing" in fresh.json()["error"]


# --- evaluate ------------------------------------------------------------------------------------------------


def evaluation(traffic: Traffic, rows: int, closed: int = 0, **more: Any) -> Any:
    task = EvaluateTask(
        name="p",
        location=traffic.location,
        version="old",
        closed=closed,
        windows=Windows(rows=rows),
        metric="log_loss",
        result_location=f"{traffic.location}/policies",
        **{"group_by": BY_DAY, "since": START.isoformat(), "until": ""} | more,
    )
    return evaluate(task, START + timedelta(seconds=traffic.seconds + 60))


def test_windows_are_the_next_so_many_labelled_rows_and_only_full_ones_close(traffic: Traffic) -> None:
    for n in range(11):
        traffic.row(1 + n // 2, 0.5 if n < 4 else 0.8, None, None if n == 3 else "1")
    traffic.written()
    found = evaluation(traffic, 4)
    assert (found.labelled, [w.index for w in found.windows], [w.rows for w in found.windows]) == (10, [0, 1], [4, 4])
    first, second = found.windows
    assert float(first.value) == pytest.approx((3 * -log(0.5) - log(0.8)) / 4)
    assert float(second.value) == pytest.approx(-log(0.8))
    assert float(second.standard_error) == pytest.approx(0, abs=1e-9)
    again = evaluation(traffic, 4, closed=4)
    assert again.windows == (second,)


def test_the_newest_group_is_open_and_counts_in_no_window(traffic: Traffic) -> None:
    for day, score in [(1, 0.5), (2, 0.5), (3, 0.9), (3, 0.9)]:
        traffic.row(day, score, None, "1")
    (window,) = evaluation(traffic.written(), 4).windows
    assert (window.rows, window.groups) == (4, 2)
    assert float(window.value) == pytest.approx(-log(0.5))


def test_windows_hold_what_one_version_answered_to_callers_since_its_promotion(traffic: Traffic) -> None:
    for day in range(1, 7):
        traffic.row(day, 0.5, 0.9, "1")
    for role, revision in (("candidate", "old"), ("stable", "other")):
        id_ = f"u{len(traffic.captured):05d}"
        traffic.captured.append(traffic._answer(id_, 7, 0.5, role, revision))
        traffic.labels.append({**traffic.labels[0], "id": id_})
    traffic.written()
    assert evaluation(traffic, 1).labelled == 7, "six of the stable, one of the candidate that it was, no copy"
    since = (START + timedelta(seconds=4)).isoformat()
    assert evaluation(traffic, 1, since=since).labelled == 4, "none from before it was promoted"


def test_a_row_counts_once_its_label_is_mature(traffic: Traffic) -> None:
    for day in range(1, 7):
        traffic.row(day, 0.5, None, "1")
    hour = Labels(maturity_seconds=3600)
    assert evaluation(traffic.written(), 2, labels=hour).labelled == 0
    later = (START + timedelta(seconds=3604)).isoformat()
    assert evaluation(traffic, 2, labels=hour, until=later).labelled == 4


def test_a_label_that_comes_late_belongs_to_a_later_window_and_moves_no_judged_row(traffic: Traffic) -> None:
    for n, score in enumerate((0.5, 0.6, 0.7, 0.8, 0.9)):
        traffic.row(1 + n, score, None, None if n == 1 else "1")
    (first,) = evaluation(traffic.written(), 4).windows
    for n in range(3):
        traffic.row(6 + n, 0.25, None, "1")
    traffic.row(9, 0.25, None, None)
    traffic.labels.append({**traffic.labels[0], "id": "u00001", "bucle_received": START + timedelta(seconds=20)})
    traffic.seconds = 20
    traffic.written()
    assert evaluation(traffic, 4).windows[0].first == first.first
    assert evaluation(traffic, 4).windows[0].last == first.last, "the same rows as when it was judged"
    (second,) = evaluation(traffic, 4, closed=4).windows
    assert (second.rows, second.first) == (4, (START + timedelta(seconds=2)).isoformat())


def test_of_groups_by_key_the_one_seen_last_is_open(traffic: Traffic) -> None:
    by_id = GroupBy(column="flight_id")
    for _ in range(4):
        traffic.row(1, 0.5, None, "1")
    (window,) = evaluation(traffic.written(), 4, group_by=by_id).windows
    assert window.groups == 3


def test_a_later_group_may_be_seen_before_the_last_row_of_an_earlier_one(traffic: Traffic) -> None:
    for day in (1, 2, 3, 2):
        traffic.row(day, 0.5, None, "1")
    (window,) = evaluation(traffic.written(), 4).windows
    assert window.groups == 2, "day 3 is open, not day 2 whose row came last"


def test_a_group_of_a_column_that_nobody_has_is_refused(traffic: Traffic) -> None:
    traffic.row(1, 0.5, None, "1")
    with pytest.raises(ProgramError) as caught:
        evaluation(traffic.written(), 1, group_by=GroupBy(column="gate"))
    assert caught.value.reason == "UnknownColumn" and "gate" in caught.value.message


def test_with_one_closed_group_there_is_no_standard_error(traffic: Traffic) -> None:
    for day in (1, 1, 2, 2):
        traffic.row(day, 0.5, None, "1")
    (window,) = evaluation(traffic.written(), 4).windows
    assert (window.groups, window.standard_error) == (1, None)


def test_no_more_than_twenty_windows_are_told_at_once(traffic: Traffic) -> None:
    for n in range(50):
        traffic.row(1 + n % 20, 0.5, None, "1")
    found = evaluation(traffic.written(), 2)
    assert (len(found.windows), found.more) == (20, True)
