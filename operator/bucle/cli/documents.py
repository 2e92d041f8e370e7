"""What `--output json` and `yaml` give: documents with stable names, from which tables are made too. Pure.

A field once released keeps its name; new ones may come, so readers ignore what they do not know. Numbers are text, as in
the status they come from.
"""

from __future__ import annotations

from typing import Final, Literal

from bucle.cli.objects import State
from bucle.resources.base import Model

API_VERSION: Final = "cli.bucle.dev/v1alpha1"


class Document(Model):
    """`notes` says what could not be read or understood."""

    api_version: str = API_VERSION
    notes: tuple[str, ...] = ()


class ObjectName(Model):
    kind: str
    name: str
    namespace: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Node(ObjectName):
    """One object of the loop and what is made from it. `repeated`: it has more than one origin and stands at another one
    with all that follows."""

    state: State
    ready: str | None = None
    reason: str | None = None
    message: str | None = None
    since: str | None = None
    repeated: bool = False
    children: tuple[Node, ...] = ()


class Loop(Document):
    """`empty` says where nothing was found."""

    kind: Literal["Loop"] = "Loop"
    empty: str | None = None
    items: tuple[Node, ...] = ()


class Cause(Model):
    """One reason that somebody gave, and what the table of reasons knows of it. `told_by`: conditions, or fields of status.
    `known`: this release knows the word."""

    reason: str
    told_by: tuple[str, ...]
    messages: tuple[str, ...] = ()
    since: str | None = None
    known: bool = True
    cause: str | None = None
    cure: str | None = None
    fault: str | None = None
    retry: str | None = None


class Happening(Model):
    """One Event."""

    type: str
    reason: str
    message: str
    last: str | None = None
    count: int = 1


class PodTrouble(Model):
    """A pod that does not do its work."""

    pod: str
    phase: str
    cause: Cause


class Explanation(Document):
    kind: Literal["Explanation"] = "Explanation"
    object: ObjectName
    state: State
    ready: str | None = None
    since: str | None = None
    message: str | None = None
    causes: tuple[Cause, ...] = ()
    also: tuple[Cause, ...] = ()
    waits_for: tuple[Node, ...] = ()
    pods: tuple[PodTrouble, ...] = ()
    events: tuple[Happening, ...] = ()


class Request(Document):
    """What a person asked of an object by its annotation; no `outcome`: not answered yet."""

    kind: Literal["Request"] = "Request"
    object: ObjectName
    request: str
    outcome: str | None = None
    message: str | None = None
    by: str | None = None
    at: str | None = None


class Measured(Model):
    """A number with the interval in which the truth lies, and what is allowed."""

    value: str | None = None
    lower: str | None = None
    upper: str | None = None
    limit: str | None = None


class DeclaredMix(Model):
    """Which days or classes a gate is asked about, and how far the rollout's rows are from them."""

    of: str | None = None
    declared: str | None = None
    here: str | None = None
    turns_at: str | None = None
    distance: str | None = None


class Gate(Measured):
    """One gate as it was evaluated last; without a verdict it was not evaluated yet."""

    name: str
    test: str | None = None
    step: int | None = None
    verdict: str | None = None
    message: str | None = None
    unit: str | None = None
    samples: int | None = None
    samples_needed: int | None = None
    groups: int | None = None
    groups_needed: int | None = None
    independent_groups: int | None = None
    mix: DeclaredMix | None = None
    needs: str | None = None
    reachable: bool | None = None
    at: str | None = None


class Gates(Document):
    kind: Literal["Gates"] = "Gates"
    object: ObjectName
    stable_version: int | None = None
    candidate_version: int | None = None
    rollout: str | None = None
    step: int | None = None
    steps: int = 0
    weight: int | None = None
    waiting_for: str | None = None
    gates: tuple[Gate, ...] = ()


class Finding(Measured):
    """What one signal said of one window."""

    name: str
    verdict: str | None = None
    groups: int | None = None


class Signal(Finding):
    """One signal on the window it was judged on last; without a verdict none was. `verdicts`: of its last windows, oldest first."""

    measures: str | None = None
    rule: str | None = None
    reason: str | None = None
    message: str | None = None
    window: int | None = None
    drifting: bool | None = None
    since: str | None = None
    verdicts: tuple[str, ...] = ()


class Window(Model):
    """One window and what each signal said of it."""

    index: int | None = None
    verdict: str | None = None
    rows: int | None = None
    first: str | None = None
    last: str | None = None
    signals: tuple[Finding, ...] = ()


class Retrain(Model):
    """One retrain; without an outcome it is under way."""

    name: str | None = None
    state: str | None = None
    outcome: str | None = None
    reason: str | None = None
    model_version: int | None = None
    started_at: str | None = None


class Signals(Document):
    kind: Literal["Signals"] = "Signals"
    object: ObjectName
    target: str | None = None
    drift: str | None = None
    drift_message: str | None = None
    metric: str | None = None
    reference: str | None = None
    reference_version: int | None = None
    action: Cause | None = None
    retrains_begun: int | None = None
    retrains: tuple[Retrain, ...] = ()
    signals: tuple[Signal, ...] = ()
    windows: tuple[Window, ...] = ()
