"""The data program on a folder as store: one version per content, checked, split by whole groups, safe to run twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from tests.support.builders.data_pods import START, TABLE, refused, rows, stored, task

from bucle.contracts.expectations import Expectation, Unique
from bucle.contracts.manifest import SPLITS
from bucle.contracts.table import Deduplicate, TableSchema
from bucle.podkit.program import ProgramError
from bucle.pods.data.build import build, deduplicated
from bucle.pods.data.expectations import check

OPERATOR = Path(__file__).parents[4] / "operator"


def test_every_row_lands_in_one_split_and_every_day_whole(tmp_path: Path) -> None:
    result = build(task(tmp_path, rows()))
    manifest, tables = stored(result)
    assert result.rows == 240 == sum(table.num_rows for table in tables.values())
    assert {name: split.rows for name, split in result.splits.items()} == {n: t.num_rows for n, t in tables.items()}
    days = {name: {f"{time:%Y-%m-%d}" for time in table.column("time").to_pylist()} for name, table in tables.items()}
    assert all(manifest.groups[day] == SPLITS.index(name) for name in SPLITS for day in days[name])
    assert sum(len(found) for found in days.values()) == 10 == len(manifest.groups)


def test_the_same_content_is_the_same_version_and_the_same_files(tmp_path: Path) -> None:
    first = build(task(tmp_path, rows()))
    files = {path: path.read_bytes() for path in (tmp_path / "datasets").rglob("*") if path.is_file()}
    assert build(task(tmp_path)) == first
    assert {path: path.read_bytes() for path in (tmp_path / "datasets").rglob("*") if path.is_file()} == files


def test_a_version_that_is_there_is_not_written_again_and_one_that_lacks_a_file_is(tmp_path: Path) -> None:
    build(task(tmp_path, rows()))
    files = [path for path in (tmp_path / "datasets").rglob("*") if path.is_file()]
    before = {path: path.stat().st_ino for path in files}
    build(task(tmp_path))
    assert {path: path.stat().st_ino for path in files} == before
    train = next(path for path in files if path.parent.name == "train")
    train.unlink()
    build(task(tmp_path))
    assert train.exists()


def test_files_formats_and_types_of_a_source_do_not_change_the_version(tmp_path: Path) -> None:
    first = build(task(tmp_path, rows()))
    halves = tmp_path / "halves"
    halves.mkdir()
    table = rows()
    for name, half in (("a", table.slice(0, 100)), ("b", table.slice(100))):
        pa_csv.write_csv(half, halves / f"{name}.csv")
    source = {"uri": {"location": f"file://{halves}/?.csv", "csv": {}}}
    other = build(task(tmp_path, sources=[source]))
    assert other.digest == first.digest and other.source_revision != first.source_revision


def test_one_other_value_is_another_version(tmp_path: Path) -> None:
    first = build(task(tmp_path, rows()))
    changed = rows().to_pydict()
    changed["late"][7] = 1 - changed["late"][7]
    assert build(task(tmp_path, pa.table(changed))).digest != first.digest


def test_rows_without_a_target_are_left_out(tmp_path: Path) -> None:
    late = [None if i < 40 else i % 2 for i in range(240)]
    assert build(task(tmp_path, rows(late=late))).rows == 200


def test_duplicates_keep_the_row_asked_for(tmp_path: Path) -> None:
    table = pa.concat_tables([rows(), rows(hour=[23] * 240)])
    for keep, hours in (("First", sum(i % 24 for i in range(240))), ("Last", 23 * 240)):
        result = build(task(tmp_path, table, deduplicate={"keys": ["id"], "keep": keep}))
        _, tables = stored(result)
        assert sum(sum(t.column("hour").to_pylist()) for t in tables.values()) == hours


def test_rows_without_a_key_repeat_nothing_and_near_integers_are_not_equal() -> None:
    big = 2**53
    table = pa.table({"k": pa.array([None, None, big, big + 1, big])})
    kept = deduplicated(table, Deduplicate(keys=("k",), keep="First"))
    assert kept.column("k").to_pylist() == [None, None, big, big + 1]
    once = Expectation(name="once", dimension="Consistency", unique=Unique(columns=("k",)))
    assert check(kept.slice(1), [once]).accepted


EXPECTATIONS = [
    {"name": "early", "dimension": "Accuracy", "severity": "Warning", "range": {"column": "hour", "maximum": "21"}},
    {"name": "known", "dimension": "Accuracy", "allowed": {"column": "carrier", "values": ["AA"]}},
    {"name": "filled", "dimension": "Completeness", "nulls": {"column": "carrier", "maxPercent": 20}},
    {"name": "mostly", "dimension": "Completeness", "nulls": {"column": "carrier", "maxPercent": 34}},
    {"name": "once", "dimension": "Consistency", "unique": {"columns": ["hour", "carrier"]}},
]


def test_expectations_are_counted_by_rows_and_quality_by_dimension(tmp_path: Path) -> None:
    result = build(task(tmp_path, rows(), expectations=EXPECTATIONS))
    found = {f.name: (f.severity, f.rows, f.observed, f.limit) for f in result.failed}
    # 240 rows: carriers AA, UA, null by turns, hours 0…23 ten times; (hour, carrier) has 16 different
    # pairs in the 160 rows that have both.
    assert found == {
        "early": ("Warning", 20, "20", "0"),
        "known": ("Error", 80, "80", "0"),
        "filled": ("Error", 80, "33.33%", "20%"),
        "once": ("Error", 144, "144", "0"),
    }
    assert not result.accepted
    neither = sum(1 for i in range(240) if i % 24 <= 21 and i % 3 != 1)
    assert result.quality == {
        "accuracy": f"{neither / 240:.6g}",
        "completeness": "0.666667",
        "consistency": "0.4",
    }


def test_a_rule_on_the_targets_nulls_counts_the_rows_that_are_left_out(tmp_path: Path) -> None:
    late = [None if i < 60 else i % 2 for i in range(240)]
    rule = {"name": "labelled", "dimension": "Completeness", "nulls": {"column": "late", "maxPercent": 20}}
    result = build(task(tmp_path, rows(late=late), expectations=[rule]))
    assert [(f.name, f.rows, f.observed, f.limit) for f in result.failed] == [("labelled", 60, "25%", "20%")]
    assert result.quality["completeness"] == "0.75" and not result.accepted
    loose = {**rule, "nulls": {"column": "late", "maxPercent": 25}}
    assert build(task(tmp_path, expectations=[loose])).accepted


def test_a_failing_rule_costs_no_more_memory_than_one_that_passes() -> None:
    """In a process of its own: the peak of a process does not come down again."""
    assert peak_of_check(failing=True) < 1.3 * peak_of_check(failing=False)


def peak_of_check(*, failing: bool) -> int:
    program = f"""
