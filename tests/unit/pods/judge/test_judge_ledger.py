"""What a judge keeps: sums of hours, made anew only where something is new, and never counted twice."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders.judge_pods import BY_DAY, QUERY, START, Traffic

from bucle.contracts.canonical import short_hash
from bucle.contracts.evidence import Evidence
from bucle.contracts.table import Batch, Labels, Quarantine
from bucle.contracts.task import JudgeTask
from bucle.pods.judge import Judge

HOURS = 12
GARBAGE = b"whoever reads this says so"


@pytest.fixture
def location(tmp_path: Path) -> str:
    return f"file://{tmp_path}"


def judge_of(location: str, labels: Labels | None = None) -> Judge:
    return Judge(
        JudgeTask(name="flights", location=location, metric="log_loss", group_by=BY_DAY, labels=labels or Labels())
    )


def hour(location: str, number: int, *rows: tuple[float, str | None], late: float = 0) -> Traffic:
    """One hour of traffic in files of its own: per row the shadow's answer and the label, which comes so much later."""
    # No two writers have one name: a file that is stored is never another one later.
    part = Traffic(location, seconds=number * 3600, writer=f"pod-{number}-{short_hash([rows, late])}")
    for said, label in rows:
        part.row(1 + number // 24, 0.5, said, label)
    for at, entry in enumerate(part.captured):
        id_ = f"h{number}-{at // 2}"
        part.captured[at] = replace(entry, id=id_, columns={**entry.columns, "flight_id": [id_]})
    labelled = [at for at, (_, label) in enumerate(rows) if label is not None]
    for row, at in zip(part.labels, labelled, strict=True):
        row["id"] = f"h{number}-{at}"
        row["bucle_received"] += timedelta(seconds=late)
    return part.written()


def at(number: float) -> datetime:
    return START + timedelta(hours=number)


def files_before(tmp_path: Path, moment: datetime) -> list[Path]:
    """Captured files and feedback of whole hours before that one."""
    mark = f"date={moment:%Y-%m-%d}/hour={moment:%H}"
    found = [*tmp_path.rglob("capture/**/*.parquet"), *tmp_path.rglob("feedback/**/*.parquet")]
    return [path for path in found if "/".join(path.parts[-3:-1]) < mark]


def test_a_restarted_judge_reads_what_is_new_and_says_the_same(
    location: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(HOURS):
        hour(location, number, (0.8, "1"), (0.7, "1"))
    first = judge_of(location).compute(QUERY, at(HOURS))
    assert first.labelled == 2 * HOURS and first.open_rows == 2 * HOURS
    for path in files_before(tmp_path, at(HOURS - 2)):
        path.write_bytes(GARBAGE)
    hour(location, HOURS, (0.8, "1"))
    with caplog.at_level(logging.WARNING):
        again = judge_of(location).compute(QUERY, at(HOURS + 1))
    assert again.labelled == 2 * HOURS + 1 and again.requests == first.requests + 1
    assert again.open_rows == 2 * HOURS + 1
    assert "set aside" not in caplog.text


@pytest.mark.thorough
def test_what_a_judge_holds_does_not_grow_with_the_rollout(location: str) -> None:
    judge = judge_of(location)
    before = pa.total_allocated_bytes()
    for number in range(6):
        hour(location, number, *[(0.8, "1")] * 200)
    found = judge.compute(QUERY, at(6))
    ledger = judge._ledger
    assert ledger is not None and found.labelled == 1200
    ledger.cache.forget(0)
    assert pa.total_allocated_bytes() - before < 30_000, "sums, and no row"


def fresh(location: str, tmp_path: Path, when: datetime, labels: Labels | None = None) -> Evidence:
    """What a judge says that knows nothing but the files."""
    shutil.rmtree(tmp_path / "evidence", ignore_errors=True)
    return judge_of(location, labels).compute(QUERY, when)


def test_a_label_that_comes_days_later_is_added_to_its_hour(location: str, tmp_path: Path) -> None:
    hour(location, 0, (0.8, "1"), (0.8, None))
    judge = judge_of(location)
    assert judge.compute(QUERY, at(2)).labelled == 1
    late = hour(location, 50, (0.8, "1"))
    late.labels = [{**late.labels[0], "id": "h0-1", "bucle_received": at(60)}]
    late.captured = []
    late.written()
    found = judge.compute(QUERY, at(61))
    assert (found.labelled, found.unjoined) == (3, 0)
    assert found == fresh(location, tmp_path, at(61))


def test_a_label_that_is_later_than_the_horizon_belongs_to_nobody(location: str) -> None:
    hour(location, 0, (0.8, "1"), late=30 * 3600)
    found = judge_of(location, Labels(horizon_seconds=24 * 3600)).compute(QUERY, at(40))
    assert (found.labelled, found.unjoined) == (0, 1)


def test_a_row_that_is_written_late_gets_the_label_that_was_there_before_it(location: str, tmp_path: Path) -> None:
    """The store was away: the captured rows of an hour come a day after their labels."""
    part = hour(location, 0, (0.8, "1"), (0.8, "0"))
    files = list((tmp_path / "capture").rglob("*.parquet"))
    kept = [(path, path.read_bytes()) for path in files]
    for path in files:
        path.unlink()
    judge = judge_of(location)
    assert judge.compute(QUERY, at(1)).unjoined == 2
    for path, data in kept:
        path.write_bytes(data)
    found = judge.compute(QUERY, at(30))
    assert (found.labelled, found.unjoined) == (2, 0) and part.labels
    assert found == fresh(location, tmp_path, at(30))


def test_a_copy_in_the_next_hours_file_is_its_originals(location: str) -> None:
    part = Traffic(location, seconds=3599)
    part.row(1, 0.5, 0.8, "1").row(2, 0.5, 0.8, "1")
    part.captured[1] = replace(part.captured[1], received=part.captured[1].received + timedelta(seconds=2))
    stable = Traffic(location, captured=[e for e in part.captured if e.role == "stable"], labels=part.labels)
    stable.written()
    Traffic(location, captured=[e for e in part.captured if e.role == "shadow"]).written()
    found = judge_of(location).compute(QUERY, at(3))
    assert (found.pairs, found.labelled, found.missing) == (2, 2, 0)


def other_question(path: Path) -> None:
    path.write_text(path.read_text().replace('"question":"', '"question":"other'))


@pytest.mark.parametrize(
    "spoil",
    [lambda path: path.write_bytes(b"{"), other_question, lambda path: path.unlink()],
    ids=["torn", "other", "gone"],
)
def test_a_checkpoint_that_is_not_of_this_question_is_made_anew(
    location: str, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    hour(location, 0, (0.8, "1"), (0.7, "0"))
    hour(location, 24, (0.8, "1"))
    first = judge_of(location).compute(QUERY, at(30))
    (kept,) = tmp_path.rglob("evidence/ro1/sums-*.json")
    spoil(kept)
    assert judge_of(location).compute(QUERY, at(30)) == first


def test_each_question_has_sums_of_its_own(location: str, tmp_path: Path) -> None:
    hour(location, 0, (0.8, "1"))
    hour(location, 24, (0.8, "1"))
    judge = judge_of(location)
    one = judge.compute(QUERY, at(30))
    half = QUERY.model_copy(update={"started_at": at(20).isoformat(), "step": 1})
    assert (one.requests, judge.compute(half, at(30)).requests) == (2, 1)
    assert judge_of(location, Labels(maturity_seconds=10**6)).compute(QUERY, at(30)).labelled == 0
    assert len(list(tmp_path.rglob("evidence/ro1/sums-*.json"))) == 3


ROWS = st.lists(st.tuples(st.sampled_from([0.2, 0.6, 0.9]), st.sampled_from(["0", "1", "?", None])), max_size=3)


@settings(deadline=None, max_examples=8)
@given(
    hours=st.lists(st.tuples(st.integers(0, 60), ROWS, st.sampled_from([0, 600, 5 * 3600]), st.booleans()), max_size=6),
    maturity=st.sampled_from([0, 7200]),
)
def test_however_often_it_was_killed_and_whatever_came_when_it_says_what_the_files_say(
    tmp_path_factory: pytest.TempPathFactory,
    hours: list[tuple[int, list[tuple[float, str | None]], int, bool]],
    maturity: int,
) -> None:
    folder = tmp_path_factory.mktemp("t")
    location, labels = f"file://{folder}", Labels(maturity_seconds=maturity)
    Traffic(location).written()
    judge = judge_of(location, labels)
    for step, (number, rows, late, killed) in enumerate(hours):
        hour(location, number, *rows, late=late)
        judge.compute(QUERY, at(61 + step))
        if killed:
            judge = judge_of(location, labels)
    when = at(80)
    assert judge.compute(QUERY, when) == fresh(location, folder, when, labels)


def test_a_judge_sets_the_same_labels_aside_and_counts_them_when_a_person_allows_them(
    location: str, tmp_path: Path
) -> None:
    """The hour that is under way is not judged by before it is over."""
    hour(location, 0, (0.8, "1"), (0.8, "0"))
    hour(location, 1, (0.8, "1"), (0.8, "1"), (0.8, "1"))
    limits = Quarantine(same_labels=3)
    judge = judge_of(location, Labels(quarantine=limits))
    early = judge.compute(QUERY, at(1.9))
    assert (early.labelled, early.uniform, early.unjoined) == (2, 0, 0)
    found = judge.compute(QUERY, at(2.1))
    assert (found.labelled, found.uniform, found.unjoined, len(found.batches)) == (2, 3, 0, 1)
    assert found == fresh(location, tmp_path, at(2.1), Labels(quarantine=limits))
    (batch,) = found.batches
    allowed = Labels(quarantine=limits.model_copy(update={"allow": (Batch(source=batch.source, hour=batch.hour),)}))
    again = judge_of(location, allowed).compute(QUERY, at(2.1))
    assert (again.labelled, again.uniform) == (5, 0)


def test_a_judge_tells_labels_that_were_known_before_their_answer(location: str) -> None:
    part = hour(location, 3, (0.8, "1"), (0.8, "1"))
    part.labels[0]["label_time"] = START
    part.written()
    limits = Labels(quarantine=Quarantine(dated_before_seconds=3600))
    found = judge_of(location, limits).compute(QUERY, at(5))
    assert (found.labelled, found.antedated, found.unjoined) == (1, 1, 0)
