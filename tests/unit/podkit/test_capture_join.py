"""Which label belongs to which served row, in which order, and when it counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bucle.contracts import capture
from bucle.contracts.table import Column, Labels, TableSchema, Target
from bucle.podkit import store
from bucle.podkit.capture_files import Captured, capture_table, capture_uri, feedback_table, feedback_uri, hour_of
from bucle.podkit.capture_join import (
    Asked,
    FileCache,
    Span,
    dropped_rows,
    labelled_rows,
    newly_labelled_rows,
    served_rows,
)
from bucle.podkit.label_pairs import LabelRule
from bucle.pods.serve.compaction import merged_table

BY_ID = Labels()
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TABLE = TableSchema(
    target=Target(name="late", task="Binary", positive="1"),
    columns=(Column(name="hour", type="Integer"), Column(name="flight_id", type="Text", role="Id")),
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Deployment:
    """A deployment's folder in a file store, written as servers write it."""

    def __init__(self, folder: Path) -> None:
        self.location = f"file://{folder}"
        self._files = 0

    def _name(self) -> str:
        self._files += 1
        return f"pod-{self._files:06d}"

    def serve(self, id_: str, seconds: float, *flights: str, **given: Any) -> Deployment:
        entry = Captured(
            id=id_,
            request_id=given.get("request_id"),
            received=at(seconds),
            role=given.get("role", "stable"),
            revision=given.get("revision", "r1"),
            latency_ms=1.0,
            rows=len(flights),
            columns={"hour": [1] * len(flights), "flight_id": list(flights)},
            labels=["1"] * len(flights),
            scores=[[0.25, 0.75]] * len(flights),
        )
        uri = capture_uri(self.location, entry.revision, hour_of(entry), self._name())
        store.write_bytes(uri, store.parquet_bytes(capture_table([entry], TABLE.columns)))
        return self

    def label(self, seconds: float, **row: Any) -> Deployment:
        told = {"id": None, "request_id": None, "row": 0, "label_time": None} | row | {capture.RECEIVED: at(seconds)}
        store.write_bytes(
            feedback_uri(self.location, at(seconds), self._name()), store.parquet_bytes(feedback_table([told]))
        )
        return self

    def rows(self, labels: Labels = BY_ID, **more: Any) -> list[tuple[str, int, str]]:
        asked: dict[str, Any] = {
            "table": TABLE,
            "received_before": at(10**6),
            "labels_received_before": at(10**6),
        } | more
        found = labelled_rows(self.location, labels=labels, **asked)
        names = (capture.ID, capture.ROW, "late")
        return list(zip(*(found.column(name).to_pylist() for name in names), strict=True))


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


def test_nothing_served_is_an_empty_table_with_its_columns(deployment: Deployment) -> None:
    found = labelled_rows(
        deployment.location, table=TABLE, labels=Labels(), received_before=NOON, labels_received_before=NOON
    )
    assert (found.num_rows, found.column_names) == (
        0,
        ["hour", "flight_id", "late", capture.ID, capture.ROW, capture.RECEIVED],
    )


def test_labels_find_their_row_by_id_by_our_request_id_and_by_the_clients(deployment: Deployment) -> None:
    deployment.serve("u1", 0, "a", "b", request_id="mine").serve("u2", 1, "c")
    deployment.label(5, id="b", label="1").label(5, request_id="u2", row=0, label="0")
    deployment.label(5, request_id="mine", row=0, label="0").label(5, id="nobody", label="1")
    assert deployment.rows() == [("u1", 0, "0"), ("u1", 1, "1"), ("u2", 0, "0")]


@pytest.mark.parametrize(("keep", "label"), [("Last", "corrected"), ("First", "first")])
def test_which_label_is_last_follows_the_senders_clock_and_not_two_servers(
    deployment: Deployment, keep: Literal["First", "Last"], label: str
) -> None:
    """The correction came in through a server whose clock is half a minute behind."""
    deployment.serve("u1", 0, "a")
    deployment.label(60, id="a", label="first", label_time=at(50)).label(
        31, id="a", label="corrected", label_time=at(61)
    )
    assert deployment.rows(Labels(duplicates=keep)) == [("u1", 0, label)]


def test_a_label_dated_in_the_future_is_not_the_last_one_for_ever(deployment: Deployment) -> None:
    deployment.serve("u1", 0, "a")
    deployment.label(10, id="a", label="wrong", label_time=at(10**8)).label(
        20, id="a", label="right", label_time=at(20)
    )
    assert deployment.rows() == [("u1", 0, "right")]


