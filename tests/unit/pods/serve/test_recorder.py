"""The ring: bounded, in order, nothing twice, nothing lost that was taken, whatever the store does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from bucle.contracts.capture import DROPPED_KEY
from bucle.contracts.table import Column, ColumnType
from bucle.podkit.capture_files import Captured
from bucle.podkit.program import ProgramError
from bucle.pods.serve.compaction import Compactor
from bucle.pods.serve.recorder import ODD_ATTEMPTS, RING_CELLS, RING_ROWS, Destination, Recorder, Tally

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
COLUMNS = (Column(name="hour", type="Integer"), Column(name="at", type="Timestamp", role="Time"))


@dataclass
class Store:
    broken: bool = False
    keeps_what_it_denies: bool = False
    files: dict[str, list[pa.Table]] = field(default_factory=dict)

    def put(self, uri: str, table: pa.Table) -> None:
        if not self.broken or self.keeps_what_it_denies:
            self.files.setdefault(uri, []).append(table)
        if self.broken:
            raise ProgramError(75, "StoreUnavailable", "the store is down")

    def get(self, uri: str) -> pa.Table:
        return self.files[uri][-1]

    def delete(self, uri: str) -> None:
        del self.files[uri]


class Count:
    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        self.value += amount


def entry(id_: str, rows: int = 2, received: datetime = NOON, **columns: list[object]) -> Captured:
    given = columns or {"hour": list(range(rows))}
    return Captured(
        id_, None, received, "stable", "r1", 1.5, rows, given, labels=["0"] * rows, scores=[[1.0, 0.0]] * rows
    )


def tally(**counts: Count) -> Tally:
    return Tally(**{name: counts.get(name, Count()) for name in ("stored", "ring_full", "unwritable", "restarts")})


def nobody_counts(_: int) -> None:
    return None


def recorder_of(store: Store, columns: tuple[Column, ...] = COLUMNS, **counts: Count) -> Recorder:
    return Recorder(
        Destination("s3://b/x", "r1", "pod-1", store.put),
        columns,
        tally(**counts),
        Compactor("pod-1", store, nobody_counts),
    )


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def recorder(store: Store) -> Recorder:
    return recorder_of(store)


def test_rows_are_written_typed_under_the_hour_in_which_they_came(recorder: Recorder, store: Store) -> None:
    recorder.offer(entry("a"))
    recorder.offer(entry("b", received=NOON + timedelta(hours=1)))
    assert recorder.flush()
    assert list(store.files) == [
        "s3://b/x/capture/version=r1/date=2026-01-01/hour=12/pod-1-000000.parquet",
        "s3://b/x/capture/version=r1/date=2026-01-01/hour=13/pod-1-000001.parquet",
    ]
    table = next(iter(store.files.values()))[0]
    assert table.column("bucle_row").to_pylist() == [0, 1]
    assert table.schema.field("hour").type == pa.int64()
    assert "at" not in table.column_names, "a column that no request had is not there"
    assert recorder.stored_rows == 4


def test_nothing_to_write_writes_nothing(recorder: Recorder, store: Store) -> None:
    assert recorder.flush() and store.files == {}


def test_an_outage_keeps_the_rows_in_order(recorder: Recorder, store: Store) -> None:
    store.broken = True
    recorder.offer(entry("a"))
    assert not recorder.flush()
    recorder.offer(entry("b"))
    store.broken = False
    assert recorder.flush()
    ids = [i for tables in store.files.values() for table in tables for i in table.column("bucle_id").to_pylist()]
    assert ids == ["a", "a", "b", "b"]
    assert (recorder.stored_rows, recorder.dropped_rows) == (4, 0)


def test_a_file_whose_put_seemed_to_fail_never_changes_its_content(recorder: Recorder, store: Store) -> None:
    store.broken = store.keeps_what_it_denies = True
    recorder.offer(entry("a"))
    assert not recorder.flush()
    recorder.offer(entry("b"))
    store.broken = False
    assert recorder.flush()
    assert all(table.equals(tables[0]) for tables in store.files.values() for table in tables)


def test_a_full_ring_drops_the_newest_counts_them_and_says_so_in_the_next_file(
    recorder: Recorder, store: Store
) -> None:
    recorder.offer(entry("a", RING_ROWS))
    recorder.offer(entry("b", 3))
    assert recorder.flush()
    recorder.offer(entry("c"))
    assert recorder.flush()
    told = [int(table.schema.metadata[DROPPED_KEY]) for tables in store.files.values() for table in tables]
    assert recorder.dropped_rows == 3 and told == [3, 0]
    assert recorder.stored_rows == RING_ROWS + 2


def test_a_value_that_does_not_fit_becomes_null_and_costs_no_other_row(recorder: Recorder, store: Store) -> None:
    recorder.offer(entry("a", at=["2026-01-01T00:00:00Z", "tomorrow"], hour=[1, "x"]))
    assert recorder.flush()
    ((table,),) = store.files.values()
    assert table.column("hour").to_pylist() == [1, None]
    assert table.column("at").to_pylist() == [datetime(2026, 1, 1, tzinfo=UTC), None]


@pytest.mark.parametrize(
    ("type_", "stored"), [("Number", 2.0**64), ("Text", str(2**64 - 1)), ("Integer", None), ("Timestamp", None)]
)
def test_an_integer_that_arrow_has_not_costs_no_other_row_and_no_later_one(
    store: Store, type_: ColumnType, stored: object
) -> None:
    recorder = recorder_of(store, (Column(name="size", type=type_),))
    recorder.offer(entry("a", size=[2**64 - 1, None]))
    assert recorder.flush()
    recorder.offer(entry("b", size=[None, None]))
    assert recorder.flush()
    first, second = (tables[0] for tables in store.files.values())
    assert first.column("size").to_pylist() == [stored, None]
    assert second.column("bucle_id").to_pylist() == ["b", "b"]


def test_rows_that_cannot_be_written_are_dropped_counted_and_hold_up_nobody(recorder: Recorder, store: Store) -> None:
    recorder.offer(replace(entry("a"), scores=[["no number"], ["no number"]]))  # type: ignore[list-item]
    assert recorder.flush()
    recorder.offer(entry("b"))
    assert recorder.flush()
    ((table,),) = store.files.values()
    assert table.column("bucle_id").to_pylist() == ["b", "b"]
    assert (recorder.stored_rows, recorder.dropped_rows) == (2, 2)
    assert table.schema.metadata[DROPPED_KEY] == b"2"


def test_what_comes_while_files_are_written_waits_for_the_next_roll(store: Store) -> None:
    """Under traffic the ring is never empty: whoever writes until it is writes a file for every few rows."""
    recorder: Recorder

    class Busy(Store):
        def put(self, uri: str, table: pa.Table) -> None:
            super().put(uri, table)
            if len(self.files) < 10:
                recorder.offer(entry(f"n{len(self.files)}"))

    busy = Busy()
    recorder = recorder_of(busy)
    for n in range(100):
        recorder.offer(entry(f"e{n}"))
    assert recorder.flush()
    assert [tables[0].num_rows for tables in busy.files.values()] == [200]
    assert recorder.flush()
    assert [tables[0].num_rows for tables in busy.files.values()] == [200, 2]


def test_a_wide_table_fills_the_ring_with_fewer_rows(store: Store) -> None:
    columns = tuple(Column(name=f"c{n}", type="Number") for n in range(400))
    full = Count()
    recorder = recorder_of(store, columns, ring_full=full)
    for n in range(RING_CELLS // 400 // 1000 + 1):
        recorder.offer(entry(f"e{n}", 1000, c0=[1.0] * 1000))
    assert full.value == 1000


class Odd(Store):
    """Fails in a way that nobody foresaw, so often."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def put(self, uri: str, table: pa.Table) -> None:
        self.times -= 1
        if self.times >= 0:
            raise RuntimeError("nobody foresaw this")
        super().put(uri, table)


