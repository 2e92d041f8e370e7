"""Which final model may be registered: gates and the comparison with the champion, as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.contracts.result import ChampionResult, Estimate, FinalResult
from bucle.kinds.experiment import judgement
from bucle.kinds.experiment.state import Comparison, ComparisonState
from bucle.resources.experiment import AbsoluteGate, Champion


def scored(**metrics: str) -> FinalResult:
    return FinalResult(
        metrics=metrics,
        out_of_fold=Estimate(metric="log_loss", value="0.6", standard_error="0.01", groups=20, rows=100),
        uri="s3://b/m",
        digest="sha256:0",
        schema_digest="sha256:0",
    )


def gate(**fields: str) -> AbsoluteGate:
    return AbsoluteGate.model_validate({"metric": "log_loss", **fields})


@pytest.mark.parametrize(
    ("asked", "passes"),
    [
        (gate(maximum="0.5"), True),
        (gate(maximum="0.499"), False),
        (gate(metric="accuracy", minimum="0.8"), True),
        (gate(metric="accuracy", minimum="0.81"), False),
        (gate(data="OutOfFold", maximum="0.6"), True),
        (gate(data="OutOfFold", maximum="0.59"), False),
        (gate(metric="brier", maximum="1"), False),
        (gate(metric="accuracy", data="OutOfFold", minimum="0"), False),
    ],
)
def test_a_gate_holds_at_its_bound_and_never_on_what_was_not_measured(asked: AbsoluteGate, passes: bool) -> None:
    verdict = judgement.gates([asked], scored(log_loss="0.5", accuracy="0.8"))
    assert verdict.passed is passes
    assert verdict.reason == ("GatesPassed" if passes else "GateFailed")
    assert passes or asked.metric in verdict.message


def test_all_broken_gates_are_told() -> None:
    verdict = judgement.gates([gate(maximum="0.1"), gate(metric="brier", maximum="0.1")], scored(log_loss="0.5"))
    assert "log_loss" in verdict.message and "brier" in verdict.message


SPEC = {"metric": "log_loss", "margin": "0.002"}
KNOWN = Comparison(ComparisonState.UNDECIDED, version=3)


ALIKE = {"lag": "0.5", "skew": "0", "kish": "20"}
SKEWED = {"lag": "0", "skew": "2", "kish": "20"}
ONE_HUGE = {"lag": "0", "skew": "0", "kish": "2.5"}


@pytest.mark.parametrize("shape", [ALIKE, SKEWED, ONE_HUGE], ids=["days follow each other", "skewed", "one huge day"])
def test_what_groups_look_like_makes_a_comparison_harder_to_win(shape: dict[str, str]) -> None:
    found = measured("-0.0043")
    assert verdict(found).passed
    assert not verdict(ChampionResult.model_validate({**found.as_json(), "shape": shape})).passed


def measured(difference: str, error: str = "0.001", groups: int = 20, state: str = "Compared") -> ChampionResult:
    return ChampionResult.model_validate(
        {"version": "3", "state": state, "difference": difference, "standard_error": error, "groups": groups}
    )


def verdict(found: ChampionResult | None, before: Comparison | None = KNOWN, **rules: str) -> judgement.Verdict:
    spec = Champion.model_validate({**SPEC, **rules})
    return judgement.champion(spec, judgement.compared(spec, before, found), found)


@pytest.mark.parametrize(
    ("found", "passed", "reason"),
    [
        (measured("-0.01"), True, "GatesPassed"),
        (measured("-0.0038"), False, "NotBetter"),  # upper bound −0.0038 + 1.805 × 0.001 = −0.001995 > −0.002
        (measured("-0.0039"), True, "GatesPassed"),
        (measured("0.5"), False, "NotBetter"),
        (measured("-0.01", groups=4), False, "ChampionUndecided"),
        (measured("-0.01", groups=5), True, "GatesPassed"),
        (measured("-0.01", groups=1), False, "ChampionUndecided"),
        (measured("-0.01", state="Undecided"), False, "ChampionUndecided"),
        (ChampionResult(version="3", state="Incompatible"), False, "ChampionIncompatible"),
        (ChampionResult(version="3", state="Undecided"), False, "ChampionUndecided"),
    ],
)
def test_only_a_shown_improvement_passes(found: ChampionResult, passed: bool, reason: str) -> None:
    assert verdict(found)[:2] == (passed, reason)


@pytest.mark.parametrize(
    ("rule", "found", "before"),
    [
        ("onMissing", None, None),
        ("onIncompatible", ChampionResult(version="3", state="Incompatible"), KNOWN),
        ("onIncompatible", None, Comparison(ComparisonState.INCOMPATIBLE, version=3)),
        ("onUndecided", measured("-0.01", groups=4), KNOWN),
        ("onUndecided", measured("-0.002", error="0.1"), KNOWN),
    ],
)
def test_the_rules_decide_where_evidence_does_not(
    rule: str, found: ChampionResult | None, before: Comparison | None
) -> None:
    assert verdict(found, before, **{rule: "Pass"}).passed
    assert not verdict(found, before, **{rule: "Fail"}).passed


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (ChampionResult(version="3", state="Undecided", message="only 4 groups on Newest"), "only 4 groups on Newest"),
        (ChampionResult(version="3", state="Incompatible", message="it needs the feature x"), "it needs the feature x"),
        (measured("-0.01", groups=4), "4 groups are too few, 5 are needed"),
        (None, "was not registered by an Experiment"),
    ],
)
def test_why_there_is_no_comparison_is_told(found: ChampionResult | None, words: str) -> None:
    before = KNOWN if found is not None else Comparison(ComparisonState.INCOMPATIBLE, version=3)
    message = verdict(found, before).message
    assert message.startswith("champion version 3 cannot be compared: ") and words in message


@pytest.mark.parametrize(
    ("asked", "compared_on", "difference", "passed"),
    [
        ("Newest", "Newest", "-0.0005", False),
        ("Newest", "Newest", "-0.0039", True),
        ("Newest", "Test", "-0.0005", True),  # upper bound −0.0005 + 1.805 × 0.001 = 0.0013 < 0.002
        ("Newest", "Test", "0.0003", False),  # upper bound 0.0021
        ("Test", "Test", "-0.0005", False),
        ("Test", "Test", "-0.0039", True),
    ],
)
def test_on_old_rows_the_challenger_must_not_be_worse(
    asked: str, compared_on: str, difference: str, passed: bool
) -> None:
    found = measured(difference).model_copy(update={"on": compared_on})
    told = verdict(found, data=asked)
    assert told.passed is passed
    assert ("no group is new to the champion" in told.message) is (asked != compared_on)


def test_a_shown_deterioration_fails_whatever_undecided_says() -> None:
    assert verdict(measured("0.05"), onUndecided="Pass")[:2] == (False, "NotBetter")


@given(st.floats(-1, 1), st.floats(0.0001, 0.5), st.integers(5, 60), st.sampled_from(["Pass", "Fail"]))
def test_a_worse_challenger_never_does_better_than_a_better_one(
    difference: float, error: float, groups: int, rule: str
) -> None:
    def passes(value: float) -> bool:
        return verdict(measured(f"{value:.6f}", f"{error:.6f}", groups), onUndecided=rule).passed

    assert passes(difference) >= passes(difference + 0.05)
