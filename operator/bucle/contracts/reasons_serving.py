"""Reasons of ModelDeployment and DriftPolicy. Pure data."""

from __future__ import annotations

from bucle.contracts.reasons_types import Event, Fault, Reason, Retry

SERVING: dict[str, Reason] = {
    # ModelDeployment
    "WaitingForModel": Reason(
        "The registered model or alias does not exist yet.", "Register a model, for instance by an Experiment."
    ),
    "Loading": Reason("A version is being loaded and warmed.", "Wait."),
    "LoadFailed": Reason(
        "A version could not be loaded within `serving.loadTimeout`.",
        "Read the message; the stable version goes on serving.",
        Fault.MODEL,
    ),
    "DigestMismatch": Reason(
        "The artifact in the store is not the one that was registered.",
        "Register it anew; never overwrite artifacts.",
        Fault.MODEL,
    ),
    "EnvironmentMismatch": Reason(
        "The model was made with other library versions than this server has.",
        "Retrain with the current images.",
        Fault.MODEL,
    ),
    "UntrustedType": Reason(
        "The model holds a type that is not on the list of trusted types.",
        "Use estimators of scikit-learn.",
        Fault.MODEL,
        by_value=True,
    ),
    "SignatureMismatch": Reason(
        "The model does not answer as its schema says.", "Retrain; see the message.", Fault.MODEL, by_value=True
    ),
    "ModelMissing": Reason(
        "The artifact is not in the store.", "Restore it or register another version.", Fault.MODEL, retry=Retry.MENDED
    ),
    "Serving": Reason("The wanted version answers at the stable address.", "Nothing."),
    "Shadowing": Reason("A candidate answers copies of live requests; callers do not see it.", "Wait."),
    "ShiftingTraffic": Reason("A candidate answers a part of live requests.", "Wait."),
    "Soaking": Reason("The new version answers everything; the previous one is kept warm.", "Wait."),
    "Promoted": Reason("A candidate became the stable version.", "Nothing."),
    "GateNotPassed": Reason(
        "A gate condemned the candidate.", "See status.gates; the version is not tried again.", Fault.MODEL
    ),
    "UndecidedAtMaxDuration": Reason(
        "A gate had evidence at `maxDuration` and still said nothing.",
        "Give it more time or samples, or widen the margin.",
        Fault.MODEL,
    ),
    "NoTraffic": Reason(
        "No samples arrive for a gate.", "Send traffic or labels; `onNoData` says what happens.", Fault.EXTERNAL
    ),
    "UnreachableGate": Reason(
        "At the observed rate a gate cannot pass before `maxDuration`.",
        "Raise `maxDuration` or lower what the gate needs.",
        Fault.USER,
    ),
    "RolledBack": Reason(
        "The pinned version was refused; the stable version serves.",
        "Pin another version, or raise `rollout.attempt`.",
        Fault.MODEL,
    ),
    "CandidateRejected": Reason(
        "The followed alias points to a version that was refused; the stable version serves.",
        "Nothing, or raise `rollout.attempt`.",
        Fault.MODEL,
    ),
    "PlanChanged": Reason(
        "Steps, gates or serving were edited during a rollout.", "Wait: it starts again at weight 0."
    ),
    "Cancelled": Reason(
        "The stable version is wanted again during a rollout.", "Nothing: the candidate is taken away."
    ),
    "Replaced": Reason("Another version is wanted during a rollout.", "Wait: it starts when the candidate is gone."),
    "NoCandidate": Reason("No rollout is running.", "Nothing."),
    "RouterNotReady": Reason("No router pod is ready.", "See the router's pods.", Fault.EXTERNAL),
    "NothingServes": Reason(
        "No version is ready behind the stable address.", "See the other conditions.", Fault.EXTERNAL
    ),
    "Paused": Reason("`rollout.paused` is true.", "Set it to false."),
    "RouteNotProgrammed": Reason("Not all router pods show the wanted routes yet.", "Wait; the router is told again."),
    "TookOver": Reason(
        "No pod of the stable version is ready; another version answers everything, unjudged.",
        "See why the stable version's pods are not ready; keep the other one by pinning it, or let a new version follow.",
        event=Event.WARNING,
    ),
    "PartlyServing": Reason(
        "A version that gets requests has no ready pod.",
        "See its pods; the routes follow within seconds.",
        event=Event.WARNING,
    ),
    "NoPromotion": Reason("No alias is to be moved.", "Nothing."),
    "AliasMoved": Reason("The alias points to the version promoted last.", "Nothing."),
    "AliasMissing": Reason("The alias does not point to the promoted version yet, or was deleted.", "Wait: it is set."),
    "AliasMovedByOther": Reason(
        "A person or another ModelDeployment moved the alias away from the version promoted here; it is left there.",
        "Give each ModelDeployment an alias of its own, or move the alias back.",
        event=Event.WARNING,
    ),
    "ModelNotRegistered": Reason(
        "The registry has no version with the digest of the served model: it was deleted, or restored from a backup.",
        "Register the artifact again with its digest as a tag, or promote another version; serving goes on.",
        event=Event.WARNING,
    ),
    # DriftPolicy
    "WaitingForReference": Reason(
        "The served version has no reference metric yet.", "Wait for a ModelDeployment with a stable version."
    ),
    "Watching": Reason("Windows are being collected and judged.", "Nothing.", event=Event.QUIET),
    "Evaluating": Reason("A window is being evaluated.", "Wait.", event=Event.QUIET),
    "NotEnoughLabels": Reason("Not enough labelled rows for a full window.", "Send feedback."),
    "ServersUnavailable": Reason(
        "A server pod does not say how many labels it stored, so nobody knows whether a window is full.",
        "Nothing if it answers soon; else look at the ModelDeployment's pods.",
        Fault.EXTERNAL,
    ),
    "Healthy": Reason("The last window does not show degradation.", "Nothing."),
    "Breached": Reason(
        "Enough windows show degradation beyond the limit.", "See status.lastEvaluation and status.action.", Fault.MODEL
    ),
    "Inconclusive": Reason("The window has too few closed groups for a verdict.", "Use larger windows."),
    "Retraining": Reason("A retraining is open.", "Wait."),
    "Cooldown": Reason("The last retraining began less than `limits.cooldown` ago.", "Wait."),
    "BudgetSpent": Reason("`limits.maxRetrains` were started within `limits.per`.", "Wait or raise the limit."),
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
