"""`python -m hack judgement page`: the section on data drift of docs/judging.md, made of the kept results.

Knows the results' form and Markdown, plays nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Any

from hack.judgement.many_columns import ALPHA, BLOCK, BREACHES, OF
from hack.judgement.page import PAGE
from hack.judgement.runs import kept

from bucle.statistics.columns import alpha_of_one

BEGIN = "<!-- made by `python -m hack judgement page` from results/columns.json and shares.json: begin -->\n"
END = "<!-- made by `python -m hack judgement page`, columns: end -->\n"


def main(arguments: Sequence[str]) -> int:
    """Write the section, or with `--check` say whether it is behind."""
    found = PAGE.read_text(encoding="utf-8")
    head, _, rest = found.partition(BEGIN)
    wanted = f"{head}{BEGIN}{section()}{END}{rest.partition(END)[2]}"
    if "--check" in arguments:
        if found != wanted:
            print(f"{PAGE.name} differs from the results: run `python -m hack judgement page`", file=sys.stderr)
        return 0 if found == wanted else 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


def section() -> str:
    columns, shares = kept("columns")["cells"], kept("shares")["cells"]
    heads = ("cell", "some column in a window", f"the same column in {BREACHES} of {OF} windows", "goal", "runs")
    still = [_line(name, cell) for name, cell in columns.items() if not cell["changed"]]
    moved = [_line(name, cell) for name, cell in columns.items() if cell["changed"]]
    alphas = ", ".join(f"{alpha_of_one(ALPHA, many, BREACHES, OF):.4f} for {many}" for many in (20, 200))
    return (
        f"Without a change, per cent of runs of {OF} windows, 10,000 rows of training unless said otherwise, a new training for every "
        f"{BLOCK} runs; α of one column and window: {alphas} columns.\n\n"
        f"{_table(heads, still)}\n"
        "With a change, per cent of runs in which a column that changed is found:\n\n"
        f"{_table(heads, moved)}\n"
        f"Shares of rows, one column of 20 (a data set's are up to 20 times the first ones), {BREACHES} of {OF} windows:\n\n"
        f"{_table(('cell', 'found', 'goal', 'runs'), [_share(name, cell) for name, cell in shares.items()])}"
    )


def _line(name: str, cell: Mapping[str, Any]) -> tuple[str, ...]:
    some = 100 * cell["some"] / cell["triples"] / OF
    return (name, f"{some:.2f}", _rate(cell), _goal(cell), f"{cell['triples']:,}")


def _share(name: str, cell: Mapping[str, Any]) -> tuple[str, ...]:
    return (name, _rate(cell), _goal(cell), f"{cell['triples']:,}")


def _rate(cell: Mapping[str, Any]) -> str:
    share = cell["same"] / cell["triples"]
    return f"{100 * share:.2f} ± {100 * sqrt(share * (1 - share) / cell['triples']):.2f}"


def _goal(cell: Mapping[str, Any]) -> str:
    if cell.get("most") is not None:
        return f"≤ {cell['most']:g}"
    return f"≥ {cell['least']:g}" if cell.get("least") is not None else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
