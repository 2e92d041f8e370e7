"""Plays the cells of a family and keeps what came out, cell by cell, in results/<family>.json: a run that was ended goes on there.

Knows the rules in both forms' outcomes, not what the page says of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hack.judgement import before, cells_classes, cells_days, cells_paired, many
from hack.judgement.many import Counts, Outcomes, Standings
from hack.judgement.worlds import BLOCK, LOOKS, ROLLOUTS, SEED, Cell, Groups

from bucle.statistics import columns, drift, evidence, refusals

RESULTS = Path(__file__).resolve().parent / "results"
EFFECTS = (0.25, 0.5, 1.0, 2.0)
"""By how many spreads of a raw group the candidate is better than the limit, where the price is measured."""

Result = dict[str, Any]
Verdicts = Callable[[float], Outcomes]
"""Of one world's rollouts, by the limit."""


@dataclass(frozen=True)
class Family:
    """Cells that are judged by the same rules, by name. A rule looks at a world once and answers for any limit."""

    name: str
    cells: tuple[Cell, ...]
    rules: Mapping[str, Callable[[Groups], Verdicts]]
    beside: Mapping[str, Callable[[Groups], Verdicts]] = field(default_factory=dict)
    """Also where the price is measured, and of nothing promised."""

    def measured(self, cell: Cell, blocks: int = ROLLOUTS // BLOCK, rollouts: int = BLOCK) -> Result:
        rules = {**self.rules, **(self.beside if cell.priced else {})}
        found: dict[str, list[Sequence[Outcomes]]] = {name: [] for name in rules}
        for number in range(blocks):
            world = cell.block(number, rollouts)
            limits = [world.limit, *(world.limit + effect * world.unit for effect in EFFECTS if cell.priced)]
            for name, rule in rules.items():
                verdicts = rule(world)
                found[name].append([verdicts(limit) for limit in limits])
        return {"rules": {name: _told(outcomes) for name, outcomes in found.items()}}


def families() -> tuple[Family, ...]:
    plain = {"before": lambda world: lambda limit: before.outcomes(world, limit), "paired": standing(many.paired)}
    days, classes = standing(many.by_days), standing(many.by_classes)
    return (
        Family("paired", cells_paired.cells(), plain, {"independent": standing(many.independent)}),
        Family("days", cells_days.cells(), plain | {"days": days}),
        Family("classes", cells_classes.cells(), plain | {"classes": classes}, {"days": days}),
    )


def standing(look: Callable[[Groups], Standings], alpha: float = evidence.ALPHA) -> Callable[[Groups], Verdicts]:
    def of_world(world: Groups) -> Verdicts:
        standings = look(world)
        return lambda limit: many.outcomes(standings, limit, alpha)

    return of_world


def constants() -> dict[str, float]:
    """What a result depends on beside the code: measured again when one of them is changed."""
    named = {
        "alpha": evidence.ALPHA,
        "tunedFor": evidence.TUNED_FOR,
        "skewShare": evidence.SKEW_SHARE,
        "skewDoubt": evidence.SKEW_DOUBT,
        "mostCorrelated": evidence.MOST_CORRELATED,
        "fewestGroups": refusals.FEWEST_GROUPS,
        "fewestRows": refusals.FEWEST_ROWS,
        "farthest": refusals.FARTHEST,
        "driftConfidence": drift.CONFIDENCE,
        "driftMostCorrelated": drift.MOST_CORRELATED,
        "driftLeastFreedom": drift.LEAST_FREEDOM,
        "driftCorrelationDoubt": drift.CORRELATION_DOUBT,
    }
    return {**named, "seed": SEED, "rollouts": ROLLOUTS, "looks": LOOKS}


def of_columns() -> dict[str, float]:
    """The same for what is measured of columns."""
    names = ("MIN_EFFECT", "ALPHA", "SHARE_EFFECT", "SMALL_SHARE_EFFECT", "SMALL_ROWS", "VARIED", "COLLAPSED")
    return {**{name: getattr(columns, name) for name in names}, "seed": SEED}


def kept(family: str) -> dict[str, Any]:
    """{"constants": …, "cells": {name: result}}; empty of cells when the rule's constants have changed since."""
    path = RESULTS / f"{family}.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    wanted = of_columns() if family in ("columns", "shares") else constants()
    return found if found.get("constants") == wanted else {"constants": wanted, "cells": {}}


def run(family: str, cells: Iterable[tuple[str, Callable[[], Result]]], say: Callable[[str], None]) -> None:
    """Measure what is missing; the file is whole after every cell, and in the end in the order of the cells."""
    found, wanted = kept(family), dict(cells)
    todo = [name for name in wanted if name not in found["cells"]]
    for number, name in enumerate(todo, 1):
        found["cells"][name] = wanted[name]()
        keep(family, found)
        say(f"{family} {number}/{len(todo)}: {name}")
    keep(family, {**found, "cells": {name: found["cells"][name] for name in wanted}})


def keep(family: str, found: Mapping[str, Any]) -> None:
    """One cell a line, so that a change of one is seen as such."""
    lines = [f"    {json.dumps(name)}: {json.dumps(cell)}" for name, cell in found["cells"].items()]
    text = f'{{\n  "constants": {json.dumps(found["constants"])},\n  "cells": {{\n' + ",\n".join(lines) + "\n  }\n}\n"
    path = RESULTS / f"{family}.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _told(blocks: Sequence[Sequence[Outcomes]]) -> Result:
    """`passes`, `fails`: wrong verdicts per block with the truth at the limit; `price`: by effect in spreads."""
    told: Result = {
        "passes": [int((block[0].verdict == 1).sum()) for block in blocks],
        "fails": [int((block[0].verdict == -1).sum()) for block in blocks],
    }
    if len(blocks[0]) > 1:
        told["price"] = {
            f"{effect:g}": price(np.concatenate([block[at].look for block in blocks]))
            for at, effect in enumerate(EFFECTS, 1)
        }
    return told


def price(looks: Counts) -> Result:
    """Median of what was seen until the verdict, None where fewer than half came to one; and the share that did."""
    decided = float(np.mean(looks > 0))
    ordered = np.sort(np.where(looks > 0, looks, np.iinfo(np.int64).max))
    middle = int(ordered[(len(ordered) - 1) // 2])
    return {"median": middle if decided >= 0.5 else None, "decided": round(decided, 4)}
