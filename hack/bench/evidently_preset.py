"""`python -m hack.bench.evidently_preset REFERENCE WINDOW NUMBERS CATEGORIES`: Evidently's DataDriftPreset on both tables; one line of JSON.

Loading them and telling it the columns is not measured; the memory holds both. Knows Evidently alone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from hack.bench.peak import peak_megabytes


def main(reference: Path, window: Path, numbers: list[str], categories: list[str]) -> dict[str, object]:
    imported = time.process_time()
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    known, current = (
        Dataset.from_pandas(pd.read_parquet(path), data_definition=definition) for path in (reference, window)
    )
    begun, cpu = time.perf_counter(), time.process_time()
    told: dict[str, Any] = Report([DataDriftPreset()], include_tests=True).run(current, known).dict()
    return {
        "rows": len(current.as_dataframe()),
        "columns": len(numbers) + len(categories),
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "imports": imported,
        "megabytes": peak_megabytes(),
        "drifted": _drifted(told),
    }


def _drifted(told: dict[str, Any]) -> list[str]:
    """Columns whose own test failed."""
    columns = {metric["id"]: metric.get("config", {}).get("column") for metric in told["metrics"]}
    failed = {
        column
        for test in told.get("tests", [])
        if str(test["status"]).endswith("FAIL")
        for column in [_column(test, columns)]
        if column
    }
    return sorted(failed)


def _column(test: dict[str, Any], columns: dict[str, Any]) -> str:
    config = test.get("metric_config", {})
    return str(config.get("params", {}).get("column") or columns.get(config.get("metric_id"), "") or "")


if __name__ == "__main__":
    names = [text.split(",") for text in sys.argv[3:5]]
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), *names)))
