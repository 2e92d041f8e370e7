"""One table, three ways in: text, Parquet and captured JSON rows give the same values, or the same refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bucle.contracts.table import Column, TableSchema, Target
from bucle.contracts.task import Csv, SourceItem
from bucle.podkit.capture_files import Captured, capture_table
from bucle.podkit.frames import typed_table
from bucle.podkit.program import ProgramError
from bucle.pods.data.sources import read_sources

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCHEMA = TableSchema(
    target=Target(name="late", task="Binary", positive="1"),
    columns=(
        Column(name="carrier", type="Category", nullable="Allowed"),
        Column(name="gate", type="Category", nullable="Allowed"),
        Column(name="stops", type="Integer", nullable="Allowed"),
        Column(name="speed", type="Number", nullable="Allowed"),
        Column(name="heavy", type="Boolean", nullable="Allowed"),
        Column(name="note", type="Text", nullable="Allowed"),
        Column(name="time", type="Timestamp", role="Time", nullable="Allowed"),
    ),
)


def from_text(folder: Path, table: pa.Table) -> pa.Table:
    pa_csv.write_csv(table, folder / "table.csv")
    return read(folder, "table.csv", csv={})


def from_pandas_text(folder: Path, table: pa.Table) -> pa.Table:
    """As most CSV files are made: integers with a null as 1.0, booleans as True."""
    table.to_pandas().to_csv(folder / "table.csv", index=False, date_format="%Y-%m-%dT%H:%M:%S.%f%z")
    return read(folder, "table.csv", csv={})


def from_parquet(folder: Path, table: pa.Table) -> pa.Table:
    pq.write_table(table, folder / "table.parquet")
    return read(folder, "table.parquet", parquet={})


def from_row_groups(folder: Path, table: pa.Table) -> pa.Table:
    """As a writer that streams makes it: a few rows at a time, so that every column comes in many chunks."""
    pq.write_table(table, folder / "table.parquet", row_group_size=2)
    return read(folder, "table.parquet", parquet={})


def from_requests(folder: Path, table: pa.Table) -> pa.Table:
    """What a caller sends as JSON, as a server stores it; the outcome came later."""
    sent = {name: as_json(table.column(name)) for name in table.column_names}
    columns = json.loads(json.dumps(sent))
    entry = Captured("x", None, NOON, "stable", "r1", 1.0, table.num_rows, columns)
    captured = capture_table([entry], SCHEMA.columns)
    for name in table.column_names:
        if name not in captured.column_names:
            captured = captured.append_column(name, table.column(name))
    pq.write_table(captured.select(table.column_names), folder / "table.parquet")
    return read(folder, "table.parquet", parquet={})


def as_json(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_decimal(column.type) or pa.types.is_float32(column.type):
        column = column.cast(pa.string()).cast(pa.float64())
    return [value.isoformat() if isinstance(value, datetime) else value for value in column.to_pylist()]


def read(folder: Path, file: str, **form: Any) -> pa.Table:
    location = f"file://{folder}/{file}"
    return read_sources([SourceItem.from_json(json.dumps({"uri": {"location": location, **form}}))], SCHEMA).table


WAYS: list[Callable[[Path, pa.Table], pa.Table]] = [
    from_text,
    from_pandas_text,
    from_parquet,
    from_row_groups,
    from_requests,
]

texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\x00", exclude_categories=("Cs", "Cc")), min_size=1, max_size=6
).filter(
    # What pandas, Arrow and the options of the source read as a null or a number is the subject of other tests.
    lambda text: (
        text.strip() == text and not any(c.isdigit() for c in text) and text.lower() not in ("nan", "na", "null")
    )
)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
rows = st.fixed_dictionaries(
    {
        "carrier": st.none() | texts,
        "gate": st.none() | st.sampled_from([0, 1, 7]),
        "stops": st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
        "speed": st.none() | numbers,
        "heavy": st.none() | st.booleans(),
        "note": st.none() | texts,
        "time": st.none() | st.integers(-7_000_000_000, 7_000_000_000).map(lambda s: NOON + timedelta(seconds=s)),
        "late": st.sampled_from([0, 1]),
    }
)
TYPES = {
    "carrier": pa.string(),
    "gate": pa.int64(),
    "stops": pa.int64(),
    "speed": pa.float64(),
    "heavy": pa.bool_(),
    "note": pa.string(),
    "time": pa.timestamp("us", tz="UTC"),
    "late": pa.int64(),
}


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rows, min_size=1, max_size=12))
def test_one_table_has_one_meaning(tmp_path_factory: pytest.TempPathFactory, given_rows: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(given_rows, schema=pa.schema(list(TYPES.items())))
    folder = tmp_path_factory.mktemp("ways")
    first, *others = [way(folder, table) for way in WAYS]
    assert first.num_rows == len(given_rows)
    for other in others:
        assert other.equals(first)


@pytest.mark.parametrize(
    ("column", "values", "meaning"),
    [
        ("gate", pa.array([0, 1, None]), ["0", "1", None]),
        ("gate", pa.array([1.5, 1e-7, None]), ["1.5", "1e-07", None]),
        ("gate", pa.array([Decimal("1.50"), Decimal("2.00"), None]), ["1.5", "2", None]),
        ("gate", pa.array([0.1, 2.0, None], pa.float32()), ["0.1", "2", None]),
        ("gate", pa.array([True, False, None]), ["true", "false", None]),
        ("gate", pa.array(["007", "1E5", "e\u0301"]), ["007", "1E5", "é"]),
        ("speed", pa.array([0.1, 2.5, None], pa.float32()), [0.1, 2.5, None]),
        ("speed", pa.array([Decimal("0.10"), Decimal("2.50"), None]), [0.1, 2.5, None]),
        ("stops", pa.array([1, 2, None], pa.uint8()), [1, 2, None]),
        ("heavy", pa.array([1, 0, None]), [True, False, None]),
        ("late", pa.array([1, 0, None]), ["1", "0", None]),
        ("late", pa.array([True, False, None]), ["true", "false", None]),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_numbers_that_are_names_have_one_name(
    tmp_path: Path, way: Callable[[Path, pa.Table], pa.Table], column: str, values: pa.Array, meaning: list[Any]
) -> None:
    plain = {name: pa.nulls(len(values), type_) for name, type_ in TYPES.items()}
    assert way(tmp_path, pa.table(plain | {column: values})).column(column).to_pylist() == meaning


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        (
            "stops",
            pa.array([1.0, 1.5, 2.5]),
            "column stops must be Integer, but 2 of 3 values are not whole numbers, the first in row 2",
        ),
        ("stops", pa.array([1, 2, 2**63], pa.uint64()), "1 of 3 values do not fit into 64 bits, the first in row 3"),
        ("stops", pa.array([True, False, True]), "3 of 3 values are not whole numbers, the first in row 1"),
        ("speed", pa.array([1.0, float("inf"), 2.0]), "1 of 3 values are not finite, the first in row 2"),
        ("speed", pa.array(["1", "secret", "2"]), "1 of 3 values are not numbers, the first in row 2"),
        ("heavy", pa.array([0, 1, 2]), "1 of 3 values are neither true nor false, the first in row 3"),
        ("time", pa.array(["2026-01-01", "soon", "2026-13-01"]), "2 of 3 values are not ISO 8601 times"),
        ("time", pa.array([1735689600, 1735689601, 1735689602]), "3 of 3 values are not ISO 8601 times"),
        (
            "time",
            pa.array([NOON, datetime(9999, 12, 31, tzinfo=UTC), NOON]),
            "1 of 3 values are not times from 1678 to 2261, the first in row 2",
        ),
        (
            "time",
            pa.array(["9999-12-31T23:00:00-05:00", "0001-01-01T00:00:00+05:00", None]),
            "2 of 3 values are not times from",
        ),
        ("gate", pa.array(["3.1", "3.10", "4"]), "1 of 3 values are a number that other rows write in another way"),
    ],
)
@pytest.mark.parametrize("way", [from_text, from_parquet])
def test_what_is_no_such_value_is_refused_in_the_same_words(
    tmp_path: Path, way: Callable[[Path, pa.Table], pa.Table], column: str, values: pa.Array, words: str
) -> None:
    plain = {name: pa.nulls(len(values), type_) for name, type_ in TYPES.items()}
    with pytest.raises(ProgramError) as caught:
        way(tmp_path, pa.table(plain | {column: values}))
    assert (caught.value.exit_code, caught.value.reason) == (78, "WrongType")
    assert words in caught.value.message and f"{tmp_path}/table." in caught.value.message
    assert "secret" not in caught.value.message


def test_a_table_of_many_blocks_means_the_same(tmp_path: Path) -> None:
    count = 400_000
    table = pa.table(
        {
            "carrier": [f"carrier {i % 40}" for i in range(count)],
            "gate": pa.array([None if i == count - 1 else i % 3 for i in range(count)]),
            "stops": list(range(count)),
            "speed": [i / 7 for i in range(count)],
            "heavy": [i % 2 == 0 for i in range(count)],
            "note": [f'line one of {i}\nline "two"' for i in range(count)],
            "time": pa.array([NOON] * count, TYPES["time"]),
            "late": [i % 2 for i in range(count)],
        }
    )
    first = from_parquet(tmp_path, table)
    assert from_text(tmp_path, table).equals(first)
    assert (tmp_path / "table.csv").stat().st_size > 2 * (16 << 20), "more than one block of text"


def test_names_of_columns_in_either_form_of_unicode_are_found(tmp_path: Path) -> None:
    schema = TableSchema(target=SCHEMA.target, columns=(Column(name="durée", type="Integer"),))
    table = pa.table({"dure\u0301e": [1], "late": [0]})
    assert typed_table(table, schema).column_names == ["durée", "late"]


def test_a_cell_of_three_megabytes_is_read(tmp_path: Path) -> None:
    plain = {name: pa.nulls(1, type_) for name, type_ in TYPES.items()}
    table = pa.table(plain | {"note": ["x" * 20_000_000]})
    assert from_text(tmp_path, table).equals(from_parquet(tmp_path, table))


HEAD = "carrier,gate,stops,speed,heavy,note,time,late\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ((HEAD + "a,1,1,1,1,n,,0\na,1,1\n").encode(), "row 2 has 3 cells, where 8 are columns"),
        ((HEAD + "a,1,1,1,1,n,,0,9\n").encode(), "row 1 has 9 cells, where 8 are columns"),
        ((HEAD + "a,1,1,1,1,n,,0\né,1,1,1,1,n,,0\n").encode("latin-1"), "line 3 is not UTF-8, it may be Latin-1"),
        ((HEAD + "a,1,1,1,1,n,,0\n").encode("utf-16"), "is encoded as UTF-16 from line 1 on: save it as UTF-8"),
        ((HEAD + "a,1,1,1,1,n,,0\n").encode("utf-16-le"), "is encoded as UTF-16 from line 1 on"),
        ((HEAD + 'a,1,1,1,1,"n,,0\n').encode(), "row 1 has 6 cells, where 8 are columns"),
        (b"carrier,gate\na,1\n", "has no column stops, speed, heavy, note, time and 1 more; it has carrier, gate"),
        (HEAD.replace("gate", "gate ").encode(), "has no column gate; it has carrier, 'gate '"),
    ],
)
def test_a_refused_text_file_names_the_file_and_the_place(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "table.csv").write_bytes(data)
    with pytest.raises(ProgramError) as caught:
        read(tmp_path, "table.csv", csv=Csv().as_json())
    assert words in caught.value.message and f"{tmp_path}/table.csv" in caught.value.message


def test_a_class_is_spelt_as_the_schema_spells_it(tmp_path: Path) -> None:
    schema = TableSchema(target=Target(name="late", task="Binary", positive="True"), columns=())
    for table in (pa.table({"late": [True, False]}), pa.table({"late": pd.Series([True, False]).astype(str).tolist()})):
        assert typed_table(table, schema).column("late").to_pylist() == ["True", "false"]
