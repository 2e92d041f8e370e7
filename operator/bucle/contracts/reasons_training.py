"""Reasons of Dataset and Experiment. Pure data."""

from __future__ import annotations

from bucle.contracts.reasons_types import Fault, Reason, Retry

TRAINING: dict[str, Reason] = {
    # Dataset
    "Building": Reason("A version is being built and checked.", "Wait."),
    "VersionReady": Reason("The current version passed all expectations of severity Error.", "Nothing."),
    "BucketMissing": Reason(
        "The bucket of a source or of the store does not exist.",
        "Create it or correct the name.",
        Fault.EXTERNAL,
        retry=Retry.MENDED,
    ),
    "AccessDenied": Reason(
        "The store refused the credentials.", "Correct the Secret bucle-storage.", Fault.EXTERNAL, retry=Retry.MENDED
    ),
    "SourceMissing": Reason(
        "A source names no existing object.", "Correct `sources[].uri.location`.", Fault.EXTERNAL, retry=Retry.MENDED
    ),
    "SourceChanged": Reason(
        "A source was replaced each time while it was read.",
        "Nothing if it rests soon: it is read again by itself. Else write new files instead of replacing old ones.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
    ),
    "SourceEmpty": Reason(
        "The sources hold no rows.",
        "Put rows into the files the source names; they are looked at again by themselves.",
        Fault.USER,
        retry=Retry.DATA,
    ),
    "SplitEmpty": Reason(
        "A split of the version has no rows, or only one class of the target.",
        "Give more rows or groups, or change `splits`: percentages, seed, or the unit of the groups.",
        Fault.USER,
    ),
    "UnknownColumn": Reason(
        "The schema names a column that the data does not have.",
        "Correct the schema or the data.",
        Fault.USER,
        retry=Retry.DATA,
    ),
    "WrongType": Reason(
        "A column's values do not have the type the schema says.",
        "Correct the schema or the data.",
        Fault.USER,
        retry=Retry.DATA,
    ),
    "ExpectationFailed": Reason(
        "A candidate version fails an expectation of severity Error.",
        "Correct the data or the expectation: see status.rejected. The last good version stays current, and the sources are looked at again by themselves.",
        Fault.USER,
        retry=Retry.DATA,
    ),
    "CurrentViolates": Reason(
        "The current version fails an expectation that was edited since.",
        "Correct the data or the expectation; the version stays until a better one exists.",
        Fault.USER,
        retry=Retry.DATA,
    ),
    "WaitingForModelDeployment": Reason(
        "A feedback source names a ModelDeployment that does not exist yet.", "Apply it."
    ),
    "WaitingForDataset": Reason(
        "A Dataset this object needs does not exist or has no version yet.", "Apply it, or see its own conditions."
    ),
    # Experiment
    "SearchTooLarge": Reason(
        "The record of all trials would not fit into the object.",
        "Lower `limits.maxTrials` or search fewer parameters, and raise `run` in one edit once it has started.",
        Fault.USER,
    ),
    "SearchRunning": Reason("Trials are running.", "Wait."),
    "FinalFit": Reason("The best parameters are being fitted, scored and compared.", "Wait."),
    "Registering": Reason("The model is being registered.", "Wait."),
    "Registered": Reason("The model passed its gates and is registered.", "Nothing."),
    "NotRegistered": Reason(
        "The experiment ran and its model was not registered, as the spec asks.", "Nothing.", unregistered=True
    ),
    "NotBetter": Reason(
        "The model was not shown to be better than the champion.",
        "Nothing: the champion stays.",
        Fault.MODEL,
        unregistered=True,
    ),
    "ChampionIncompatible": Reason(
        "The champion cannot be compared with this model: the message tells why.",
        "See `champion.onIncompatible`; after a release with other libraries: docs/install.md, Upgrade.",
        Fault.MODEL,
        unregistered=True,
    ),
    "ChampionUndecided": Reason(
        "There was too little evidence to compare with the champion.",
        "Give more labelled rows, or see `champion.onUndecided`.",
        Fault.MODEL,
        unregistered=True,
    ),
    "GateFailed": Reason(
        "The model failed an absolute gate.",
        "Improve the data, the search space or the gate, and raise `run` in one edit.",
        Fault.MODEL,
        unregistered=True,
    ),
    "GatesPassed": Reason("The model passed all absolute gates.", "Nothing."),
    "TooManyFailedTrials": Reason(
        "More trials failed than `limits.maxFailedTrials` allows.",
        "Read the reasons in status.trials, then correct the spec and raise `run` in one edit.",
        Fault.USER,
    ),
    "NoTrialSucceeded": Reason(
        "No trial gave a value.",
        "Read the reasons in status.trials, then raise `limits.maxTrials`, or correct the spec and raise `run` in one edit.",
        Fault.USER,
    ),
    "BadParameters": Reason(
        "The estimator refuses the parameters of a trial.",
        "Correct `parameters` and raise `run` in one edit.",
        Fault.USER,
        by_value=True,
    ),
    "EstimatorNotAllowed": Reason(
        "The estimator or a step is outside the allowed prefixes, or takes code.",
        "Use a class of scikit-learn that is allowed and raise `run` in one edit.",
        Fault.USER,
        by_value=True,
    ),
    "UnknownParameter": Reason(
        "The estimator has no such parameter.",
        "Correct `params` or `parameters` and raise `run` in one edit.",
        Fault.USER,
    ),
    "UnknownMetric": Reason(
        "The metric does not exist or does not fit the target.",
        "Choose a metric for this target from the table in docs/contracts/README.md.",
        Fault.USER,
    ),
    "MaxDurationExceeded": Reason(
        "The experiment ran longer than `limits.maxDuration`.",
        "Raise `limits.maxDuration` or lower `limits.maxTrials`, and raise `run` in one edit.",
        Fault.USER,
    ),
    "Succeeded": Reason("The experiment ran and decided.", "Nothing."),
    "Failed": Reason("The experiment could not decide.", "See the other conditions.", Fault.USER),
}
