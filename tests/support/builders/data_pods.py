"""A folder as store with one table of flights, and the tasks that make versions of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bucle.contracts import capture
from bucle.contracts.manifest import SPLITS, DatasetManifest
from bucle.contracts.result import DataResult
from bucle.contracts.task import DataTask
from bucle.podkit.program import ProgramError
from bucle.podkit.versions import read_manifest, read_split
from bucle.pods.data.build import build

START = datetime(2026, 1, 1, tzinfo=UTC)
TABLE: dict[str, Any] = {
    "target": {"name": "late", "task": "Binary", "positive": "1"},
    "columns": [
        {"name": "carrier", "type": "Category", "nullable": "Allowed"},
        {"name": "hour", "type": "Integer", "minimum": "0", "maximum": "23"},
        {"name": "id", "type": "Text", "role": "Id"},
        {"name": "time", "type": "Timestamp", "role": "Time"},
    ],
}


def rows(count: int = 240, **changes: Any) -> pa.Table:
    """One row an hour from the start of 2026 UTC."""
    columns: dict[str, Any] = {
        "carrier": [("AA", "UA", None)[i % 3] for i in range(count)],
        "hour": [i % 24 for i in range(count)],
        "id": [f"r{i}" for i in range(count)],
        "time": [START + timedelta(hours=i) for i in range(count)],
        "late": [int(i % 5 == 0) for i in range(count)],
    }
    return pa.table({**columns, **changes})


def task(tmp_path: Path, table: pa.Table | None = None, **changes: Any) -> DataTask:
    if table is not None:
        (tmp_path / "raw").mkdir(exist_ok=True)
        pq.write_table(table, tmp_path / "raw" / "part-1.parquet")
    document = {
        "name": "flights",
        "location": f"file://{tmp_path}/datasets",
        "table": TABLE,
        "sources": [{"uri": {"location": f"file://{tmp_path}/raw/*.parquet", "parquet": {}}}],
        "splits": {
            "hash": {"key": "id", "group": {"column": "time", "unit": "Day"}},
            "train": 70,
            "validation": 15,
            "test": 15,
            "seed": 9,
        },
    }
    return DataTask.from_json(json.dumps({**document, **changes}))


def stored(result: DataResult) -> tuple[DatasetManifest, dict[str, pa.Table]]:
    manifest = read_manifest(result.location, result.digest)
    return manifest, {name: read_split(result.location, manifest, name) for name in SPLITS}


def refused(tmp_path: Path, table: pa.Table | None = None, **changes: Any) -> ProgramError:
    with pytest.raises(ProgramError) as caught:
        build(task(tmp_path, table, **changes))
    assert caught.value.exit_code == 78
    return caught.value


def served(tmp_path: Path, count: int, **changes: list[Any]) -> dict[str, Any]:
    """Rows that a deployment answered and the labels sent back, as its servers store them; a feedback source of them."""
    root = tmp_path / "deployments" / "flights"
    received = [START + timedelta(seconds=i) for i in range(count)]
    ours = {
        capture.ID: [f"x{i}" for i in range(count)],
        capture.ROW: pa.array([0] * count, pa.int32()),
        capture.REQUEST_ID: [None] * count,
        capture.RECEIVED: pa.array(received, pa.timestamp("us", tz="UTC")),
        capture.ROLE: ["stable"] * count,
        capture.REVISION: ["rev1"] * count,
        capture.STATUS: pa.array([200] * count, pa.int16()),
        capture.LATENCY_MS: pa.array([1.0] * count, pa.float32()),
        capture.LABEL: ["0"] * count,
        capture.NUMBER: pa.array([None] * count, pa.float64()),
        capture.SCORES: [[0.5, 0.5]] * count,
    }
    captured = root / "capture" / "version=rev1" / "date=2026-01-01" / "hour=00"
    captured.mkdir(parents=True)
    told = changes.pop("label", [str(int(i % 4 == 0)) for i in range(0, count, 2)])
    table = pa.table({**rows(count).drop_columns(["late"]).to_pydict(), **changes, **ours})
    pq.write_table(table.slice(0, count // 2), captured / "pod-0.parquet")
    pq.write_table(table.slice(count // 2), captured / "pod-1.parquet")
    feedback = root / "feedback" / "date=2026-01-01"
    feedback.mkdir(parents=True)
    labels = {
        "id": [f"r{i}" for i in range(0, count, 2)],
        "request_id": pa.nulls((count + 1) // 2, pa.string()),
        "row": pa.array([0] * ((count + 1) // 2), pa.int32()),
        "label": told,
        "label_time": pa.nulls((count + 1) // 2, pa.timestamp("us", tz="UTC")),
        capture.RECEIVED: pa.array([START + timedelta(hours=1)] * ((count + 1) // 2), pa.timestamp("us", tz="UTC")),
    }
    pq.write_table(pa.table(labels), feedback / "pod-0.parquet")
    window = {"receivedBefore": "2026-01-01T02:00:00Z", "labelsReceivedBefore": "2026-01-01T02:00:00Z", "rows": 60}
    return {"feedback": {"location": f"file://{root}", **window}}
