"""`python -m hack judgement [run [FAMILY …] | page | flights]`: what the rules of judging are worth, by simulation.

`run` plays the cells that have no result yet (all of them: about half an hour of one core), `flights` judges the same
candidates on real departures, `page` writes what was found into docs/judging.md (`--check`: says whether it is behind). Knows the rooms of this package and nothing else.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from hack.judgement import (
    cells_columns,
    cells_drift,
    cells_errors,
    champion,
    many_columns,
    many_drift,
    many_errors,
    many_shares,
    page,
    page_columns,
    runs,
)
from hack.judgement.runs import Result

Cells = Iterable[tuple[str, Callable[[], Result]]]


def cells() -> dict[str, Cells]:
    """By family, what measures each cell."""
    found: dict[str, Cells] = {
        family.name: [(cell.name, partial(family.measured, cell)) for cell in family.cells]
        for family in runs.families()
    }
    found["errors"] = [(cell.name, partial(many_errors.measured, cell)) for cell in cells_errors.cells()]
    found["drift"] = [(cell.name, partial(many_drift.measured, cell)) for cell in cells_drift.cells()]
    found["champion"] = [(table.name, partial(champion.measured, table)) for table in champion.cells()]
    found["columns"] = [(cell.name, partial(many_columns.measured, cell)) for cell in cells_columns.cells()]
    found["shares"] = [(cell.name, partial(many_shares.measured, cell)) for cell in many_shares.cells()]
    return found


def main(arguments: Sequence[str]) -> int:
    found = cells()
    parser = argparse.ArgumentParser(prog="python -m hack judgement", description=__doc__)
    parser.add_argument("what", choices=("run", "flights", "page"), nargs="?", default="page")
    parser.add_argument("family", nargs="*", choices=[[], *found], help="all unless some are named")
    parser.add_argument("--check", action="store_true", help="write no page, exit 1 if it is behind the results")
    asked = parser.parse_args(arguments)
    if asked.what == "run":
        for family in asked.family or found:
            runs.run(family, found[family], lambda line: print(line, flush=True))
    if asked.what == "flights":
        # They need scikit-learn, and most who come here do not.
        flights = importlib.import_module("hack.judgement.flights")
        runs.keep("flights", {**runs.kept("flights"), "cells": flights.measured()})
    options = ["--check"] if asked.check else []
    return max(page.main(options), page_columns.main(options))
