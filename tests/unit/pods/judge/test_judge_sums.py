"""Cumulative evidence: which rows are paired, charged, counted, and in which groups; the judge on a store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import log
from pathlib import Path
from urllib.parse import urlencode

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders.judge_pods import BY_DAY, PRIOR_LOSS, QUERY, START, Traffic
from tests.support.fakes.asgi import call

from bucle.contracts import capture
from bucle.contracts.evidence import Evidence
from bucle.contracts.table import Labels
from bucle.contracts.task import JudgeTask, Mix
from bucle.podkit import store
from bucle.pods.judge import Judge, application


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


@pytest.mark.parametrize(
    ("mix", "kept"),
    [
        (None, {}),
        (Mix(classes=("0", "1")), {"0": 1, "1": 2}),
        (Mix(classes=("1", "2")), {"1": 2}),
        (Mix(reference_days=30), {"1": 2}),
    ],
    ids=["nobody asks", "both", "one that never comes", "days: the positive one"],
)
def test_the_classes_that_a_mix_asks_for_are_kept_apart(
    traffic: Traffic, mix: Mix | None, kept: dict[str, int]
) -> None:
    traffic.row(1, 0.5, 0.8, "1").row(1, 0.5, 0.2, "0").row(1, 0.9, 0.9, "1").row(2, 0.5, 0.5, "1").written()
    found = traffic.evidence(mix=mix)
    (group,) = found.groups
    assert {label: sums.n for label, sums in group.classes.items()} == kept
    assert found.mix == mix
    assert found.classes == (("0", "1") if mix else ())
    if "1" in kept:
        assert group.classes["1"].x == pytest.approx(log(0.5) - log(0.8))
    if len(kept) == 2:
        assert sum(sums.p for sums in group.classes.values()) == pytest.approx(group.p)


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


def test_a_judge_holds_of_a_rollout_what_it_judges_by_and_nothing_of_the_one_before(traffic: Traffic) -> None:
    """Features are most of what is captured, and no judge reads them."""
    for n in range(200):
        traffic.row(1 + n // 50, 0.9, 0.8, "1")
    for at, entry in enumerate(traffic.captured):
        traffic.captured[at] = replace(entry, columns={**entry.columns, "carrier": [f"{at:05d}" * 2000]})
    judge = Judge(JudgeTask(name="flights", location=traffic.written().location, metric="log_loss", group_by=BY_DAY))
    before = pa.total_allocated_bytes()
    found = judge.compute(QUERY, START + timedelta(hours=2))
    assert found.labelled == 200 and pa.total_allocated_bytes() - before < 500_000, "not the 4 MB of features"
    again = QUERY.model_copy(update={"rollout": "ro2", "started_at": (START + timedelta(hours=1)).isoformat()})
    assert judge.compute(again, START + timedelta(hours=2)).requests == 0
    assert pa.total_allocated_bytes() - before < 20_000
