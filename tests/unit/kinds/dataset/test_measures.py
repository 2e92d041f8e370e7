"""A Dataset's numbers, read off what stands in its status."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.builders import drift_states as states
from tests.support.series import told
from tests.support.worlds import drift

from bucle.kinds.dataset.measures import measures
from bucle.resources.dataset import Dataset
from bucle.resources.documents import to_dict

CURRENT = {
    "digest": "sha256:1", "rows": 120, "bytes": 4096, "createdAt": "2026-03-01T12:00:00Z",
    "quality": {"completeness": "0.975"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ({}, {}),
        (
            {"current": CURRENT},
            {
                "bucle_dataset_rows": 120,
                "bucle_dataset_size_bytes": 4096,
                "bucle_dataset_version_timestamp_seconds": 1772366400,
                "bucle_dataset_quality_ratio completeness": 0.975,
            },
        ),
    ],
    ids=["nothing built", "one version"],
)
def test_a_dataset_tells_of_its_current_version(status: dict[str, Any], wanted: dict[str, float]) -> None:
    assert told(measures(to_dict(states.of(Dataset, "flights", drift.dataset_spec(), status)))) == wanted
