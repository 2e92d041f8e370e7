"""Reasons of Experiment: each with cause, cure, fault and retry. Pure data."""

from __future__ import annotations

from bucle.contracts.reasons_types import Fault, Reason

EXPERIMENT: dict[str, Reason] = {
    "WaitingForDataset": Reason(
        "A Dataset this object needs does not exist or has no version yet.", "Apply it, or see its own conditions."
    ),
    "SearchTooLarge": Reason(
        "The record of all trials would not fit into the object.",
        "Lower `limits.maxTrials`, once it has started to no fewer than have begun; or search fewer parameters, then with a raised `run` in one edit.",
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
        "Nothing: the champion stays. To register all the same, set `champion.onIncompatible` to Pass and raise `run` in one "
        "edit; after a release with other libraries: docs/install.md, Upgrade.",
        Fault.MODEL,
        unregistered=True,
    ),
    "ChampionUndecided": Reason(
        "There was too little evidence to compare with the champion.",
        "Give more labelled rows and raise `run`, or set `champion.onUndecided` to Pass and raise `run` in one edit.",
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
    "MaxDurationExceeded": Reason(
        "The experiment ran longer than `limits.maxDuration`.",
        "Raise `limits.maxDuration` or lower `limits.maxTrials`, and raise `run` in one edit.",
        Fault.USER,
    ),
    "Succeeded": Reason("The experiment ran and decided.", "Nothing."),
}
