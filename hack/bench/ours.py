"""`python -m hack.bench.ours REFERENCE WINDOW`: the window, streamed from its file, against the stored profile; one line of JSON.

A process of its own, so that its memory and its imports are what is measured. Knows the pods' own code and nothing of the bench.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from hack.bench.peak import peak_megabytes

from bucle.contracts.base import Document
from bucle.contracts.profile import Blocks, FeatureProfile
from bucle.podkit.sketches import Sketcher
from bucle.podkit.window_files import sketch_files
from bucle.statistics.columns import Rule, alpha_of_one, compare


class Stored(Document):
    """The part of a model's reference that drift is measured against."""

    features: tuple[FeatureProfile, ...]
    blocks: Blocks
    categories: dict[str, tuple[str, ...]]


def main(reference: Path, window: Path) -> dict[str, object]:
    imported = time.process_time()
    begun, cpu = time.perf_counter(), time.process_time()
    known = Stored.from_json(reference.read_bytes())
    sketcher = Sketcher(known.features, {}, known.categories)
    sketch = sketch_files(sketcher, [f"file://{window}"])
    rule = Rule(alpha=alpha_of_one(0.01, len(known.features), 2, 3))
    found = compare(sketch, known.features, known.blocks, rule)
    return {
        "rows": sketch.rows,
        "columns": len(found.columns),
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "imports": imported,
        "megabytes": peak_megabytes(),
        "drifted": list(found.names("Drift")),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))))