def test_a_key_of_request_ids_does_not_look_at_ids(deployment: Deployment) -> None:
    deployment.serve("u1", 0, "a").label(1, id="a", label="1")
    assert deployment.rows(Labels(key="RequestId")) == []


@pytest.mark.parametrize(("keep", "label"), [("First", "0"), ("Last", "1")])
def test_of_several_labels_the_rule_chooses_by_receipt(deployment: Deployment, keep: Any, label: str) -> None:
    deployment.serve("u1", 0, "a").label(9, id="a", label="1").label(3, id="a", label="0")
    assert deployment.rows(Labels(duplicates=keep)) == [("u1", 0, label)]


def test_rows_come_once_in_the_order_received_id_row(deployment: Deployment) -> None:
    deployment.serve("b", 1, "x", "y").serve("a", 1, "z").serve("c", 0, "w").serve("b", 1, "x", "y")
    for flight in "wxyz":
        deployment.label(5, id=flight, label="1")
    assert [row[:2] for row in deployment.rows()] == [("c", 0), ("a", 0), ("b", 0), ("b", 1)]
    assert [row[:2] for row in deployment.rows(newest=2)] == [("b", 0), ("b", 1)]


def test_candidates_answer_callers_and_shadows_do_not(deployment: Deployment) -> None:
    deployment.serve("u1", 0, "a").serve("u2", 1, "b", role="candidate", revision="r2")
    deployment.serve("u1", 0, "a", role="shadow", revision="r2")
    deployment.label(5, id="a", label="1").label(5, id="b", label="0")
    assert [row[0] for row in deployment.rows()] == ["u1", "u2"]
    assert [row[0] for row in deployment.rows(revision="r2")] == ["u2"]
    assert [row[0] for row in deployment.rows(role="shadow")] == ["u1"]


@pytest.mark.parametrize(
    ("bounds", "maturity", "found"),
    [
        ({}, 0, ["u1", "u2"]),
        ({"received_before": at(3600)}, 0, ["u1"]),
        ({"since": at(1)}, 0, ["u2"]),
        ({"since": at(1), "received_before": at(3601)}, 0, ["u2"]),
        ({"labels_received_before": at(4000)}, 0, ["u1"]),
        ({"labels_received_before": at(5000)}, 1000, ["u1", "u2"]),
        ({"labels_received_before": at(5000)}, 1500, ["u1"]),
    ],
)
def test_bounds_are_half_open_and_labels_must_be_mature(
    deployment: Deployment, bounds: dict[str, Any], maturity: int, found: list[str]
) -> None:
    deployment.serve("u1", 0, "a").serve("u2", 3600, "b")
    deployment.label(10, id="a", label="1").label(4000, id="b", label="1")
    assert [row[0] for row in deployment.rows(Labels(maturity_seconds=maturity), **bounds)] == found


def test_what_comes_after_both_bounds_changes_nothing(deployment: Deployment) -> None:
    deployment.serve("u1", 0, "a").label(10, id="a", label="1")
    bounds: dict[str, Any] = {"received_before": at(60), "labels_received_before": at(60)}
    before = deployment.rows(**bounds)
    deployment.serve("u2", 60, "b").label(60, id="b", label="1").label(61, id="a", label="0")
    assert deployment.rows(**bounds) == before == [("u1", 0, "1")]


def test_values_captured_under_another_type_are_null_and_cost_no_other_row(deployment: Deployment) -> None:
    deployment.serve("a", 1, "secret").serve("b", 2, "7").label(3, request_id="a", label="1")
    deployment.label(3, request_id="b", label="1")
    columns = (TABLE.columns[0], Column(name="flight_id", type="Integer", role="Id"))
    found = labelled_rows(
        deployment.location,
        table=TableSchema(target=TABLE.target, columns=columns),
        labels=Labels(key="RequestId"),
        received_before=at(10**6),
        labels_received_before=at(10**6),
    )
    assert found.column("flight_id").to_pylist() == [None, 7]


