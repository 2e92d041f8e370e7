"""The closed list of condition reasons, each with its cause and its cure. docs/reasons.md is generated from it.

A reason once released keeps its name: people match on it.
"""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    cause: str
    cure: str


REASONS: dict[str, Reason] = {
    # any kind
    "SpecInvalid": Reason(
        "The stored spec cannot be read by this operator.", "Correct the field named in the message."
    ),
    "ChildRefused": Reason(
        "The API server refused an object this one needs.",
        "Read the server's words in the message: a quota, a policy or a wrong value.",
    ),
    "NameTaken": Reason(
        "An object with the name of a child exists and belongs to someone else.",
        "Rename or delete that object; it is never taken over.",
    ),
    "InternalError": Reason(
        "A mistake in the operator itself.", "Read the operator's log and report it; other objects go on."
    ),
    "StoreUnavailable": Reason(
        "The object store does not answer.", "Nothing to do if it comes back; work goes on by itself."
    ),
    "RegistryUnavailable": Reason(
        "MLflow does not answer.", "Nothing to do if it comes back; work goes on by itself. Serving does not need it."
    ),
    # pods
    "ImagePullFailed": Reason("The image of a pod cannot be had.", "Correct the image name or the pull secret."),
    "SecretMissing": Reason(
        "The Secret with the store's credentials does not exist in this namespace.",
        "Create it; the message holds the command.",
    ),
    "ContainerRefused": Reason(
        "The container runtime refused the container.", "Read the runtime's words in the message."
    ),
    "PodsRefused": Reason(
        "The API server creates no pod for a workload: a quota, a limit range or an admission policy is in the way.",
        "Read the message, and `kubectl describe` of the named workload; raise the quota or lower the requests.",
    ),
    "Unschedulable": Reason("No node takes the pod.", "Lower its requests, or add a node."),
    "OutOfMemory": Reason("A container used more memory than its limit.", "Raise `resources.limits.memory`."),
    "CrashLooping": Reason("A program ends again and again.", "Read its log."),
    "Disrupted": Reason("A pod was evicted or its node went away.", "Nothing: a new attempt starts by itself."),
    "DeadlineExceeded": Reason(
        "A program was still running at its deadline.", "Raise the time limit or make the work smaller."
    ),
    "ProgramFailed": Reason("A program ended with an error and left no explanation.", "Read the pod's log."),
    "ResultLost": Reason("A Job ended but its result is gone.", "Nothing: a new attempt starts by itself."),
    "TaskTooLarge": Reason(
        "The task does not fit into a pod annotation.", "Describe fewer or shorter columns and expectations."
    ),
    # Dataset
    "Building": Reason("A version is being built and checked.", "Wait."),
    "VersionReady": Reason("The current version passed all expectations of severity Error.", "Nothing."),
    "BucketMissing": Reason("The bucket of a source or of the store does not exist.", "Create it or correct the name."),
    "AccessDenied": Reason("The store refused the credentials.", "Correct the Secret bucle-storage."),
    "SourceMissing": Reason("A source names no existing object.", "Correct `sources[].uri.location`."),
    "SourceEmpty": Reason("The sources hold no rows.", "Point to files with rows."),
    "UnknownColumn": Reason(
        "The schema names a column that the data does not have.", "Correct the schema or the data."
    ),
    "WrongType": Reason("A column's values do not have the type the schema says.", "Correct the schema or the data."),
    "ExpectationFailed": Reason(
        "A candidate version fails an expectation of severity Error.",
        "See status.rejected; the last good version stays current.",
    ),
    "CurrentViolates": Reason(
        "The current version fails an expectation that was edited since.",
        "Correct the data or the expectation; the version stays until a better one exists.",
    ),
    "WaitingForModelDeployment": Reason(
        "A feedback source names a ModelDeployment that does not exist yet.", "Apply it."
    ),
    "WaitingForDataset": Reason(
        "A Dataset this object needs does not exist or has no version yet.", "Apply it, or see its own conditions."
    ),
    # Experiment
    "SearchRunning": Reason("Trials are running.", "Wait."),
    "FinalFit": Reason("The best parameters are being fitted, scored and compared.", "Wait."),
    "Registering": Reason("The model is being registered.", "Wait."),
    "Registered": Reason("The model passed its gates and is registered.", "Nothing."),
    "NotRegistered": Reason("The experiment ran and its model was not registered, as the spec asks.", "Nothing."),
    "NotBetter": Reason("The model was not shown to be better than the champion.", "Nothing: the champion stays."),
    "ChampionIncompatible": Reason(
        "The champion cannot be compared with this model: the message tells why.",
        "See `champion.onIncompatible`; after a release with other libraries: docs/install.md, Upgrade.",
    ),
    "ChampionUndecided": Reason(
        "There was too little evidence to compare with the champion.",
        "Give more labelled rows, or see `champion.onUndecided`.",
    ),
    "GateFailed": Reason("The model failed an absolute gate.", "Improve the data, the search space or the gate."),
    "GatesPassed": Reason("The model passed all absolute gates.", "Nothing."),
    "TooManyFailedTrials": Reason(
        "More trials failed than `limits.maxFailedTrials` allows.", "Read the reasons in status.trials."
    ),
    "NoTrialSucceeded": Reason("No trial gave a value.", "Read the reasons in status.trials."),
    "BadParameters": Reason("The estimator refuses the parameters of a trial.", "Correct `parameters`."),
    "EstimatorNotAllowed": Reason(
        "The estimator or a step is outside the allowed prefixes, or takes code.",
        "Use a class of scikit-learn that is allowed.",
    ),
    "UnknownParameter": Reason("The estimator has no such parameter.", "Correct `params` or `parameters`."),
    "UnknownMetric": Reason(
        "The metric does not exist or does not fit the target.", "See docs/contracts for the table of metrics."
    ),
    "TrialFailed": Reason("A trial's program failed.", "Read its reason in status.trials."),
    "MaxDurationExceeded": Reason(
        "The experiment ran longer than `limits.maxDuration`.", "Raise the limit or lower the number of trials."
    ),
    "Succeeded": Reason("The experiment ran and decided.", "Nothing."),
    "Failed": Reason("The experiment could not decide.", "See the other conditions."),
    # ModelDeployment
    "WaitingForModel": Reason(
        "The registered model or alias does not exist yet.", "Register a model, for instance by an Experiment."
    ),
    "Loading": Reason("A version is being loaded and warmed.", "Wait."),
    "LoadFailed": Reason(
        "A version could not be loaded within `serving.loadTimeout`.",
        "Read the message; the stable version goes on serving.",
    ),
    "DigestMismatch": Reason(
        "The artifact in the store is not the one that was registered.", "Register it anew; never overwrite artifacts."
    ),
    "EnvironmentMismatch": Reason(
        "The model was made with other library versions than this server has.", "Retrain with the current images."
    ),
    "UntrustedType": Reason(
        "The model holds a type that is not on the list of trusted types.", "Use estimators of scikit-learn."
    ),
    "SignatureMismatch": Reason("The model does not answer as its schema says.", "Retrain; see the message."),
    "ModelMissing": Reason("The artifact is not in the store.", "Restore it or register another version."),
    "Serving": Reason("The wanted version answers at the stable address.", "Nothing."),
    "Shadowing": Reason("A candidate answers copies of live requests; callers do not see it.", "Wait."),
    "ShiftingTraffic": Reason("A candidate answers a part of live requests.", "Wait."),
    "Soaking": Reason("The new version answers everything; the previous one is kept warm.", "Wait."),
    "Promoted": Reason("A candidate became the stable version.", "Nothing."),
    "GateNotPassed": Reason("A gate condemned the candidate.", "See status.gates; the version is not tried again."),
    "UndecidedAtMaxDuration": Reason(
        "A gate had evidence at `maxDuration` and still said nothing.",
        "Give it more time or samples, or widen the margin.",
    ),
    "NoTraffic": Reason("No samples arrive for a gate.", "Send traffic or labels; `onNoData` says what happens."),
    "UnreachableGate": Reason(
        "At the observed rate a gate cannot pass before `maxDuration`.",
        "Raise `maxDuration` or lower what the gate needs.",
    ),
    "RolledBack": Reason(
        "The pinned version was refused; the stable version serves.", "Pin another version, or raise `rollout.attempt`."
    ),
    "CandidateRejected": Reason(
        "The followed alias points to a version that was refused; the stable version serves.",
        "Nothing, or raise `rollout.attempt`.",
    ),
    "PlanChanged": Reason(
        "Steps, gates or serving were edited during a rollout.", "Wait: it starts again at weight 0."
    ),
    "Cancelled": Reason(
        "The stable version is wanted again during a rollout.", "Nothing: the candidate is taken away."
    ),
    "Replaced": Reason("Another version is wanted during a rollout.", "Wait: it starts when the candidate is gone."),
    "NoCandidate": Reason("No rollout is running.", "Nothing."),
    "RouterNotReady": Reason("No router pod is ready.", "See the router's pods."),
    "NothingServes": Reason("No version is ready behind the stable address.", "See the other conditions."),
    "Paused": Reason("`rollout.paused` is true.", "Set it to false."),
    "RouteNotProgrammed": Reason("Not all router pods show the wanted routes yet.", "Wait; the router is told again."),
    # DriftPolicy
    "WaitingForReference": Reason(
        "The served version has no reference metric yet.", "Wait for a ModelDeployment with a stable version."
    ),
    "Watching": Reason("Windows are being collected and judged.", "Nothing."),
    "Evaluating": Reason("A window is being evaluated.", "Wait."),
    "NotEnoughLabels": Reason("Not enough labelled rows for a full window.", "Send feedback."),
    "ServersUnavailable": Reason(
        "A server pod does not say how many labels it stored, so nobody knows whether a window is full.",
        "Nothing if it answers soon; else look at the ModelDeployment's pods.",
    ),
    "Healthy": Reason("The last window does not show degradation.", "Nothing."),
    "Breached": Reason(
        "Enough windows show degradation beyond the limit.", "See status.lastEvaluation and status.action."
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
    ),
    "NoLabels": Reason("There are no labelled rows to retrain on.", "Send feedback."),
    "LoopOpen": Reason(
        "A retrained model could never arrive at this deployment.",
        "See the message: alias, model name or schema differ.",
    ),
    "LoopClosed": Reason("A retrained model arrives at this deployment.", "Nothing."),
}
