"""Reasons of DriftPolicy: each with cause, cure, fault and retry. Pure data."""

from __future__ import annotations

from bucle.contracts.reasons_types import Event, Fault, Reason

DRIFTPOLICY: dict[str, Reason] = {
    "WaitingForReference": Reason(
        "The served version has no reference of a signal's metric, or no version is served yet.",
        "Wait for a ModelDeployment with a stable version; else train with that metric, watch another, or give the signal a `minimum` or `maximum`.",
    ),
    "Watching": Reason("Windows are being collected and judged.", "Nothing.", event=Event.QUIET),
    "Evaluating": Reason("A window is being evaluated.", "Wait.", event=Event.QUIET),
    "NotEnoughRows": Reason(
        "Too few rows were served for a full window, or no window of time is over yet.",
        "Nothing: rows come with requests; `capture.samplePercent` says how many are kept. Else use smaller windows.",
    ),
    "NotEnoughLabels": Reason("Not enough labelled rows for a full window.", "Send feedback."),
    "ServersUnavailable": Reason(
        "A server pod does not say how many labels it stored, so nobody knows whether a window is full.",
        "Nothing if it answers soon; else look at the ModelDeployment's pods.",
        Fault.EXTERNAL,
    ),
    "Healthy": Reason("No signal shows degradation.", "Nothing."),
    "Breached": Reason(
        "Enough windows of a signal show degradation beyond its limit.",
        "See status.signals and status.action.",
        Fault.MODEL,
    ),
    "Inconclusive": Reason("The window has too few closed groups for a verdict.", "Use larger windows."),
    "Retraining": Reason("A retraining is open.", "Wait."),
    "Cooldown": Reason("The last retraining began less than `limits.cooldown` ago.", "Wait."),
    "BudgetSpent": Reason("`limits.maxRetrains` were started within `limits.per`.", "Wait or raise the limit."),
    "ApprovalWanted": Reason(
        "Drift asks for a new model, and `retrain.approval` is Required.",
        "Approve or reject it by the annotation in the message, or set `retrain.approval` to Auto.",
    ),
    "RetrainRejected": Reason(
        "A person rejected a retrain: nothing was made, and it counts neither as failed nor against `limits.maxRetrains`.",
        "Nothing: after `limits.cooldown` the newest breached window may ask again.",
    ),
    "Muted": Reason(
        "A person muted every drifting signal that an action is for: nothing is started, the drift is still told.",
        "Nothing: it ends when the signal clears, and its next drift is acted on.",
    ),
    "RolloutActive": Reason("A rollout is running; retraining waits for it.", "Wait."),
    "OwnedByOtherPolicy": Reason("Another policy already retrains this model.", "Use one policy per model and alias."),
    "StoppedAfterFailures": Reason(
        "`limits.stopAfterFailed` retrainings in a row brought nothing.",
        "Look at them, then raise `limits.stopAfterFailed`.",
        Fault.MODEL,
    ),
    "DatasetStalled": Reason(
        "The Dataset of a retrain cannot be built.", "See the conditions of the Dataset it names.", Fault.USER
    ),
    "RetrainCancelled": Reason(
        "A person took the action Retrain or `retrain` out of the policy, or deleted a child of the retrain.",
        "Nothing: what was made so far stays in the store; the next breached window may start another.",
        Fault.USER,
    ),
    "LoopOpen": Reason(
        "A retrained model could never arrive at this deployment.",
        "See the message: alias, model name or schema differ.",
        Fault.USER,
    ),
    "LoopClosed": Reason("A retrained model arrives at this deployment.", "Nothing."),
}
