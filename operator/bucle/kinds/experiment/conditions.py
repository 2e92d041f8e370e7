"""What the conditions of an Experiment say at each point of its life. Pure."""

from __future__ import annotations

from bucle.engine.status import ConditionUpdate, ready, reconciling, stalled
from bucle.kinds.experiment import records
from bucle.resources.experiment_status import ExperimentStatus, Final

OWN = ("Succeeded", "GatesPassed", "Registered")
DECIDED = ConditionUpdate("Succeeded", "True", "Succeeded", "it ran and decided")


def under_way(reason: str, message: str) -> tuple[ConditionUpdate, ...]:
    """Nothing is decided yet; what an earlier run decided is not said any more."""
    return (*reconciling(reason, message), *(ConditionUpdate(type_, "Unknown", reason) for type_ in OWN))


def cannot(reason: str, message: str) -> tuple[ConditionUpdate, ...]:
    """It ends without a decision until a person acts."""
    return (
        *stalled(reason, message),
        ConditionUpdate("Succeeded", "False", reason, message),
        ConditionUpdate("GatesPassed", "Unknown", reason),
        ConditionUpdate("Registered", "False", reason),
    )


def of_final(status: ExperimentStatus, final: Final, outage: str | None) -> tuple[ConditionUpdate, ...]:
    """Conditions once there is a row for the final fit."""
    reason, message = final.reason or "Failed", final.message or ""
    if final.state == records.STOPPED:
        return cannot(reason, message)
    if final.state == records.REFUSED:
        return _refused(reason, message)
    if final.state == records.REGISTERED:
        return _decided(ready("Registered", message), ConditionUpdate("Registered", "True", "Registered", message))
    if final.state == records.KEPT:
        return _decided(
            ready("NotRegistered", message), ConditionUpdate("Registered", "False", "NotRegistered", message)
        )
    if final.state == records.PASSED:
        said = "RegistryUnavailable" if outage else "Registering"
        return (
            *reconciling(said, outage or "the model passed and is being registered"),
            ConditionUpdate("Succeeded", "Unknown", said),
            ConditionUpdate("GatesPassed", "True", "GatesPassed", message),
            ConditionUpdate("Registered", "False", said, outage or ""),
        )
    if final.reason:
        return under_way(reason, message)
    return under_way("FinalFit", f"Job {final.job} fits, scores and compares the best parameters")


def _refused(reason: str, message: str) -> tuple[ConditionUpdate, ...]:
    registered = ConditionUpdate("Registered", "False", reason, message)
    if reason == "GateFailed":
        return (
            *stalled(reason, message),
            DECIDED,
            ConditionUpdate("GatesPassed", "False", reason, message),
            registered,
        )
    return _decided(ready(reason, message), registered)


def _decided(first: tuple[ConditionUpdate, ...], registered: ConditionUpdate) -> tuple[ConditionUpdate, ...]:
    return (
        *first,
        DECIDED,
        ConditionUpdate("GatesPassed", "True", "GatesPassed"),
        registered,
    )
