"""What measures the speed of drift runs, and its page follows from what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hack.bench import ours, page, profile
from hack.bench.tables import SHIFTED, Shape, categories, numbers, write


def test_the_page_is_that_of_the_results() -> None:
    assert page.main(check=True) == 0, "run `python -m hack bench --page`"


def test_the_goals_are_met_where_they_were_measured() -> None:
    found = {shape["shape"]: shape for shape in json.loads(page.RESULTS.read_text(encoding="utf-8"))["shapes"]}
    million, wide = found["1000000x20"], found["200000x200"]
    assert million["evidently"]["cpu"] / million["ours"]["cpu"] >= 40
    assert million["ours"]["megabytes"] <= 350 and wide["ours"]["megabytes"] <= 350
    assert wide["profile"]["bytes"] <= 400_000


def test_ours_names_what_changed_and_nothing_else(tmp_path: Path) -> None:
    shape = Shape(3_000, wide=4)
    reference, window = write(shape, tmp_path)
    stored = tmp_path / "stored.json"
    made = profile.main(reference, stored, numbers(shape), categories(shape))
    found = ours.main(stored, window)
    assert (found["rows"], found["columns"]) == (3_000, 24) and set(found["drifted"]) == set(SHIFTED)  # type: ignore[call-overload]
    assert isinstance(made["bytes"], int) and made["bytes"] < 60_000


def test_a_measurement_that_misses_what_changed_is_none() -> None:
    shape = {"ours": {"rows": 1, "columns": 1, "cpu": 1.0, "seconds": 1.0, "megabytes": 1.0, "drifted": ["n0"]}}
    with pytest.raises(ValueError, match="which changed"):
        page.section({"day": "today", "cores": 2, "shapes": [shape]})
