"""Whatever stands in a person's files: words with the column, the row and the rule, and never a library's exception."""

from __future__ import annotations

import bz2
import decimal
import gzip
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from tests.support.builders.data_pods import START, refused, rows, task

from bucle.contracts.row_rules import NUMBER_LABEL_LIMIT
from bucle.contracts.table import Column, TableSchema, Target
from bucle.podkit.program import ProgramError
from bucle.pods.data.build import build

COUNT = 240
HEAD = b"carrier,hour,id,time,late\n"
GOOD = b"".join(b"AA,%d,r%d,2026-01-%02dT00:00:00Z,%d\n" % (i % 24, i, 1 + i % 28, i % 2) for i in range(20))


def one_bad(value: Any, good: Any) -> list[Any]:
    """The eighth row is bad."""
    return [value if at == 7 else good for at in range(COUNT)]


def full(value: Any, type_: pa.DataType) -> pa.Array:
    return pa.array([value] * COUNT, type_)


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        (
            "hour",
            one_bad("x", "1"),
            "hour must be Integer, but 1 of 240 values are not whole numbers, the first in row 8",
        ),
        ("hour", one_bad(float("inf"), 1.0), "1 of 240 values are not whole numbers, the first in row 8"),
        ("hour", [[1]] * COUNT, "240 of 240 values are not whole numbers"),
        ("hour", full(2**64 - 1, pa.uint64()), "do not fit into 64 bits"),
        ("hour", full(decimal.Decimal("1.5"), pa.decimal128(10, 2)), "are not whole numbers"),
        ("hour", full(decimal.Decimal(10) ** 30, pa.decimal128(38, 2)), "do not fit into 64 bits"),
        ("hour", full(1, pa.duration("s")), "are not whole numbers"),
        ("carrier", [{"a": 1}] * COUNT, "carrier must be Category, but 240 of 240 values are neither text nor numbers"),
        ("carrier", [b"\xff\xfe"] * COUNT, "are neither text nor numbers"),
        ("carrier", full([("a", 1)], pa.map_(pa.string(), pa.int64())), "are neither text nor numbers"),
        ("time", full(1, pa.time32("s")), "time must be Timestamp, but 240 of 240 values are not ISO 8601 times"),
        ("time", full(date(9999, 12, 31), pa.date32()), "are not times from 1678 to 2261"),
        ("time", full(2**62, pa.timestamp("us")), "are not times from 1678 to 2261"),
        ("time", full(-(2**62), pa.timestamp("ms", tz="UTC")), "are not times from 1678 to 2261"),
        ("time", pa.nulls(COUNT), "240 rows have no value in time, which decides their split"),
        ("late", [START] * COUNT, "late must be Category, but 240 of 240 values are neither text nor numbers"),
        (
            "late",
            [at % 3 for at in range(COUNT)],
            "the target late is Binary, but has 2 values beside the positive one",
        ),
    ],
)
def test_a_value_that_is_none_is_told_with_its_column_row_and_rule(
    tmp_path: Path, column: str, values: Any, words: str
) -> None:
    assert words in refused(tmp_path, rows(COUNT, **{column: values})).message


DELAYS = TableSchema(
    target=Target(name="delay", task="Regression"),
    columns=(Column(name="id", type="Text", role="Id"), Column(name="time", type="Timestamp", role="Time")),
)
LIMIT = "delay must be Number, but 1 of 240 values are not between -1e+60 and 1e+60"


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1e308, LIMIT),
        (-1e308, LIMIT),
        (1e60, LIMIT),
        (float("inf"), "delay must be Number, but 1 of 240 values are not finite"),
    ],
)
def test_a_target_that_no_label_may_be_is_told_before_anything_is_fitted(
    tmp_path: Path, value: float, words: str, form: str
) -> None:
    """What a server would refuse as a label is no target either: squares of its errors are no numbers any more."""
    table = rows(COUNT, delay=one_bad(value, 1.5))
    source: dict[str, Any] = {}
    if form == "csv":
        (tmp_path / "raw").mkdir()
        pa_csv.write_csv(table, tmp_path / "raw" / "a.csv")
        source = {"sources": [{"uri": {"location": f"file://{tmp_path}/raw/*.csv", "csv": {}}}]}
    with pytest.raises(ProgramError) as caught:
        build(task(tmp_path, table if form == "parquet" else None, **source).model_copy(update={"table": DELAYS}))
    error = caught.value
    assert error.reason == "WrongType" and words in error.message and "the first in row 8 of" in error.message


def test_a_target_right_below_the_limit_is_one(tmp_path: Path) -> None:
    table = rows(COUNT, delay=one_bad(NUMBER_LABEL_LIMIT / 1.1, -1.5))
    assert build(task(tmp_path, table).model_copy(update={"table": DELAYS})).rows == COUNT


def zipped(data: bytes) -> bytes:
    return b"PK\x03\x04" + data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        *(
            (HEAD + GOOD + b"AA," + hour + b",rz,2026-01-01,1\n", words)
            for hour, words in (
                (b"12abc", "hour must be Integer, but 1 of 21 values are not whole numbers, the first in row 21"),
                (b"1_0", "are not whole numbers"),
                ("١٢".encode(), "are not whole numbers"),
                (b"9" * 20, "do not fit into 64 bits"),
            )
        ),
        *(
            (HEAD + GOOD + b"AA,1,rz," + time + b",1\n", "1 of 21 values are not ISO 8601 times, the first in row 21")
            for time in (b"2026-02-30", b"noon", b"1767225600", b"2026-01-01T23:59:60Z")
        ),
        (HEAD + GOOD + b"\xe9,1,rz,2026-01-01,1\n", "line 22 is not UTF-8, it may be Latin-1"),
        (HEAD + GOOD + b"AA,1\n", "row 21 has 2 cells, where 5 are columns"),
        (HEAD, "hold 0 rows"),
        (b"", "it is empty"),
        (gzip.compress(HEAD + GOOD), "raw/a.csv is compressed with gzip: unpack it"),
        (bz2.compress(HEAD + GOOD), "is compressed with bzip2"),
        (zipped(HEAD), "is compressed with zip"),
        (b"PAR1,BZh\n1,2\n", "has no column carrier, hour, id, time, late; it has BZh, PAR1"),
        (b"PAR1" + HEAD + b"PAR1", "is a Parquet file: write `parquet: {}` instead of `csv`"),
    ],
)
def test_a_text_file_that_is_no_table_is_told_with_its_place(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.csv").write_bytes(data)
    source = {"uri": {"location": f"file://{tmp_path}/raw/*.csv", "csv": {}}}
    assert words in refused(tmp_path, sources=[source]).message
