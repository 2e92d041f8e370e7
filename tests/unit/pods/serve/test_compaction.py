"""Small files become few: each row can be read once at any moment, whoever looks and whatever the store does."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.contracts.capture import DROPPED_KEY, file_stem, uncovered
from bucle.podkit.program import ProgramError
from bucle.pods.serve.compaction import FOLDER_CLOSED, MANY_FILES, MOST_ROWS, READ_BY_THEN, Compactor, Written, groups

HOUR = datetime(2026, 1, 1, 12, tzinfo=UTC)
AFTER = HOUR + timedelta(hours=1) + FOLDER_CLOSED
FOLDER = "s3://b/d/capture/version=r1/date=2026-01-01/hour=12"


@dataclass
class Store:
    files: dict[str, pa.Table] = field(default_factory=dict)
    broken: bool = False

    def put(self, uri: str, table: pa.Table) -> None:
        self._look()
        self.files[uri] = table

    def get(self, uri: str) -> pa.Table:
        self._look()
        return self.files[uri]

    def delete(self, uri: str) -> None:
        self._look()
        self.files.pop(uri, None)

    def _look(self) -> None:
        if self.broken:
            raise ProgramError(75, "StoreUnavailable", "the store is down")

    def readable(self) -> list[int]:
        """What a reader of the folder sees."""
        return sorted(n for uri in uncovered(sorted(self.files)) for n in self.files[uri].column("n").to_pylist())


@dataclass
class Pod:
    store: Store = field(default_factory=Store)
    written: int = 0

    def __post_init__(self) -> None:
        self.merged: list[int] = []
        self.compactor = Compactor("pod-1", self.store, self.merged.append)

    def write(self, count: int, **more: list[float]) -> None:
        for _ in range(count):
            columns = {"n": [self.written]} | more
            table = pa.table(columns).replace_schema_metadata({DROPPED_KEY: b"1"})
            self.store.files[f"{FOLDER}/{file_stem('pod-1', self.written)}.parquet"] = table
            self.compactor.wrote(FOLDER, HOUR, Written(self.written, self.written, 1, table.nbytes))
            self.written += 1

    def settle(self, now: datetime) -> None:
        while self.compactor.turn(now):
            pass


@pytest.fixture
def pod() -> Pod:
    return Pod()


def test_few_files_of_an_open_hour_stay_as_they_are(pod: Pod) -> None:
    pod.write(MANY_FILES - 1)
    pod.settle(HOUR)
    assert len(pod.store.files) == MANY_FILES - 1


def test_many_files_become_one_and_are_removed_once_everybody_has_read_them(pod: Pod) -> None:
    pod.write(MANY_FILES)
    pod.settle(HOUR)
    assert pod.merged == [MANY_FILES]
    assert pod.store.readable() == list(range(MANY_FILES)), "not twice, while both are there"
    pod.settle(HOUR + READ_BY_THEN)
    assert list(pod.store.files) == [f"{FOLDER}/pod-1-000000_000059.parquet"]
    assert pod.store.readable() == list(range(MANY_FILES))


def test_a_closed_hour_becomes_one_file_with_all_that_was_dropped(pod: Pod) -> None:
    pod.write(MANY_FILES + 3)
    pod.settle(HOUR)
    pod.write(2, extra=[1.5])
    pod.settle(AFTER)
    pod.settle(AFTER + READ_BY_THEN)
    ((uri, table),) = pod.store.files.items()
    assert uri.endswith("pod-1-000000_000064.parquet")
    assert table.schema.metadata[DROPPED_KEY] == b"65"
    assert table.column("extra").to_pylist()[-3:] == [None, 1.5, 1.5]


def test_an_outage_changes_nothing_and_is_made_up_for(pod: Pod) -> None:
    pod.write(5)
    pod.store.broken = True
    pod.settle(AFTER)
    assert len(pod.store.files) == 5
    pod.store.broken = False
    pod.settle(AFTER)
    pod.settle(AFTER + READ_BY_THEN)
    assert len(pod.store.files) == 1 and pod.store.readable() == list(range(5))


def test_a_file_that_came_late_stands_beside_the_merged_one(pod: Pod) -> None:
    pod.write(3)
    pod.settle(AFTER)
    pod.write(1)
    assert pod.store.readable() == [0, 1, 2, 3]
    pod.settle(AFTER)
    assert pod.store.readable() == [0, 1, 2, 3]


def test_other_writers_and_strange_names_are_never_covered() -> None:
    uris = [
        "f/a-000000_000002.parquet",
        "f/a-000001.parquet",
        "f/b-000001.parquet",
        "g/a-000001.parquet",
        "f/x.parquet",
    ]
    assert uncovered(uris) == [uris[0], *uris[2:]]


@given(st.lists(st.tuples(st.integers(1, MOST_ROWS), st.booleans()), max_size=40), st.integers(2, 5))
def test_groups_are_neighbours_that_fit_together(sizes: list[tuple[int, bool]], fewest: int) -> None:
    files = [Written(n, n, rows, 100) for n, (rows, _) in enumerate(sizes)]
    found = list(groups(files, fewest=fewest))
    for group in found:
        assert len(group) >= fewest and sum(file.rows for file in group) <= MOST_ROWS
        assert [file.first for file in group] == list(range(group[0].first, group[-1].first + 1))
    assert len({file.first for group in found for file in group}) == sum(map(len, found))


def test_a_file_that_may_be_in_the_store_though_its_put_failed_is_in_no_merged_name() -> None:
    """The name of a merged file covers all numbers between its ends: a reader would no longer see that one."""
    files = [Written(n, n, 1, 100) for n in (0, 1, 3, 4, 6)]
    assert [[file.first for file in group] for group in groups(files, fewest=2)] == [[0, 1], [3, 4]]
