"""What is known of a reason besides its words: whose fault it is, whether trying again helps, how loud it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Whom a failure speaks against."""

    MODEL = "Model"
    """What was run or served: it is condemned, or the attempt counts against it."""
    USER = "User"
    """The spec or the data it names: a person corrects it."""
    EXTERNAL = "External"
    """Surroundings, such as a store, a quota or a node: never charged to a model, and its clock stands still."""
    OPERATOR = "Operator"
    """A mistake of ours."""


class Retry(StrEnum):
    """What another attempt can do about it."""

    NEVER = "Never"
    """Nothing: only an edit helps."""
    BUDGET = "Budget"
    """It may have been bad luck: tried again so many times, then given up."""
    WAIT = "Wait"
    """It comes back by itself: tried again after growing pauses, without end."""
    DATA = "Data"
    """Other data or an edit helps: a Dataset reads its sources again by itself, whoever has pinned a version does not."""
    MENDED = "Mended"
    """Somebody else must mend it: tried again like WAIT, and called stalled meanwhile, since a person is needed."""


class Event(StrEnum):
    """How a Kubernetes Event about it looks."""

    NORMAL = "Normal"
    WARNING = "Warning"
    QUIET = "Quiet"
    """It comes and goes with each look and is told in the condition alone."""


@dataclass(frozen=True, slots=True)
class Reason:
    """`unregistered`: an Experiment that ends with it has decided, and no version will come of it. `by_value`: one value of
    a parameter may fail with it and another not. `of_pods`: it keeps a pod from running, so a pod that runs refutes it."""

    cause: str
    cure: str
    fault: Fault | None = None
    retry: Retry = Retry.NEVER
    event: Event = Event.NORMAL
    unregistered: bool = False
    by_value: bool = False
    of_pods: bool = False
