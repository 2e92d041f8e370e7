"""What a Dataset tells in numbers: its current version. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bucle.contracts import telemetry
from bucle.contracts.measures import NOTHING, Measures, given, together
from bucle.resources.dataset import Dataset
from bucle.resources.documents import parse


def measures(raw: Mapping[str, Any]) -> Measures:
    current = parse(Dataset, raw).status.current
    if current is None:
        return NOTHING
    quality = current.quality.model_dump(exclude_none=True) if current.quality else {}
    shown = together(
        given(telemetry.DATASET_ROWS, current.rows),
        given(telemetry.DATASET_BYTES, current.bytes),
        given(telemetry.DATASET_BUILT, current.created_at),
        *(given(telemetry.DATASET_QUALITY, share, dimension) for dimension, share in quality.items()),
    )
    return Measures(shown)
