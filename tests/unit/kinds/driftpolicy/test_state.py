"""The codec of a DriftPolicy's state: what is written is read back, and what nobody knows is not guessed at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.builders.drift_states import EVALUATION, OPEN, PAST, THEN, signal_state

from bucle.contracts.coverage import AnswerCoverage, Coverage
from bucle.contracts.uncounted import Uncounted
from bucle.engine.room import UnknownState
from bucle.kinds.driftpolicy.state import (
    Action,
    ActionOutcome,
    Cursor,
    Mark,
    RetrainOutcome,
    SignalState,
    State,
    Verdict,
    Wanted,
    WantedRetrain,
)
from bucle.kinds.driftpolicy.status_codec import decoded, encoded
from bucle.resources.documents import to_dict
from bucle.resources.driftpolicy_status import DriftPolicyStatus, EvaluatedWindow
from bucle.resources.person_status import PersonAction


@pytest.mark.parametrize(
    "state",
    [
        State(),
        State(cursor=Cursor("rev1", THEN, "rule")),
        State(
            cursor=Cursor("rev1", THEN, "rule", Mark(4, 5000)),
            signals=(
                replace(
                    signal_state("loss", Verdict.HEALTHY, Verdict.BREACHED, first=2),
                    drifting=True,
                    since=THEN,
                    window=EvaluatedWindow(index=3, from_=THEN, to=THEN),
                ),
                SignalState("accuracy", "other"),
            ),
            evaluation=EVALUATION,
            action=Action(
                Wanted.RETRAIN, ActionOutcome.WAITING, "Cooldown", "the last retrain began lately", THEN, ("loss",)
            ),
            approval=WantedRetrain("drift-2", 4, THEN),
            muted=("loss",),
            person_actions=(
                PersonAction(verb="mute", subject="loss", nonce="1", outcome="Done", message="yes", at=THEN),
            ),
            retrain=OPEN,
            retrains_begun=2,
            past_retrains=(PAST, replace(PAST, outcome=RetrainOutcome.REJECTED)),
        ),
        State(
            approval=WantedRetrain("drift-2", 4, THEN, approved=True),
            retrain=replace(OPEN, window=None, asked="retrain/drift/1"),
        ),
        State(retrain=OPEN, retrains_begun=1),
        State(
            uncounted=Uncounted(corrected=2),
            coverage=Coverage(
                since="2026-03-01T12:00:00Z", by_answer=(AnswerCoverage(answer="1", answers=20, labelled=0),)
            ),
        ),
    ],
)
def test_what_is_written_is_read_back(state: State) -> None:
    stored = DriftPolicyStatus.model_validate(to_dict(encoded(state)))
    assert decoded(stored) == state


@pytest.mark.parametrize(
    ("status", "field"),
    [
        (
            {"evaluation": {"job": "j", "image": "i", "until": "2026-03-01T12:00:00Z", "state": "Created"}},
            "evaluation.state",
        ),
        ({"retrains": {"inFlight": {"name": "n", "state": "Started"}}}, "retrains.inFlight.state"),
        ({"retrains": {"recent": [{"name": "n", "outcome": "Lost"}]}}, "retrains.recent[].outcome"),
        ({"signals": [{"name": "loss", "streak": [{"window": 1, "verdict": "Odd"}]}]}, "signals[].streak[].verdict"),
        ({"signals": [{"name": "loss", "verdict": "Odd"}]}, "signals[].verdict"),
        ({"lastEvaluation": {"verdict": "Odd"}}, "lastEvaluation.verdict"),
        (
            {"action": {"wanted": "Alert", "reason": "Breached", "outcome": "?", "at": "2026-03-01T12:00:00Z"}},
            "action.outcome",
        ),
    ],
)
def test_a_state_of_another_release_is_named_and_never_guessed_at(status: dict[str, object], field: str) -> None:
    with pytest.raises(UnknownState, match=field.replace("[]", r"\[\]").replace(".", r"\.")):
        decoded(DriftPolicyStatus.model_validate(status))