import resource
import pyarrow as pa
from bucle.contracts.expectations import Expectation, Nulls, Range, Unique
from bucle.pods.data.expectations import check
count = 400_000
table = pa.table({{"n": [i % 1000 for i in range(count)], "t": [f"text {{i % 977}}" for i in range(count)]}})
high = "10" if {failing} else "1000"
rules = [Expectation(name=f"r{{i}}", dimension="Accuracy", range=Range(column="n", maximum=high)) for i in range(8)]
assert check(table, rules).accepted is not {failing}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    environment = {**os.environ, "PYTHONPATH": str(OPERATOR)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize("rule_first", [True, False])
def test_a_key_that_is_not_whole_repeats_nothing_for_either_rule(rule_first: bool) -> None:
    table = pa.table({"a": ["x", "x", None, None, "y"], "b": [1, 1, 2, 2, None]})
    once = [Expectation(name="once", dimension="Consistency", unique=Unique(columns=("a", "b")))]
    if rule_first:
        assert [failure.rows for failure in check(table, once).failed] == [1]
    kept = deduplicated(table, Deduplicate(keys=("a", "b"), keep="Last"))
    assert kept.num_rows == 4 and check(kept, once).accepted


@pytest.mark.parametrize(
    ("expectations", "accepted"), [([], True), (EXPECTATIONS[:1], True), (EXPECTATIONS[1:2], False)]
)
def test_only_an_error_refuses_a_version(tmp_path: Path, expectations: list[Any], accepted: bool) -> None:
    assert build(task(tmp_path, rows(), expectations=expectations)).accepted is accepted


def test_what_the_schema_says_of_a_column_is_checked_too(tmp_path: Path) -> None:
    hours = [None, 24, *(i % 24 for i in range(2, 240))]
    result = build(task(tmp_path, rows(hour=hours)))
    assert [(f.name, f.rows) for f in result.failed] == [("hour.nullable", 1), ("hour.range", 1)]


def test_no_message_and_no_result_holds_a_value(tmp_path: Path) -> None:
    secret = build(task(tmp_path, rows(carrier=["secret"] * 240), expectations=EXPECTATIONS))
    assert "secret" not in secret.canonical()
    assert "secret" not in refused(tmp_path, rows(hour=["secret"] * 240)).message


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"late": [None] * 240}, "SourceEmpty", "hold 240 rows, none of them with a target"),
        ({"late": [i % 3 for i in range(240)]}, "WrongType", "2 values beside the positive one"),
        ({"time": [None, *[START] * 239]}, "WrongType", "1 rows have no value in time"),
    ],
)
def test_data_that_cannot_be_a_version_says_why(
    tmp_path: Path, changes: dict[str, Any], reason: str, words: str
) -> None:
    error = refused(tmp_path, rows(**changes))
    assert error.reason == reason and words in error.message