def test_an_unforeseen_failure_is_counted_tried_again_and_loses_nothing() -> None:
    odd, restarts = Odd(1), Count()
    recorder = recorder_of(odd, restarts=restarts)
    recorder.offer(entry("a"))
    assert not recorder.flush() and recorder.flush()
    assert (restarts.value, recorder.stored_rows, recorder.dropped_rows) == (1, 2, 0)


def test_rows_that_fail_again_and_again_give_way_and_are_counted() -> None:
    odd, unwritable = Odd(ODD_ATTEMPTS), Count()
    recorder = recorder_of(odd, unwritable=unwritable)
    recorder.offer(entry("a"))
    for _ in range(ODD_ATTEMPTS):
        assert not recorder.flush()
    recorder.offer(entry("b"))
    assert recorder.flush()
    assert (unwritable.value, recorder.stored_rows, recorder.dropped_rows) == (2, 2, 2)


class KeptAndOdd(Store):
    """Keeps each file, and fails afterwards in a way that nobody foresaw, so often."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def put(self, uri: str, table: pa.Table) -> None:
        super().put(uri, table)
        self.times -= 1
        if self.times >= 0:
            raise RuntimeError("nobody foresaw this")


def test_rows_that_gave_way_but_are_in_the_store_are_not_written_over_by_the_next() -> None:
    kept = KeptAndOdd(ODD_ATTEMPTS)
    recorder = recorder_of(kept)
    recorder.offer(entry("a"))
    for _ in range(ODD_ATTEMPTS):
        assert not recorder.flush()
    recorder.offer(entry("b"))
    assert recorder.flush()
    names = {
        uri.rpartition("/")[2]: {tuple(t.column("bucle_id").to_pylist()) for t in tables}
        for uri, tables in kept.files.items()
    }
    assert names == {"pod-1-000000.parquet": {("a", "a")}, "pod-1-000001.parquet": {("b", "b")}}


def test_the_thread_outlives_what_nobody_foresaw() -> None:
    odd = Odd(1)
    recorder = recorder_of(odd)
    recorder.offer(entry("a"))
    recorder.start()
    recorder.close(10)
    assert recorder.stored_rows == 2


def test_closing_writes_what_is_left(recorder: Recorder, store: Store) -> None:
    recorder.start()
    recorder.offer(entry("a"))
    recorder.close(10)
    assert recorder.stored_rows == 2 and len(store.files) == 1
