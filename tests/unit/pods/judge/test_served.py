"""Served rows as windows: which rows are in which, what is said of their columns, and what a look reads."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.builders.judge_pods import START
from tests.support.fakes.small_model import TABLE, reference

from bucle.contracts.canonical import short_hash
from bucle.contracts.reference import Reference
from bucle.contracts.result import ServedResult, SignalResult
from bucle.contracts.table import Column
from bucle.contracts.task import ColumnDrift, DataQuality, EvaluateTask, MeasuredColumns, ServedWindows, Windows
from bucle.podkit import store
from bucle.podkit.capture_files import Captured, capture_table, capture_uri
from bucle.podkit.profiles import Stretches, category_profile, number_profile
from bucle.podkit.program import ProgramError
from bucle.pods.evaluate import run

COLUMNS = (
    Column(name="flight_id", type="Text", role="Id"),
    Column(name="distance", type="Number", nullable="Allowed"),
    Column(name="carrier", type="Category", nullable="Allowed"),
)
DRIFT = {"min_effect": "0.1", "alpha": "0.01", "breaches": 2, "of": 3}
DATA = MeasuredColumns(name="data", data_drift=ColumnDrift(**DRIFT))
ANSWERS = MeasuredColumns(name="answers", prediction_drift=ColumnDrift(**DRIFT))


def model() -> Reference:
    """A reference of 2,000 rows: distances around 1,000, three carriers, scores around 0.3."""
    draw = np.random.default_rng(1)
    stretches = Stretches.of(None)
    features = (
        number_profile("distance", draw.normal(1000, 100, 2000), stretches),
        category_profile("carrier", draw.choice(np.array(["AA", "UA", "DL"], dtype=object), 2000), stretches),
    )
    predictions = (number_profile("score", draw.beta(3, 7, 2000), stretches),)
    table = TABLE.model_copy(update={"columns": COLUMNS})
    categories = {"carrier": ("AA", "DL", "UA")}
    return reference().model_copy(
        update={"table": table, "features": features, "predictions": predictions, "categories": categories}
    )


class Servers:
    """Answers of one version, one a second, written hour by hour."""

    def __init__(self, location: str) -> None:
        self.location, self.at, self.count, self.draw = location, START, 0, np.random.default_rng(5)
        self.files = 0
        store.write_bytes(f"{location}/references/old.json", model().canonical().encode())

    def serve(
        self, rows: int, *, far: float = 1000.0, nulls: float = 0.0, carriers: tuple[str, ...] = ("AA", "UA", "DL"),
        score: float = 0.3, every: float = 1.0, role: str = "stable", revision: str = "old",
    ) -> Servers:  # fmt: skip
        entries = []
        for _ in range(rows):
            scores = float(self.draw.beta(10 * score, 10 - 10 * score))
            distance = None if self.draw.random() < nulls else float(self.draw.normal(far, 100))
            columns: dict[str, list[Any]] = {
                "flight_id": [f"f{self.count}"],
                "distance": [distance],
                "carrier": [str(self.draw.choice(carriers))],
            }
            entries.append(
                Captured(
                    id=f"r{self.count:06d}",
                    request_id=None,
                    received=self.at,
                    role=role,
                    revision=revision,
                    latency_ms=1.0,
                    rows=1,
                    columns=columns,
                    labels=["1" if scores > 0.5 else "0"],
                    scores=[[1 - scores, scores]],
                )
            )
            self.count, self.at = self.count + 1, self.at + timedelta(seconds=every)
        for hour in sorted({e.received.replace(minute=0, second=0, microsecond=0) for e in entries}):
            mine = [e for e in entries if e.received.replace(minute=0, second=0, microsecond=0) == hour]
            self.files += 1
            uri = capture_uri(self.location, revision, hour, f"pod-{self.files:06d}")
            store.write_bytes(uri, store.parquet_bytes(capture_table(mine, COLUMNS)))
        return self

    def look(self, windows: Windows, *signals: MeasuredColumns, first: int = 0, **more: Any) -> ServedResult:
        task = EvaluateTask(
            name="p", location=self.location, version="old", since=START.isoformat(),
            windows=windows, served=ServedWindows(first=first, signals=signals or (DATA,), dropped=more.pop("dropped", ())),
            result_location=f"{self.location}/policies", **{"until": (self.at + timedelta(seconds=60)).isoformat()} | more,
        )  # fmt: skip
        result = run(task)["evaluate"]
        self.uri = result.uri
        assert result.served is not None and result.labelled is None
        found: ServedResult = result.served
        return found


@pytest.fixture
def servers(tmp_path: Path) -> Servers:
    return Servers(f"file://{tmp_path}")


HUNDRED = Windows(rows=100)


def of(found: ServedResult, name: str, window: int = 0) -> SignalResult:
    return next(signal for signal in found.windows[window].signals if signal.name == name)


def test_windows_are_the_next_so_many_served_rows_and_only_full_ones_close(servers: Servers) -> None:
    servers.serve(250)
    found = servers.look(HUNDRED)
    assert [(w.index, w.rows) for w in found.windows] == [(0, 100), (1, 100)] and found.rows == 250
    assert found.windows[0].first == START.isoformat()
    assert found.windows[1].last == (START + timedelta(seconds=199)).isoformat()
    again = servers.look(HUNDRED, first=1)
    assert again.windows == found.windows[1:], "the same windows however often they are looked at"


def test_windows_hold_what_that_version_answered_to_callers(servers: Servers) -> None:
    servers.serve(60).serve(500, role="shadow").serve(500, revision="other").serve(40, role="candidate")
    assert [w.rows for w in servers.look(HUNDRED).windows] == [100]


def test_a_window_over_many_hours_is_one_and_a_look_reads_no_hour_before_it(servers: Servers, tmp_path: Path) -> None:
    servers.serve(300, every=120)
    first = servers.look(HUNDRED)
    assert len(first.windows) == 3
    for path in tmp_path.rglob("capture/**/*.parquet"):
        if path.parts[-2] < "hour=15":
            path.write_bytes(b"whoever reads this fails")
    assert servers.look(HUNDRED, first=2).windows == first.windows[2:]


def test_a_file_that_comes_late_moves_no_row_of_a_judged_window(servers: Servers) -> None:
    servers.serve(100)
    first = servers.look(HUNDRED)
    late = Servers(servers.location)
    late.files, late.count = 50, 5000
    late.serve(30)
    servers.serve(100)
    (second,) = servers.look(HUNDRED, first=1).windows
    assert second.first > first.windows[0].last and second.rows == 100


def test_windows_of_time_are_told_also_when_nobody_came(servers: Servers) -> None:
    hour = Windows(seconds=3600, begin=START.isoformat())
    servers.serve(60, every=60)
    servers.at += timedelta(hours=2)
    servers.serve(50)
    found = servers.look(hour, DATA, ANSWERS)
    assert [(w.index, w.rows) for w in found.windows] == [(0, 60), (1, 0), (2, 0)]
    assert (found.windows[1].first, found.windows[1].last) == (
        (START + timedelta(hours=1)).isoformat(), (START + timedelta(hours=2)).isoformat()
    )  # fmt: skip
    assert [signal.verdict for signal in found.windows[1].signals] == ["NoData", "NoData"]
    later = servers.look(hour, first=2, until=(START + timedelta(hours=9)).isoformat())
    assert [(w.index, w.rows) for w in later.windows][:3] == [(2, 0), (3, 50), (4, 0)]


def test_no_more_than_twenty_windows_are_closed_at_once(servers: Servers) -> None:
    servers.serve(2500)
    found = servers.look(HUNDRED)
    assert len(found.windows) <= 20 and found.more


@pytest.mark.parametrize(
    ("served", "signal", "verdict", "column", "question"),
    [
        ({}, DATA, "Healthy", None, None),
        ({}, ANSWERS, "Healthy", None, None),
        ({"far": 1609.0}, DATA, "Breached", "distance", None),
        ({"far": 1609.0}, ANSWERS, "Healthy", None, None),
        ({"nulls": 0.6}, DATA, "Breached", "distance", "Nulls"),
        ({"carriers": ("AA", "UA", "ZZ")}, DATA, "Breached", "carrier", None),
        ({"carriers": ("AA",)}, DATA, "Breached", "carrier", None),
        ({"score": 0.7}, ANSWERS, "Breached", "score", "Drift"),
        ({"score": 0.7}, DATA, "Healthy", None, None),
    ],
    ids=[
        "nothing",
        "nothing answered",
        "a unit",
        "a unit is no answer",
        "nulls",
        "new",
        "one",
        "answers",
        "answers only",
    ],
)
def test_what_is_said_of_a_window(
    servers: Servers,
    served: dict[str, Any],
    signal: MeasuredColumns,
    verdict: str,
    column: str | None,
    question: str | None,
) -> None:
    servers.serve(500, **served)
    told = of(servers.look(Windows(rows=500), signal), signal.name)
    assert told.verdict == verdict, told.message
    assert (told.columns[0].column if told.columns else None) == column
    assert question is None or next(c.question for c in told.columns or ()) == question
    assert told.breached == ((short_hash(column, 6),) if column is not None else None)
    assert told.value is not None and told.limit is not None


@pytest.mark.parametrize(
    ("limits", "served", "verdict", "question"),
    [
        ({"max_null_percent": 5}, {}, "Healthy", None),
        ({"max_null_percent": 5}, {"nulls": 0.2}, "Breached", "Nulls"),
        ({"max_null_percent": 50}, {"nulls": 0.2}, "Healthy", None),
        ({"max_unknown_percent": 5}, {"carriers": ("AA", "ZZ")}, "Breached", "Unknown"),
        ({"max_unknown_percent": 5}, {"far": 99999.0}, "Healthy", None),
        ({"max_out_of_range_percent": 1}, {"far": 99999.0}, "Breached", "OutOfRange"),
        ({"max_invalid_percent": 0}, {}, "Healthy", None),
        ({"max_null_percent": 5, "columns": ("carrier",)}, {"nulls": 0.9}, "Healthy", None),
    ],
)
def test_quality_is_what_a_person_limited(
    servers: Servers, limits: dict[str, Any], served: dict[str, Any], verdict: str, question: str | None
) -> None:
    servers.serve(200, **served)
    signal = MeasuredColumns(name="quality", data_quality=DataQuality(**limits))
    told = of(servers.look(Windows(rows=200), signal), "quality")
    assert told.verdict == verdict, told.message
    assert (told.columns[0].question if told.columns else None) == question


def test_a_share_of_columns_counts_them(servers: Servers) -> None:
    servers.serve(500, far=1609.0)
    share = MeasuredColumns(name="share", data_drift=ColumnDrift(**DRIFT, share=51))
    half = MeasuredColumns(name="half", data_drift=ColumnDrift(**DRIFT, share=50))
    found = servers.look(Windows(rows=500), share, half)
    assert [(s.verdict, s.value, s.limit) for s in found.windows[0].signals] == [
        ("Healthy", "0.5", "0.51"), ("Breached", "0.5", "0.5"),
    ]  # fmt: skip
    assert of(found, "half").breached is None, "a share is no matter of which column"


def test_few_rows_and_a_model_of_an_older_release_are_no_verdict(servers: Servers) -> None:
    servers.serve(20)
    assert of(servers.look(Windows(rows=20)), "data").verdict == "Inconclusive"
    assert "use larger windows" in (of(servers.look(Windows(rows=20)), "data").message or "")
    old = model().model_copy(update={"features": (), "predictions": ()})
    store.write_bytes(f"{servers.location}/references/old.json", old.canonical().encode())
    told = of(servers.look(Windows(rows=20), ANSWERS), "answers")
    assert told.verdict == "Inconclusive" and "train it again" in (told.message or "")


def test_a_column_that_the_model_does_not_have_is_named_and_keeps_no_other_signal(servers: Servers) -> None:
    servers.serve(100)
    bad = MeasuredColumns(name="bad", data_drift=ColumnDrift(**DRIFT, columns=("gate",)))
    found = servers.look(HUNDRED, bad, DATA)
    failure = of(found, "bad").failure
    assert failure is not None and failure.reason == "UnknownColumn" and "gate" in failure.message
    assert of(found, "data").verdict == "Healthy"
    with pytest.raises(ProgramError, match="gate"):
        servers.look(HUNDRED, bad)


def test_a_column_that_is_never_captured_is_missed_by_nobody(servers: Servers) -> None:
    servers.serve(200, nulls=1.0)
    nulls = MeasuredColumns(name="nulls", data_quality=DataQuality(max_null_percent=5))
    missed = servers.look(Windows(rows=200), DATA, nulls)
    dropped = servers.look(Windows(rows=200), DATA, nulls, dropped=("distance",))
    assert [signal.verdict for signal in missed.windows[0].signals] == ["Breached", "Breached"]
    assert [signal.verdict for signal in dropped.windows[0].signals] == ["Healthy", "Healthy"]


def test_all_columns_are_in_the_stored_result(servers: Servers) -> None:
    servers.serve(100, far=1609.0)
    servers.look(HUNDRED, DATA, ANSWERS)
    stored = json.loads(store.read_bytes(servers.uri))
    told = {finding["signal"]: [c["column"] for c in finding["columns"]["columns"]] for finding in stored["findings"]}
    assert told == {"data": ["distance", "carrier"], "answers": ["score"]}
