"""What nothing can be learned from is said where a version is made, and not by a library in a trial an hour later."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.builders.data_pods import TABLE, refused, rows, stored, task

from bucle.contracts.manifest import SPLITS
from bucle.contracts.table import TableSchema
from bucle.podkit.splits import split_codes_of
from bucle.pods.data.build import build


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            rows(24),
            "rows and has none, since whole Days are dealt out and there are 1",
        ),
        (rows(late=[1] * 240), "have the same late, so nothing can be learned or measured there"),
    ],
)
def test_a_split_that_nothing_can_be_learned_from_is_refused_here(tmp_path: Path, table: pa.Table, words: str) -> None:
    error = refused(tmp_path, table)
    assert error.reason == "SplitEmpty" and words in error.message


def test_a_class_of_the_schema_that_nobody_has_is_a_warning(tmp_path: Path) -> None:
    target = {"name": "late", "task": "MultiClass", "classes": ["0", "1", "cancelled"]}
    schema = TableSchema.from_json(json.dumps({**TABLE, "target": target}))
    result = build(task(tmp_path, rows()).model_copy(update={"table": schema}))
    assert [(f.name, f.observed) for f in result.failed if f.severity == "Warning"] == [("late.rare", "0")]


def test_an_empty_feature_and_a_rare_class_are_warnings(tmp_path: Path) -> None:
    late = [int(i % 24 == 0) for i in range(240)]
    result = build(task(tmp_path, rows(carrier=pa.nulls(240, pa.string()), late=late)))
    assert result.accepted
    assert [(f.name, f.severity) for f in result.failed] == [("carrier.empty", "Warning"), ("late.rare", "Warning")]


def test_a_manifest_says_in_which_split_any_row_would_have_been(tmp_path: Path) -> None:
    manifest, tables = stored(build(task(tmp_path, rows())))
    assert manifest.rule is not None
    for at, name in enumerate(SPLITS):
        assert set(split_codes_of(tables[name], manifest.rule).tolist()) == {at}
