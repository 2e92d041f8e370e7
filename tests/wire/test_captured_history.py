"""A thousand captured hours in a real S3 server: readers ask for what is new, whatever there was before."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.fakes.object_store import Asked as Request
from tests.support.fakes.object_store import ObjectStore, object_store

from bucle.contracts import capture
from bucle.contracts.table import Column, Labels, TableSchema, Target
from bucle.podkit import store
from bucle.podkit.capture_files import Captured, capture_table, capture_uri, feedback_table, feedback_uri, hour_of
from bucle.podkit.capture_join import Asked, FileCache, Span, labelled_rows, newly_labelled_rows, served_rows
from bucle.podkit.label_pairs import LabelRule

HOURS = 1_000
START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=HOURS)
LOCATION = "s3://bucket/deployments/flights"
TABLE = TableSchema(
    target=Target(name="late", task="Binary", positive="1"),
    columns=(Column(name="hour", type="Integer"), Column(name="id", type="Text", role="Id")),
)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """One captured file and one of feedback an hour, as they are after compaction."""
    with object_store(tmp_path_factory.mktemp("store")) as found:
        before = {name: os.environ.get(name) for name in found.environment()}
        os.environ.update(found.environment() | {"AWS_ENDPOINT_URL_S3": found.direct})
        try:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(write_hour, range(HOURS)))
            os.environ["AWS_ENDPOINT_URL_S3"] = found.url
            yield found
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def write_hour(n: int) -> None:
    received = START + timedelta(hours=n, minutes=1)
    given: dict[str, list[Any]] = {"hour": [n % 24, 1], "id": [f"a{n}", f"b{n}"]}
    entry = Captured(f"x{n}", None, received, "stable", "r1", 1.0, 2, given, ["1", "0"], None, [[0.5, 0.5]] * 2)
    uri = capture_uri(LOCATION, "r1", hour_of(entry), "pod-000001")
    store.write_bytes(uri, store.parquet_bytes(capture_table([entry], TABLE.columns)))
    told = received + timedelta(minutes=5)
    row = {"request_id": None, "row": 0, "label_time": None, capture.RECEIVED: told}
    labels = [row | {"id": name, "label": "1"} for name in (f"a{n}", f"b{n}")]
    store.write_bytes(feedback_uri(LOCATION, told, "pod-000001"), store.parquet_bytes(feedback_table(labels)))


def test_the_newest_rows_cost_what_the_newest_days_hold(history: ObjectStore) -> None:
    history.forget()
    rows = labelled_rows(
        LOCATION, table=TABLE, labels=Labels(), received_before=END, labels_received_before=END, newest=24
    )
    assert rows.column(capture.ID).to_pylist() == [f"x{n}" for n in range(HOURS - 12, HOURS) for _ in range(2)]
    # A day and the hour before it: two files an hour, each with its HEAD and one body.
    assert history.count("HEAD") <= 2 * 26 and len(history.asked) <= 2 * 2 * 26 + 12


def test_an_evaluation_costs_what_was_labelled_since_the_last_one(history: ObjectStore) -> None:
    history.forget()
    asked = Asked(LOCATION, TABLE, Span(START, END), LabelRule(Labels(), END), revision="r1")
    rows = newly_labelled_rows(asked, END - timedelta(hours=6), FileCache())
    assert sorted(set(rows.column(capture.ID).to_pylist())) == sorted(f"x{n}" for n in range(HOURS - 6, HOURS))
    assert len(history.asked) <= 2 * 2 * 10 + 12


def test_a_second_look_asks_for_new_files_only(history: ObjectStore) -> None:
    cache = FileCache()
    span = Span(END - timedelta(hours=48), END)
    first = served_rows(LOCATION, TABLE, span, revisions=("r1",), cache=cache)
    history.forget()
    assert served_rows(LOCATION, TABLE, span, revisions=("r1",), cache=cache).num_rows == first.num_rows == 96
    # Days that are long over are listed again only now and then.
    assert history.asked == []


@pytest.mark.thorough
def test_all_of_a_long_history_is_read_several_files_at_a_time(history: ObjectStore) -> None:
    history.forget()
    two = threading.Barrier(2)
    met: list[Request] = []

    def waits_for_another(asked: Request) -> None:
        """Whoever reads one file after another never has a second request under way."""
        if asked.method == "HEAD" and not met and not two.broken:
            try:
                two.wait(4)
            except threading.BrokenBarrierError:
                return
            met.append(asked)

    history.before = waits_for_another
    served = served_rows(LOCATION, TABLE, Span(START, END), revisions=("r1",), cache=FileCache())
    assert served.num_rows == 2 * HOURS
    assert history.count("HEAD") == HOURS and history.count("GET") <= HOURS + 50
    assert met
