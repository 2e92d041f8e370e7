"""docs/judging.md says what was measured, of the present rules and cells, and what was measured holds."""

from __future__ import annotations

import pytest
from hack.judgement import cells_drift, cells_errors, commands, page, runs
from hack.judgement.runs import Family, Result
from hack.judgement.worlds import BLOCK, ROLLOUTS, Cell

ROLLED = [(family, cell) for family in runs.families() for cell in family.cells]
IN_TIME = ("normal", "z AR(1) 0.4", "two classes, share independent")


def result(family: str, cell: str) -> Result:
    found: Result = runs.kept(family)["cells"][cell]
    return found


def test_the_page_holds_what_was_measured() -> None:
    assert page.main(["--check"]) == 0, "run `python -m hack judgement page`"


@pytest.mark.parametrize("family", [*commands.cells(), "flights"])
def test_results_are_of_the_present_rules_and_cells(family: str) -> None:
    """A changed constant empties them: run `python -m hack judgement run`."""
    found = runs.kept(family)["cells"]
    wanted = [name for name, _ in commands.cells()[family]] if family != "flights" else list(found)
    assert found
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("family", runs.families(), ids=lambda family: family.name)
def test_what_is_held_was_wrong_in_at_most_one_rollout_of_a_hundred(family: Family) -> None:
    rule = page.FAMILIES[family.name][-1]
    kept = {cell.name: result(family.name, cell.name)["rules"][rule] for cell in family.cells if cell.held}
    assert {len(counts[side]) for counts in kept.values() for side in ("passes", "fails")} == {ROLLOUTS // BLOCK}
    worst = {name: max(sum(counts["passes"]), sum(counts["fails"])) for name, counts in kept.items()}
    assert {name: wrong for name, wrong in worst.items() if wrong > ROLLOUTS / 100} == {}


def test_what_is_held_of_errors_was_wrong_in_at_most_one_rollout_of_a_hundred() -> None:
    for cell in cells_errors.cells():
        at_limit = result("errors", cell.name)["rules"]["intervals"]["limit"]
        assert not cell.held or max(sum(at_limit["passes"]), sum(at_limit["fails"])) <= ROLLOUTS / 100, cell.name


def test_what_is_held_of_drift_alarmed_in_at_most_one_evaluation_of_a_hundred() -> None:
    for cell in cells_drift.cells():
        kept = result("drift", cell.name)
        alarms = kept["rules"]["lastThree"]["alarms"]
        assert not cell.held or sum(alarms) <= kept["evaluations"] * len(alarms) / 100, cell.name


@pytest.mark.parametrize(
    ("family", "cell"),
    [pytest.param(f, c, marks=pytest.mark.thorough) for f, c in ROLLED[::5] if c.name not in IN_TIME]
    + [pytest.param(f, c) for f, c in ROLLED if c.name in IN_TIME],
    ids=lambda one: one.name,
)
def test_the_first_rollouts_come_out_as_they_were_kept(family: Family, cell: Cell) -> None:
    again, kept = family.measured(cell, blocks=1), result(family.name, cell.name)
    for rule, told in again["rules"].items():
        for side in ("passes", "fails"):
            assert told[side] == kept["rules"][rule][side][:1], f"{rule} {side}"