@pytest.mark.parametrize(
    ("place", "data"),
    [
        ("capture/version=r1/date=2026-01-01/hour=12/broken.parquet", b"PAR1 and no more"),
        ("capture/version=r1/date=2026-01-01/hour=12/empty.parquet", b""),
        ("capture/version=r1/date=2026-01-01/hour=12/notes.txt", b"do not touch"),
        ("capture/version=r1/date=someday/hour=12/other.parquet", b""),
        ("capture/version=r1/date=2026-01-01/hour=99/other.parquet", b""),
        ("capture/README", b""),
        ("feedback/date=2026-01-01/hour=12/broken.parquet", b"PAR1 and no more"),
        ("feedback/date=2026-01-01/hour=12/foreign.parquet", store.parquet_bytes(pa.table({"label": ["1"]}))),
    ],
)
def test_one_file_that_is_none_of_ours_is_set_aside_by_name(deployment: Deployment, place: str, data: bytes) -> None:
    deployment.serve("u1", 0, "a").label(1, id="a", label="1")
    store.write_bytes(f"{deployment.location}/{place}", data)
    cache = FileCache()
    assert len(deployment.rows(cache=cache)) == 1
    if place != "capture/README":
        (why,) = cache.set_aside.values()
        assert place in why


def test_a_label_that_came_before_its_row_is_of_another_row_with_that_id(deployment: Deployment) -> None:
    deployment.serve("u1", 0, "a").label(10, id="a", label="1").serve("u2", 90_000, "a")
    assert deployment.rows() == [("u1", 0, "1")]
    assert deployment.rows(since=at(80_000)) == [], "what is read does not decide what belongs together"


def test_rows_that_became_labelled_since_are_found_however_old_they_are(deployment: Deployment) -> None:
    hour = 3600
    for n in range(30):
        deployment.serve(f"u{n}", n * hour, f"f{n}")
        deployment.label(n * hour + 60, id=f"f{n}", label="1")
    deployment.serve("old", 90, "late").label(29 * hour + 90, id="late", label="0").label(
        29 * hour + 91, id="f3", label="0"
    )
    asked = Asked(deployment.location, TABLE, Span(at(0), at(30 * hour)), LabelRule(BY_ID, at(30 * hour)))
    found = newly_labelled_rows(asked, at(28 * hour), FileCache())
    assert found.column(capture.ID).to_pylist() == ["old", "u28", "u29"], "u3 was labelled before"


def test_what_matures_since_is_new_too(deployment: Deployment) -> None:
    deployment.serve("u1", 0, "a").label(10, id="a", label="1")
    rule = LabelRule(Labels(maturity_seconds=7200), at(7300))
    asked = Asked(deployment.location, TABLE, Span(at(-10), at(7300)), rule)
    assert newly_labelled_rows(asked, at(7100), FileCache()).num_rows == 1
    assert newly_labelled_rows(asked, at(7201), FileCache()).num_rows == 0


def test_a_file_is_read_once(deployment: Deployment) -> None:
    deployment.serve("u1", 0, "a").label(1, id="a", label="1")
    cache = FileCache()
    assert len(deployment.rows(cache=cache)) == 1
    for file in Path(deployment.location.removeprefix("file://")).rglob("*.parquet"):
        file.write_bytes(b"not read again")
    assert len(deployment.rows(cache=cache)) == 1


@settings(deadline=None, max_examples=25)
@given(order=st.permutations(range(6)))
def test_the_order_of_files_does_not_matter(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    deployment = Deployment(tmp_path_factory.mktemp("d"))
    for n in order:
        deployment.serve(f"u{n}", n // 2, f"f{n}")
    for n in reversed(order):
        deployment.label(10 + n, id=f"f{n}", label=str(n % 2))
    assert deployment.rows() == [(f"u{n}", 0, str(n % 2)) for n in range(6)]


def test_a_merged_file_stands_for_those_it_was_made_of(deployment: Deployment) -> None:
    """Both are there for some minutes: rows come once, and what was dropped counts once."""
    entries = [
        Captured(f"u{n}", None, at(n), "stable", "r1", 1.0, 1, {"hour": [1], "flight_id": [f"f{n}"]}, labels=["1"])
        for n in range(3)
    ]
    tables = [capture_table([entry], TABLE.columns, dropped=2) for entry in entries]
    merged = merged_table(tables[:2])
    for stem, table in (("pod-000000", tables[0]), ("pod-000001", tables[1]), ("pod-000000_000001", merged)):
        store.write_bytes(capture_uri(deployment.location, "r1", NOON, stem), store.parquet_bytes(table))
    store.write_bytes(capture_uri(deployment.location, "r1", NOON, "pod-000002"), store.parquet_bytes(tables[2]))
    cache = FileCache()
    span = Span(NOON, at(100))
    served = served_rows(deployment.location, TABLE, span, revisions=("r1",), cache=cache)
    assert served.column("flight_id").to_pylist() == ["f0", "f1", "f2"]
    assert dropped_rows(deployment.location, "r1", span, cache) == 6
