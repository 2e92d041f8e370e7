"""`python -m hack.judgement.page [--check]`: the section "Measured" of docs/judging.md, made of the kept results.

Knows the results' form and Markdown, plays nothing. Exit codes: 0 written or equal, 1 the page differs from the results.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

from hack.judgement import cells_drift, cells_errors, champion
from hack.judgement.cells_drift import DriftCell
from hack.judgement.cells_errors import ErrorCell
from hack.judgement.runs import EFFECTS, Result, families, kept
from hack.judgement.worlds import BLOCK, Cell

PAGE = Path(__file__).resolve().parents[2] / "docs" / "judging.md"
BEGIN = "<!-- made by `python -m hack judgement page` from hack/judgement/results: begin -->\n"
END = "<!-- made by `python -m hack judgement page`: end -->\n"
PROMISED = 1.0
"""Per cent of rollouts, of each side. What is above it is set in bold."""

RULES = {
    "before": "before",
    "paired": "days that came",
    "independent": "declared independent",
    "days": "mix of days",
    "classes": "mix of classes",
    "intervals": "over intervals",
    "lastThree": "last three as one",
}
DECLARED = ("paired", "independent")
CELLS: dict[str, Sequence[Cell | ErrorCell | DriftCell]] = {
    **{family.name: family.cells for family in families()},
    "errors": cells_errors.cells(),
    "drift": cells_drift.cells(),
}
FAMILIES = {
    "paired": ("before", "paired"),
    "days": ("before", "paired", "days"),
    "classes": ("before", "paired", "classes"),
}


def main(arguments: Sequence[str]) -> int:
    """Write the section, or with `--check` say whether it is behind."""
    found = PAGE.read_text(encoding="utf-8")
    wanted = with_section(found, section())
    if "--check" in arguments:
        if found != wanted:
            print(f"{PAGE.name} differs from the results: run `python -m hack judgement page`", file=sys.stderr)
        return 0 if found == wanted else 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


def with_section(page: str, text: str) -> str:
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}{text}{END}{rest.partition(END)[2]}"


def section() -> str:
    parts = (_plain, _independent, _by_days, _by_classes, _errors, _champion, _drift, _flights, _not_held)
    return "\n".join(filter(None, (part() for part in parts)))


# --- rollouts ----------------------------------------------------------------------------------------------------


def _plain() -> str:
    return _family(
        "paired",
        "Groups that differ by chance",
        "Wrong passes / wrong aborts in per cent of rollouts; ± is the standard error of the larger one.",
    )


def _independent() -> str:
    cells = {name: cell for name, cell in _cells("paired").items() if name == "normal" or name.startswith("AR(1)")}
    rows = [
        (name, *(_rates(cell, rule) for rule in DECLARED), *(_declared_price(cell, effect) for effect in EFFECTS[1:3]))
        for name, cell in cells.items()
    ]
    told = (
        "`dependence: Independent` where groups follow each other: wrong passes / wrong aborts, and median groups to the verdict, "
        f"{RULES['paired']} → {RULES['independent']}."
    )
    heads = ("cell", *(RULES[rule] for rule in DECLARED), *(f"better by {effect:g} sd" for effect in EFFECTS[1:3]))
    return f"### The price of a declared independence\n\n{told}\n\n{_table(heads, rows)}" if cells else ""


def _declared_price(cell: Result, effect: float) -> str:
    return " → ".join(_price(cell, rule, effect) for rule in DECLARED)


def _by_days() -> str:
    return _family(
        "days",
        "A declared mix of days",
        "The truth at the declared mix is at the limit. What looks at the days that came answers another question: where "
        "they drift from that mix, it is rightly far off.",
    )


def _by_classes() -> str:
    return _family("classes", "A declared mix of classes", "As above; a mix of the two true classes is declared.")


def _family(family: str, title: str, told: str) -> str:
    cells, rules = _cells(family), FAMILIES[family]
    if not cells:
        return ""
    held = {name: cell for name, cell in cells.items() if cell["held"]}
    rows = [(name, *(_rates(cell, rule, rule == rules[-1]) for rule in rules)) for name, cell in held.items()]
    priced = {name: cell for name, cell in held.items() if "price" in cell["rules"][rules[-1]]}
    old = rules[-2]
    prices = [
        (name, *(f"{_price(cell, old, effect)} → {_price(cell, rules[-1], effect)}" for effect in EFFECTS))
        for name, cell in priced.items()
    ]
    heads = [f"better by {effect:g} sd" for effect in EFFECTS]
    told += f" The worst of these {len(held)} cells: {_worst(held.values(), rules[-1])}."
    return (
        f"### {title}\n\n{told}\n\n{_table(('cell', *(RULES[r] for r in rules)), rows)}\n"
        f"Median groups to the verdict (and rollouts that came to one within 120), {RULES[old]} → {RULES[rules[-1]]}:\n\n"
        f"{_table(('cell', *heads), prices)}"
    )


def _worst(cells: Iterable[Result], rule: str) -> str:
    """The largest rate of each side, whichever cells they are of."""
    sides = [_sides(cell["rules"][rule]) for cell in cells]
    return " / ".join(f"{max(side):.2f} %" for side in zip(*sides, strict=True))


def _rates(cell: Result, rule: str, with_error: bool = True) -> str:
    counts = cell["rules"][rule]
    rates, total = _sides(counts), BLOCK * len(counts["passes"])
    error = f" ± {standard_error(max(rates), total):.2f}" if with_error else ""
    return " / ".join(_percent(rate) for rate in rates) + error


def standard_error(percent: float, rollouts: int) -> float:
    return 100 * sqrt(percent / 100 * (1 - percent / 100) / rollouts)


def _percent(rate: float) -> str:
    return f"**{rate:.2f}**" if rate > PROMISED else f"{rate:.2f}"


def _price(cell: Result, rule: str, effect: float) -> str:
    return _median(cell["rules"][rule]["price"][f"{effect:g}"])


def _median(price: Mapping[str, Any]) -> str:
    median, decided = price["median"], price["decided"]
    seen = f"{median:,}" if median else "none"
    return seen if round(100 * decided) >= 100 else f"{seen} ({100 * decided:.0f} %)"


# --- errors, drift, flights --------------------------------------------------------------------------------------


def _errors() -> str:
    rows = []
    for name, cell in _cells("errors").items():
        before, now = (cell["rules"][rule] for rule in ("before", "intervals"))
        wrong = [" / ".join(_percent(r) for r in _sides(rule["limit"])) for rule in (before, now)]
        aborted = [_percent(_sides(rule["equal"])[1]) for rule in (before, now)]
        medians = [f"{_median(before[truth])} → {_median(now[truth])}" for truth in ("equal", "worse")]
        rows.append((name if cell["held"] else f"*{name}*", *wrong, " → ".join(aborted), *medians))
    heads = (
        "failures",
        "counting requests: wrong pass / abort",
        "over intervals: wrong pass / abort",
        "an equal one aborted",
        "an equal one passes after",
        "one beyond the limit threefold fails after",
    )
    told = (
        "1 % of requests fail, the limit is 1 point more, unless said otherwise; looks to 100,000 requests. Per cent of rollouts (standard error 0.1 at 1 %), "
        "medians in requests of the candidate, counting requests → over intervals. What stands in italics is not held."
    )
    return f"### Errors\n\n{told}\n\n{_table(heads, rows)}" if rows else ""


def _sides(counts: Mapping[str, Sequence[int]]) -> list[float]:
    return [100 * sum(counts[side]) / (BLOCK * len(counts[side])) for side in ("passes", "fails")]


def _champion() -> str:
    cells = _cells("champion")
    if not cells:
        return ""

    def shares(cell: Result, what: str) -> str:
        counts = [cell["rules"][rule][what] for rule in ("before", "oneLook")]
        return " → ".join(f"{100 * sum(found) / (BLOCK * len(found)):.1f}" for found in counts)

    told = (
        f"One look at a confidence of {champion.CONFIDENCE:g}: a challenger exactly at the limit is called better, in per cent of "
        "tables, before → now (standard error at most 0.5)."
    )
    power = f"The same where it is better by {champion.BETTER:g} sd of a group:"
    parts = []
    for text, what in ((told, "better"), (power, "power")):
        rows = [
            (str(groups), *(shares(cells[f"{name}, {groups} groups"], what) for name in champion.NAMES))
            for groups in champion.SIZES
        ]
        parts.append(f"{text}\n\n{_table(('groups', *champion.NAMES), rows)}")
    return "### The champion\n\n" + "\n".join(parts)


def _drift() -> str:
    rows, powers = [], []
    for name, cell in _cells("drift").items():
        rules = [cell["rules"][rule] for rule in ("before", "lastThree")]
        each, blocks = cell["evaluations"], len(rules[0]["alarms"])
        rates = (
            " / ".join(
                (
                    _percent(100 * sum(r["alarms"]) / (each * blocks)),
                    f"{100 * sum(r['any']) / (cell['sequences'] * blocks):.1f}",
                    f"{100 * sum(r['unchanged']) / (each * blocks):.2f}",
                )
            )
            for r in rules
        )
        rows.append((name if cell["held"] else f"*{name}*", *rates))
        if "power" in rules[0]:
            shares = (" → ".join(f"{100 * r['power'][limit]:.0f}" for r in rules) for limit in rules[0]["power"])
            powers.append((name, *shares))
    told = (
        "Sequences of 30 windows of 5 to 8 groups against a reference of 59. False alarms in per cent of evaluations with the truth "
        "at the limit / sequences with any in 30 windows / evaluations without any change and a limit of 0.25 sd. "
        "What stands in italics is not held."
    )
    power = "Alarms in per cent of evaluations when the metric is worse by twice the limit, before → last three as one:"
    heads = ("cell", "limit 0.25 sd", "0.5 sd", "1 sd", "2 sd")
    if not rows:
        return ""
    table = _table(("cell", "before: two of three windows", "last three windows as one"), rows)
    return f"### Drift of a metric\n\n{told}\n\n{table}\n{power}\n\n{_table(heads, powers)}"


def _flights() -> str:
    cells = _cells("flights")
    if not cells:
        return ""
    told = (
        "Departures from New York in 2013. The served model learned January and February, the margin is 0.005 of log loss per "
        "flight, groups are days. Two swapped columns and shuffled labels are the broken candidates."
    )
    parts = [f"### Real flights\n\n{told}\n"]
    some = next(iter(cells.values()))
    for start, judged in some["starts"].items():
        rules = list(judged["verdicts"])
        rows = [
            (
                name,
                f"{cell['starts'][start]['mean']:+.3f}",
                *(cell["starts"][start]["verdicts"][r] or "–" for r in rules),
            )
            for name, cell in cells.items()
        ]
        heads = ("candidate", "mean of 30 days", *(_of_flights(rule) for rule in rules))
        shares = ", ".join(f"{mix} {100 * share:.1f} %" for mix, share in judged["mixes"].items())
        parts.append(
            f"Shadow from {start} (P31: passes after 31 days, –: no verdict in 121). Declared shares of late flights: {shares}.\n"
        )
        parts.append(_table(heads, rows))
    rules = list(some["every"])
    rows = [(name, *(_of_every(cell["every"][rule]) for rule in rules)) for name, cell in cells.items()]
    starts = some["every"][rules[0]]["starts"]
    parts.append(
        f"Each of the {starts} days of July to September as the first one: starts that pass / that fail within 92 days (median day).\n"
    )
    parts.append(_table(("candidate", *(_of_flights(rule) for rule in rules)), rows))
    return "\n".join(parts)


def _of_every(counts: Mapping[str, Any]) -> str:
    day = f" ({counts['median']})" if counts["median"] else ""
    return f"{counts['passes']} / {counts['fails']}{day}"


def _of_flights(rule: str) -> str:
    name, _, mix = rule.partition(" ")
    return f"{RULES[name]}: {mix}" if mix else RULES[name]


def _not_held() -> str:
    rows = [
        (RULES[rules[-1]], name, *(_rates(cell, rule, False) for rule in ("before", "paired")), _rates(cell, rules[-1]))
        for family, rules in FAMILIES.items()
        for name, cell in _cells(family).items()
        if not cell["held"]
    ]
    told = (
        "Nothing is promised in these cells, whatever was measured. Groups that scatter with skewness above 2, "
        "slow and white noise together, a bent relation while the days have a season or follow each other, a mix that is itself a guess: no rule here "
        "can tell them from better ones. Nor can any rule exclude a disaster that strikes rarer than the rollout is long."
    )
    heads = ("rule", "cell", "before", "days that came", "the rule")
    return f"### Where no rule can be trusted\n\n{told}\n\n{_table(heads, rows)}" if rows else ""


# --- Markdown ----------------------------------------------------------------------------------------------------


def _cells(family: str) -> dict[str, Result]:
    """What is kept, in the order of the cells, with whether each is held."""
    found = kept(family)["cells"]
    cells = CELLS.get(family)
    if cells is None:
        return dict(found)
    return {cell.name: {**found[cell.name], "held": cell.held} for cell in cells if cell.name in found}


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
