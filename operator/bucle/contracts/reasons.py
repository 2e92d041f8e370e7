"""The closed list of condition reasons, each with cause, cure, fault and retry. docs/reasons.md is generated from it.

The words stand in one file a kind (`reasons_<kind>`); what several kinds say, or what stands in the way of any pod, is in
`reasons_shared`. Every question about a reason is a query on this table; nobody keeps a list of their own. A reason once
released keeps its name: people match on it.
"""

from __future__ import annotations

from bucle.contracts.reasons_dataset import DATASET
from bucle.contracts.reasons_driftpolicy import DRIFTPOLICY
from bucle.contracts.reasons_experiment import EXPERIMENT
from bucle.contracts.reasons_modeldeployment import MODELDEPLOYMENT
from bucle.contracts.reasons_shared import SHARED
from bucle.contracts.reasons_types import Event, Fault, Reason, Retry

__all__ = [
    "REASONS",
    "Event",
    "Fault",
    "Reason",
    "Retry",
    "condemns",
    "differs_by_value",
    "ends_unregistered",
    "event_of",
    "heals",
    "is_external",
    "keeps_pods_from_running",
    "known",
    "needs_someone",
]

REASONS: dict[str, Reason] = {**SHARED, **DATASET, **EXPERIMENT, **MODELDEPLOYMENT, **DRIFTPOLICY}

_UNLISTED = Reason("A program of another release said so.", "Use one release of all images.", Fault.USER, Retry.BUDGET)
"""What a pod of another release says is taken for a failure of its program."""


def known(reason: str) -> Reason:
    return REASONS.get(reason, _UNLISTED)


def condemns(reason: str) -> bool:
    """What runs is at fault: nothing but another artifact, image or spec can mend it."""
    return known(reason).fault is Fault.MODEL


def is_external(reason: str) -> bool:
    """Surroundings are at fault: never charged to a model or a spec."""
    return known(reason).fault is Fault.EXTERNAL


def heals(reason: str) -> bool:
    """It may pass without an edit of this object, by itself or because someone else mends it."""
    return known(reason).retry in (Retry.WAIT, Retry.MENDED)


def needs_someone(reason: str) -> bool:
    """A person other than the object's author must mend something before it can pass."""
    return known(reason).retry is Retry.MENDED


def ends_unregistered(reason: str) -> bool:
    """An Experiment that ended so has decided, and no version of the registry will come of it."""
    return known(reason).unregistered


def keeps_pods_from_running(reason: str) -> bool:
    """A pod that runs refutes it; what its program said stands until a program says otherwise."""
    return known(reason).of_pods


def differs_by_value(reason: str) -> bool:
    """One value of a parameter may fail so and another not: it speaks of the trial, not of the search."""
    return known(reason).by_value


def event_of(reason: str) -> Event:
    return known(reason).event
