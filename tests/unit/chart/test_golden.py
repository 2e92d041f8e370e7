"""The chart's output for three ways to install it, as YAML that a reviewer can read; UPDATE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

CASES = sorted((Path(__file__).resolve().parents[2] / "golden/chart").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_objects_are_as_reviewed(case: Path, render: Callable[..., list[dict[str, object]]]) -> None:
    objects = render(yaml.safe_load((case / "values.yaml").read_text()))
    ordered = sorted(objects, key=lambda thing: (str(thing["kind"]), str(thing["metadata"])))
    text = yaml.safe_dump_all(ordered, sort_keys=False, width=120)
    expected = case / "expected.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(text)
    assert expected.read_text() == text, "the chart's output changed: if that is meant, run again with UPDATE_GOLDEN=1"