def test_a_misspelt_column_is_refused_with_the_name_that_the_file_has(tmp_path: Path) -> None:
    table = rows()
    misspelt = table.rename_columns({"hour": "hours"})
    assert "hours" in refused(tmp_path, misspelt).message.partition("it has")[2]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("a,a\n1,1\n", {"delimiter": "é"}, "delimited by 'é'"),
        ("", {}, "not readable as text"),
        ("carrier,hour,hour,id,time,late\nAA,1,1,r,2026-01-01T00:00:00Z,1\n", {}, "several columns called hour"),
    ],
)
def test_text_that_cannot_be_a_table_says_why(tmp_path: Path, text: str, options: dict[str, str], words: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    source = {"uri": {"location": f"file://{tmp_path}/*.csv", "csv": options}}
    error = refused(tmp_path, sources=[source])
    assert error.reason == "WrongType" and words in error.message


def test_a_specification_that_does_not_fit_says_where(tmp_path: Path) -> None:
    foreign = [{"name": "x", "dimension": "Accuracy", "range": {"column": "speed", "minimum": "0"}}]
    assert "expectation x names the column speed" in refused(tmp_path, rows(), expectations=foreign).message
    assert refused(tmp_path, rows(), deduplicate={"keys": ["speed"]}).reason == "UnknownColumn"
    nowhere = [{"uri": {"location": f"file://{tmp_path}/raw/2*.parquet", "parquet": {}}}]
    assert refused(tmp_path, sources=nowhere).reason == "SourceMissing"


def test_a_folder_of_partitions_is_one_table_with_the_columns_of_its_paths(tmp_path: Path) -> None:
    whole = build(task(tmp_path, rows()))
    for carrier, value in (("AA", "AA"), ("UA", "UA"), (None, "__HIVE_DEFAULT_PARTITION__")):
        kept = [row for row in rows().to_pylist() if row["carrier"] == carrier]
        folder = tmp_path / "days" / f"carrier={value}"
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(kept).drop_columns(["carrier"]), folder / "part.parquet")
    (tmp_path / "days" / "_SUCCESS").touch()
    location = f"file://{tmp_path}/days"
    parts = build(task(tmp_path, sources=[{"uri": {"location": location, "parquet": {}}}]))
    assert parts.rows == whole.rows == 240
    by_id = {row["id"]: row for table in stored(parts)[1].values() for row in table.to_pylist()}
    assert by_id == {row["id"]: row for table in stored(whole)[1].values() for row in table.to_pylist()}


def test_a_version_is_a_source_of_another(tmp_path: Path) -> None:
    base = build(task(tmp_path, rows()))
    source = {"dataset": {"location": base.location, "digest": base.digest}}
    child = build(task(tmp_path, sources=[source]))
    assert child.rows == base.rows
    assert {name: split.rows for name, split in child.splits.items()} == {n: s.rows for n, s in base.splits.items()}
    wrong = {"dataset": {"location": base.location, "digest": "sha256:" + "0" * 64}}
    assert refused(tmp_path, sources=[wrong]).reason == "DigestMismatch"


def test_rows_without_a_target_are_told(tmp_path: Path) -> None:
    assert build(task(tmp_path, rows(late=[None if i < 40 else i % 2 for i in range(240)]))).set_aside == {
        "late null": 40
    }


def test_a_column_that_is_called_as_one_of_ours_is_refused_by_name(tmp_path: Path) -> None:
    columns = [*TABLE["columns"], {"name": "bucle_id", "type": "Integer"}]
    schema = TableSchema.from_json(json.dumps({**TABLE, "columns": columns}))
    with pytest.raises(ProgramError) as caught:
        build(task(tmp_path, rows()).model_copy(update={"table": schema}))
    assert "the column bucle_id begins with bucle_" in caught.value.message


def test_two_thousand_columns_are_typed_checked_and_written_in_seconds(tmp_path: Path) -> None:
    names = [f"n{i}" for i in range(2_000)]
    table = rows().select(["id", "time", "late"])
    wide = pa.table({**dict(zip(table.column_names, table.columns, strict=True)), **{n: [0.5] * 240 for n in names}})
    columns = [*TABLE["columns"][2:], *({"name": n, "type": "Number", "minimum": "0"} for n in names)]
    schema = TableSchema.from_json(json.dumps({**TABLE, "columns": columns}))
    asked = task(tmp_path, wide).model_copy(update={"table": schema})
    started = time.process_time()
    assert build(asked).rows == 240
    assert time.process_time() - started < 15
