"""Files of a window are read in parts, and what is found is what one table would give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bucle.podkit import store, window_files
from bucle.podkit.profiles import Stretches, category_profile, number_profile
from bucle.podkit.program import ProgramError
from bucle.podkit.sketches import Sketcher
from bucle.podkit.window_files import sketch_files

NO_TIME = Stretches.of(None)
WIDTH = 2 * window_files.COLUMNS_AT_ONCE + 3


def rows(seed: int, width: int = WIDTH, n: int = 300) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {f"x{at}": pa.array(rng.standard_normal(n)) for at in range(width)}
    return pa.table(columns | {"kind": pa.array(rng.choice(["a", "b", "c"], n))})


def sketcher(table: pa.Table) -> Sketcher:
    profiles = [
        category_profile(name, table.column(name).to_numpy(), NO_TIME)
        if name == "kind"
        else number_profile(name, table.column(name).to_numpy(), NO_TIME)
        for name in table.column_names
    ]
    return Sketcher(profiles, {}, {})


def test_several_wide_files_are_one_table(tmp_path: Path) -> None:
    first, second = rows(1), rows(2)
    for name, table in (("1", first), ("2", second)):
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=70)
    asked = sketcher(rows(3))
    found = sketch_files(asked, [f"file://{tmp_path}/1.parquet", f"file://{tmp_path}/2.parquet"])
    assert found == asked.sketch(first).and_then(asked.sketch(second))


def test_a_file_without_a_column_and_one_without_rows(tmp_path: Path) -> None:
    table = rows(1, width=2)
    pq.write_table(table.drop_columns(["x0"]), tmp_path / "1.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "2.parquet")
    asked = sketcher(table)
    found = sketch_files(asked, [f"file://{tmp_path}/1.parquet", f"file://{tmp_path}/2.parquet"])
    assert [column.missing for column in found.columns] == [300, 0, 0] and found.rows == 300


def test_no_files_are_no_rows() -> None:
    asked = sketcher(rows(1, width=2))
    assert sketch_files(asked, []) == asked.empty()


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "WrongType"), (b"no parquet at all", "WrongType"), (None, "SourceMissing")]
)
def test_what_is_no_file_of_rows_is_told(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "1.parquet").write_bytes(content)
    with pytest.raises(ProgramError) as error:
        list(store.parquet_batches(f"file://{tmp_path}/1.parquet", ["x0"], [], 10))
    assert error.value.reason == reason
