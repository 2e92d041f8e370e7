"""What the conditions of an Experiment say at each point of its life. Pure."""

from __future__ import annotations

from dataclasses import replace

from bucle.engine.status import ConditionUpdate, ready, reconciling, stalled
from bucle.kinds.experiment.state import Final, FinalState, Fitting, Judged, Stopped

Conditions = tuple[ConditionUpdate, ...]
OWN = ("Succeeded", "GatesPassed", "Registered")
DECIDED = ConditionUpdate("Succeeded", "True", "Succeeded", "it ran and decided")


def under_way(reason: str, message: str) -> Conditions:
    """Nothing is decided yet; what an earlier run decided is not said any more."""
    return (*reconciling(reason, message), *(ConditionUpdate(type_, "Unknown", reason) for type_ in OWN))


def cannot(reason: str, message: str) -> Conditions:
    """It ends without a decision until a person acts."""
    return (
        *stalled(reason, message),
        ConditionUpdate("Succeeded", "False", reason, message),
        ConditionUpdate("GatesPassed", "Unknown", reason),
        ConditionUpdate("Registered", "False", reason),
    )


def of_final(final: Final, outage: str | None) -> Conditions:
    """Conditions once the search is over."""
    match final:
        case Stopped(reason=reason, message=message):
            return cannot(reason, message)
        case Fitting(fit=fit):
            if fit.attempt.reason is not None:
                return under_way(fit.attempt.reason, fit.attempt.message)
            return under_way("FinalFit", f"Job {fit.job} fits, scores and compares the best parameters")
        case Judged():
            return _of_judged(final, outage)


def _of_judged(final: Judged, outage: str | None) -> Conditions:
    reason, message = final.reason, final.message
    match final.state:
        case FinalState.REFUSED:
            return _refused(reason, message)
        case FinalState.REGISTERED:
            return _decided(ready("Registered", message), ConditionUpdate("Registered", "True", "Registered", message))
        case FinalState.KEPT:
            registered = ConditionUpdate("Registered", "False", "NotRegistered", message)
            return _decided(ready("NotRegistered", message), registered)
        case _:
            return _registering(message, outage)


def _registering(message: str, outage: str | None) -> Conditions:
    reason, told = "Registering", "the model passed and is being registered"
    if outage is not None:
        reason, told = "RegistryUnavailable", outage
    return (
        *reconciling(reason, told),
        ConditionUpdate("Succeeded", "Unknown", reason),
        ConditionUpdate("GatesPassed", "True", "GatesPassed", message),
        ConditionUpdate("Registered", "False", reason, told),
    )


def _refused(reason: str, message: str) -> Conditions:
    registered = ConditionUpdate("Registered", "False", reason, message)
    if reason == "GateFailed":
        return (
            *stalled(reason, message),
            DECIDED,
            ConditionUpdate("GatesPassed", "False", reason, message),
            registered,
        )
    return _decided(ready(reason, message), registered)


def _decided(first: Conditions, registered: ConditionUpdate) -> Conditions:
    return (
        *first,
        DECIDED,
        ConditionUpdate("GatesPassed", "True", "GatesPassed"),
        registered,
    )


def waiting_for_run(said: Conditions, searched: int, wanted: int) -> Conditions:
    """`limits.maxTrials` was raised when the search was over: what it found stands, and who reads Ready learns what to do."""
    note = f"`limits.maxTrials` is {wanted} now and this search ended with {searched}: raise `run` to search again"
    return tuple(
        replace(update, message=f"{update.message}; {note}" if update.message else note)
        if update.type == "Ready"
        else update
        for update in said
    )
