"""Reasons of ModelDeployment: each with cause, cure, fault and retry. Pure data."""

from __future__ import annotations

from bucle.contracts.reasons_types import Event, Fault, Reason, Retry

MODELDEPLOYMENT: dict[str, Reason] = {
    "WaitingForModel": Reason(
        "The registered model or alias does not exist yet.", "Register a model, for instance by an Experiment."
    ),
    "Loading": Reason("A version is being loaded and warmed.", "Wait."),
    "LoadFailed": Reason(
        "A version could not be loaded within `serving.loadTimeout`.",
        "Mend what the message names and raise `rollout.attempt`, or register another version; the stable version goes on "
        "serving.",
        Fault.MODEL,
    ),
    "OtherQuestion": Reason(
        "The version predicts another target, or other classes, than the version that serves: callers would see a change.",
        "Serve it by a ModelDeployment of its own, or register a version of the same question.",
        Fault.MODEL,
    ),
    "OtherInputs": Reason(
        "The version needs columns that the version that serves does not, or lacks one that labels or gates go by.",
        "Train it on the schema of what serves; once callers send the columns, set `rollout.onOtherInputs` to `Try`.",
        Fault.MODEL,
    ),
    "DigestMismatch": Reason(
        "The artifact in the store is not the one that was registered.",
        "Restore what was registered and raise `rollout.attempt`, or register it anew; never overwrite artifacts. Of a "
        "Dataset's version: raise `run` of the Dataset, then of the Experiment.",
        Fault.MODEL,
    ),
    "EnvironmentMismatch": Reason(
        "The model was made with other library versions than this server has.",
        "Retrain with the current images: raise `run` of the Experiment.",
        Fault.MODEL,
    ),
    "UntrustedType": Reason(
        "The model holds a type that is not on the list of trusted types.",
        "Use estimators of scikit-learn, and raise `run` of the Experiment in one edit.",
        Fault.MODEL,
        by_value=True,
    ),
    "SignatureMismatch": Reason(
        "The model does not answer as its schema says.",
        "Retrain: raise `run` of the Experiment; see the message.",
        Fault.MODEL,
        by_value=True,
    ),
    "ModelMissing": Reason(
        "The artifact is not in the store.",
        "Restore it and raise `rollout.attempt`, or register another version.",
        Fault.MODEL,
        retry=Retry.MENDED,
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
        "No samples arrive for a gate.",
        "Send traffic or labels; a version that `onNoData` has refused meanwhile is tried again when `rollout.attempt` is "
        "raised.",
        Fault.EXTERNAL,
    ),
    "UnreachableGate": Reason(
        "At the observed rate a gate cannot pass before `maxDuration`.",
        "Raise `maxDuration`, or lower what the gate needs: `until.samples`, or a bound that is easier to show.",
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
}
