"""What a ModelDeployment remembers between two runs: frozen values, every field required, one type per phase of a rollout.

Knows nothing of Kubernetes or of the wire; `codec` turns a status into a State and back. A phase carries what only it
needs, so that nothing has to be asked of a phase that cannot answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from bucle.contracts.result import Failure
from bucle.externals.answers import AnswerCounts
from bucle.kinds.modeldeployment.identity import ModelFacts, Revision
from bucle.resources.modeldeployment_status import GateStatus, PastRollout, RealisedMetric

HISTORY = 20


class Phase(StrEnum):
    LOADING = "Loading"
    STEPPING = "Stepping"
    SOAKING = "Soaking"
    PROMOTING = "Promoting"
    ABORTING = "Aborting"


class Outcome(StrEnum):
    PROMOTED = "Promoted"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"
    TOOK_OVER = "TookOver"


class LoadState(StrEnum):
    """How far the candidate's pods are, as status tells it."""

    WAITING = "Waiting"
    LOADING = "Loading"
    LOADED = "Loaded"


class WaitFor(StrEnum):
    """What a rollout waits for; `conditions` has the words."""

    LOAD = "Load"
    PODS = "Pods"
    ROUTERS_TO_SEE = "RoutersToSee"
    ROUTES = "Routes"
    STABLE_WHOLE = "StableWhole"
    STABLE_BACK = "StableBack"
    PAUSED = "Paused"
    GATES = "Gates"
    SAMPLES = "Samples"
    MIN_DURATION = "MinDuration"
    SOAK = "Soak"
    WEIGHT_ZERO = "WeightZero"
    OPEN_REQUESTS = "OpenRequests"
    REGISTRY = "Registry"


class Wait(NamedTuple):
    """What is waited for, and the one thing about it that the words need (a duration, a count of pods)."""

    what: WaitFor
    detail: str = ""


class Target(NamedTuple):
    """Where a router sends requests: a revision, or copies of requests to it."""

    revision: str
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Serving:
    """What answers. `unready_since`: since then none of its pods has been ready."""

    revision: Revision
    since: datetime
    unready_since: datetime | None


@dataclass(frozen=True, slots=True)
class CounterBase:
    """What a router pod had counted when this rollout began to count there. `router` None: the running step's zero."""

    router: str | None
    target: Target
    answered: AnswerCounts


@dataclass(frozen=True, slots=True)
class Run:
    """What one rollout is about from its beginning to its end. `took_over_at`: the candidate became stable unjudged then,
    because nothing of the stable version answered any more."""

    id: str
    plan_hash: str
    attempt: int
    started_at: datetime
    stable: str | None
    candidate: Revision
    bases: tuple[CounterBase, ...]
    reference: RealisedMetric | None
    took_over_at: datetime | None


@dataclass(frozen=True, slots=True)
class Loading:
    """`clock` is when `loadTimeout` began to run; None while something other than the model keeps its pods."""

    run: Run
    clock: datetime | None
    trouble: Failure | None
    wait: Wait


@dataclass(frozen=True, slots=True)
class Stepping:
    """`weight` is what the step asks for, `programmed` what every router pod has shown. `overdue`: the time of the step is
    over and policy says hold."""

    run: Run
    step: int
    entered_at: datetime
    in_force_since: datetime | None
    weight: int
    programmed: int
    overdue: Failure | None
    wait: Wait


@dataclass(frozen=True, slots=True)
class Soaking:
    """The roles have flipped: the run's candidate is stable, `previous` is kept warm."""

    run: Run
    previous: Serving
    since: datetime
    wait: Wait


@dataclass(frozen=True, slots=True)
class Promoting:
    """Nothing is left but to tell the registry; whatever is wanted meanwhile goes first."""

    run: Run
    since: datetime
    wait: Wait


@dataclass(frozen=True, slots=True)
class Aborting:
    """The candidate loses its requests. `drained_since`: its weight has been 0 at every router pod since then."""

    run: Run
    outcome: Outcome
    why: Failure
    programmed: int
    drained_since: datetime | None
    wait: Wait


Rollout: TypeAlias = Loading | Stepping | Soaking | Promoting | Aborting


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model refused last, under which plan and attempt."""

    version: int | None
    digest: str
    revision: str | None
    plan_hash: str
    attempt: int
    reason: str
    message: str
    at: datetime | None


class Telling(StrEnum):
    """How far the registry knows of a promotion."""

    WANTED = "Wanted"
    DONE = "Done"
    LOST = "Lost"
    OVERTAKEN = "Overtaken"


@dataclass(frozen=True, slots=True)
class Promotion:
    """What the registry has to be told of the model promoted last, and whether it has been.

    `before` is the digest the alias pointed to when the promotion was written down.
    """

    model: ModelFacts
    at: datetime
    reference: RealisedMetric | None
    alias: str | None
    before: str | None
    telling: Telling


@dataclass(frozen=True, slots=True)
class State:
    """Everything. `gates` and `history` are records for people: no decision is taken on them."""

    stable: Serving | None
    rollout: Rollout | None
    promotion: Promotion | None
    rejected: Refusal | None
    gates: tuple[GateStatus, ...]
    history: tuple[PastRollout, ...]

    @property
    def candidate(self) -> Revision | None:
        """The revision on trial; none once it is stable."""
        if isinstance(self.rollout, Loading | Stepping | Aborting):
            return self.rollout.run.candidate
        return None

    @property
    def previous(self) -> Serving | None:
        return self.rollout.previous if isinstance(self.rollout, Soaking) else None

    @property
    def kept(self) -> dict[str, Revision]:
        """Every revision whose pods must live."""
        parts = (
            self.stable.revision if self.stable else None,
            self.candidate,
            self.previous.revision if self.previous else None,
        )
        return {part.id: part for part in parts if part is not None}

    def remembered(self, name: str, version: int) -> ModelFacts | None:
        """The facts of a version as this deployment served or tried it: a registry that is down has not changed it."""
        models = [revision.model for revision in self.kept.values()]
        models += [
            ModelFacts(m.uri, m.digest, m.name, m.version)
            for line in self.history
            if (m := line.model) is not None and m.uri is not None and m.digest is not None
        ]
        return next((m for m in models if (m.name, m.version) == (name, version)), None)


EMPTY = State(stable=None, rollout=None, promotion=None, rejected=None, gates=(), history=())


def with_run(rollout: Rollout, run: Run) -> Rollout:
    """The same phase of the same rollout, with more known about it."""
    return replace(rollout, run=run)


def finished(state: State, outcome: Outcome, reason: str, now: datetime) -> State:
    """The rollout is over; one line of history stays."""
    if state.rollout is None:
        return state
    return replace(state, rollout=None, history=with_line(state, outcome, reason, now))


def with_line(state: State, outcome: Outcome, reason: str, now: datetime) -> tuple[PastRollout, ...]:
    """The history with one more line, for the rollout that ends here."""
    if state.rollout is None:
        return state.history
    run = state.rollout.run
    line = PastRollout(
        revision=run.candidate.id,
        model=run.candidate.model.reference(),
        outcome=outcome,
        reason=reason,
        started_at=run.started_at,
        finished_at=now.replace(microsecond=0),
    )
    return (line, *state.history)[:HISTORY]
