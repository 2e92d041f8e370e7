"""What was measured, as a section of docs/performance.md. Knows the results' form and Markdown, measures nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hack.bench.tables import SHIFTED

RESULTS = Path(__file__).resolve().parent / "results.json"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
BEGIN = "<!-- made by `make bench` from hack/bench/results.json: begin -->\n"
END = "<!-- made by `make bench`: end -->\n"


def keep(found: Mapping[str, Any]) -> None:
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main(check: bool) -> int:
    """Write the section, or say whether it is behind."""
    found = PAGE.read_text(encoding="utf-8")
    head, _, rest = found.partition(BEGIN)
    wanted = f"{head}{BEGIN}{section(json.loads(RESULTS.read_text(encoding='utf-8')))}{END}{rest.partition(END)[2]}"
    if check:
        if found != wanted:
            print(f"{PAGE.name} differs from {RESULTS.name}: run `python -m hack bench --page`", file=sys.stderr)
        return 0 if found == wanted else 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


def section(found: Mapping[str, Any]) -> str:
    heads = (
        "rows × columns",
        "ours: s of CPU (wall)",
        "peak MB",
        "Evidently's preset: s of CPU (wall)",
        "peak MB",
        "times faster, by CPU (by wall)",
        "named though unchanged: ours, the preset",
    )
    lines = [heads, ("---",) * len(heads), *(_line(shape) for shape in found["shapes"])]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    loads = ", ".join(f"{shape['load']:g}" for shape in found["shapes"])
    profiles = "; ".join(
        f"{_shape(shape)}: {shape['profile']['cpu']:.1f} s of CPU, {shape['profile']['bytes'] / 1000:.0f} kB"
        for shape in found["shapes"]
    )
    return (
        f"Measured on {found['day']}, {found['cores']} cores, with {loads} processes waiting for them on average (other work was on "
        f"the machine: trust CPU seconds and ratios more than wall time).\n\n{table}\n"
        f"The profile, once in training: {profiles} (without the list of all categories, which a reference holds anyway).\n"
    )


def _line(shape: Mapping[str, Any]) -> tuple[str, ...]:
    ours, other = shape["ours"], shape.get("evidently")
    mine = (f"{ours['cpu']:.2f} ({ours['seconds']:.2f})", f"{ours['megabytes']:.0f}")
    if other is None:
        return (_shape(shape), *mine, "not run", "", "", f"{_wrong(ours)}, –")
    ratio = f"**{other['cpu'] / ours['cpu']:.0f}** ({other['seconds'] / ours['seconds']:.0f})"
    return (
        _shape(shape),
        *mine,
        f"{other['cpu']:.1f} ({other['seconds']:.1f})",
        f"{other['megabytes']:.0f}",
        ratio,
        f"{_wrong(ours)}, {_wrong(other)}",
    )


def _wrong(found: Mapping[str, Any]) -> int:
    """Columns said to drift that did not; raises ValueError when one that did is not named: then the bench measures nonsense."""
    named = set(found["drifted"])
    if not named.issuperset(SHIFTED):
        raise ValueError(f"of {', '.join(SHIFTED)}, which changed, only {', '.join(sorted(named))} were named")
    return len(named - set(SHIFTED))


def _shape(shape: Mapping[str, Any]) -> str:
    return f"{shape['ours']['rows']:,} × {shape['ours']['columns']}"
