"""What the story's summary keeps of all that was seen: turns and verdicts with their intervals, not each step of progress."""

from __future__ import annotations

from typing import Any

from hack.demo.report import Report
from hack.demo.seen import Seen

WINDOW = {
    "id": "a1",
    "version": "rev1",
    "window": {"index": 4},
    "verdict": "Breached",
    "rows": 5000,
    "signals": [
        {
            "name": "log-loss",
            "value": "0.777",
            "interval": {"lower": "0.6", "upper": "0.9"},
            "limit": "0.548",
            "groups": 7,
        }
    ],
}
GATE = {"name": "quality", "step": 0, "samples": 16776, "groups": 19, "estimate": "-0.029", "limit": "0.005"}


def seen(reason: str, message: str, **parts: Any) -> Seen:
    conditions = [{"type": "Ready", "status": "True", "reason": reason, "message": message}]
    deployment = {
        "kind": "ModelDeployment",
        "metadata": {"name": "flights"},
        "status": {"conditions": conditions, **parts.get("deployment", {})},
    }
    policy = {"kind": "DriftPolicy", "metadata": {"name": "flights"}, "status": parts.get("policy", {})}
    return Seen({}, {}, deployment, policy)


def kept(report: Report) -> list[str]:
    return [line for _, line in report.events]


def test_progress_is_shown_while_it_happens_and_a_turn_is_kept_once() -> None:
    report = Report()
    shown = [report.notice(seen("Shadowing", f"{count} of 12 groups"), None) for count in (1, 1, 2)]
    report.notice(seen("Soaking", "waits"), None)
    report.notice(seen("Shadowing", "1 of 12 groups"), None)
    assert [len(lines) for lines in shown] == [1, 0, 1]
    assert kept(report) == [
        "ModelDeployment flights: Ready=True Shadowing: 1 of 12 groups",
        "ModelDeployment flights: Ready=True Soaking: waits",
        "ModelDeployment flights: Ready=True Shadowing: 1 of 12 groups",
    ]


def test_windows_and_gates_are_told_with_samples_groups_and_interval() -> None:
    report = Report()
    gate = {**GATE, "verdict": "Pass", "interval": {"lower": "-0.06", "upper": "0.002"}}
    at = seen("Serving", "", deployment={"gates": [gate]}, policy={"history": [WINDOW]})
    report.notice(at, None)
    report.notice(at, None)
    assert kept(report)[1:] == [
        "window 4 of revision rev1: Breached: log-loss 0.777 in [0.6, 0.9], limit 0.548, 7 days, 5,000 labels",
        "gate quality at step 0: Pass: -0.029 in [-0.06, 0.002], limit 0.005, 16,776 samples, 19 groups",
    ]


def test_a_gate_that_is_not_decided_is_no_verdict() -> None:
    report = Report()
    report.notice(seen("Shadowing", "", deployment={"gates": [{**GATE, "verdict": "Inconclusive"}]}), None)
    assert len(kept(report)) == 1
