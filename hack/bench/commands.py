"""`python -m hack bench [--quick] [--page [--check]]`: how long it takes to see drift, and in how much memory, beside Evidently's preset.

Both run on this machine, one after the other, each in a process of its own; what was measured stays in
hack/bench/results.json and is written into docs/performance.md. Knows the programs of this room and the cache folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from hack.bench import page
from hack.bench.tables import Shape, categories, numbers, write
from hack.cluster.layout import from_environment
from hack.environment import ROOT, with_sources
from hack.shell import Failure
from hack.steps import Steps

QUICK = (Shape(20_000),)
FULL = (Shape(100_000), Shape(1_000_000), Shape(200_000, wide=180))
TIMES = 3
"""So often ours is run, of which the middle one counts; Evidently's preset takes minutes and is run once."""

Measured = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m hack bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 rows, and nothing is kept")
    parser.add_argument("--page", action="store_true", help="only write the page from what was measured")
    parser.add_argument("--check", action="store_true", help="with --page: write nothing, exit 1 if it is behind")
    options = parser.parse_args(arguments)
    if options.page:
        return page.main(check=options.check)
    steps, folder = Steps(), from_environment().cache / "bench"
    try:
        found = [_measured(shape, folder, steps) for shape in (QUICK if options.quick else FULL)]
    except Failure as failure:
        print(f"\nfailed: {failure}", file=sys.stderr)
        return 1
    for result in found:
        print(json.dumps(result))
    if options.quick:
        return 0
    page.keep({"cores": os.cpu_count(), "day": f"{datetime.now(UTC):%Y-%m-%d}", "shapes": found})
    return page.main(check=False)


def _measured(shape: Shape, folder: Path, steps: Steps) -> Measured:
    with steps.step(f"tables and profile of {shape.name}", 300):
        reference, window = write(shape, folder)
        stored = folder / f"{shape.name}.json"
        profile = _run(
            "hack.bench.profile", str(reference), str(stored), ",".join(numbers(shape)), ",".join(categories(shape))
        )
    with steps.step(f"ours, {shape.name}, {TIMES} times", 120):
        ours = _middle([_run("hack.bench.ours", str(stored), str(window)) for _ in range(TIMES)])
    found: Measured = {"shape": shape.name, "profile": profile, "ours": ours, "load": round(os.getloadavg()[0], 1)}
    if not shape.wide:
        with steps.step(f"Evidently's preset, {shape.name}", 600):
            lists = (",".join(numbers(shape)), ",".join(categories(shape)))
            found["evidently"] = _run("hack.bench.evidently_preset", str(reference), str(window), *lists)
    return found


def _middle(runs: Sequence[Measured]) -> Measured:
    return {
        **runs[0],
        **{name: median(run[name] for run in runs) for name in ("seconds", "cpu", "imports", "megabytes")},
    }


def _run(module: str, *arguments: str) -> Measured:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**with_sources(), "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = done.stderr.strip()[-1500:]
        raise Failure(
            f"cannot measure {module}: it ended with {done.returncode} after {time.monotonic() - begun:.0f} s:\n{words}"
        )
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))
