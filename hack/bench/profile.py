"""`python -m hack.bench.profile REFERENCE STORED NUMBERS CATEGORIES`: the profile that training would leave of a table; one line of JSON.

Column by column, so that a wide table fits. Knows the pods' own code.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hack.bench.ours import Stored
from hack.bench.peak import peak_megabytes

from bucle.contracts.profile import FeatureProfile
from bucle.podkit.profiles import Stretches, category_profile, number_profile

SECOND = 1_000_000


def main(reference: Path, stored: Path, numbers: list[str], categories: list[str]) -> dict[str, object]:
    begun, cpu = time.perf_counter(), time.process_time()
    # Rows came a second apart.
    stretches = Stretches.of(np.arange(pq.ParquetFile(reference).metadata.num_rows, dtype=np.int64) * SECOND)
    features: list[FeatureProfile] = []
    seen: dict[str, tuple[str, ...]] = {}
    for name in numbers:
        values = _column(reference, name).cast(pa.float64()).to_numpy()
        features.append(number_profile(name, values, stretches))
    for name in categories:
        column = _column(reference, name)
        features.append(category_profile(name, column.to_numpy(), stretches))
        seen[name] = tuple(sorted(column.unique().to_pylist()))
    found = Stored(features=tuple(features), blocks=stretches.blocks, categories=seen)
    stored.write_text(found.canonical(), encoding="ascii")
    return {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "megabytes": peak_megabytes(),
        "bytes": len(found.model_copy(update={"categories": {}}).canonical()),
    }


def _column(path: Path, name: str) -> pa.ChunkedArray:
    return pq.read_table(path, columns=[name]).column(0)


if __name__ == "__main__":
    lists = [text.split(",") for text in sys.argv[3:5]]
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), *lists)))
