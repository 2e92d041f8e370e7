"""Reasons of Dataset: each with cause, cure, fault and retry. Pure data."""

from __future__ import annotations

from bucle.contracts.reasons_types import Fault, Reason, Retry

DATASET: dict[str, Reason] = {
    "Building": Reason("A version is being built and checked.", "Wait."),
    "VersionReady": Reason("The current version passed all expectations of severity Error.", "Nothing."),
    "SourceChanged": Reason(
        "A source was replaced each time while it was read.",
        "Nothing if it rests soon: it is read again by itself. Else write new files instead of replacing old ones.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
    ),
    "SourceEmpty": Reason(
        "The sources hold no rows.",
        "Put rows into the files the source names; they are looked at again by themselves. An Experiment that has stopped "
        "also needs a raised `run`.",
        Fault.USER,
        retry=Retry.DATA,
    ),
    "SplitEmpty": Reason(
        "A split of the version has no rows, or only one class of the target.",
        "Give more rows or groups: the sources are looked at again by themselves. Or change `splits`: percentages, seed, or "
        "the unit of the groups.",
        Fault.USER,
        retry=Retry.DATA,
    ),
    "UnknownColumn": Reason(
        "The schema names a column that the data does not have.",
        "Correct the schema or the data; an Experiment that has stopped also needs a raised `run`.",
        Fault.USER,
        retry=Retry.DATA,
    ),
    "WrongType": Reason(
        "A column's values do not have the type the schema says.",
        "Correct the schema or the data; an Experiment that has stopped also needs a raised `run`.",
        Fault.USER,
        retry=Retry.DATA,
    ),
    "TooManySetAside": Reason(
        "More of the served rows and labels of a feedback source cannot be trained on than `maxSetAsidePercent` allows.",
        "Correct what callers send, or the schema: the rows are read again by themselves. Or raise `maxSetAsidePercent` of the "
        "source.",
        Fault.USER,
        retry=Retry.DATA,
    ),
    "ExpectationFailed": Reason(
        "A candidate version fails an expectation of severity Error.",
        "Correct the data or the expectation: see status.rejected. The last good version stays current, and the sources are "
        "looked at again by themselves, at once when `run` is raised.",
        Fault.USER,
        retry=Retry.DATA,
    ),
    "CurrentViolates": Reason(
        "The current version fails an expectation that was edited since.",
        "Correct the data or the expectation; the version stays until a better one exists.",
        Fault.USER,
        retry=Retry.DATA,
    ),
}
