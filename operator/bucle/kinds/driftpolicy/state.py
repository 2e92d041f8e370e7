"""What a DriftPolicy remembers between two looks, typed: where windows stand, what each signal says, the evaluation,
the retrains. Pure. How it stands in status is `status_codec`'s matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bucle.contracts.coverage import Coverage
from bucle.contracts.uncounted import Uncounted
from bucle.resources import driftpolicy_status as wire
from bucle.resources.person_status import PersonAction
from bucle.workloads.attempt import Attempt

KEPT = 20
"""So many windows and retrains are remembered: the maximum of the lists in status."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Verdict(StrEnum):
    HEALTHY = "Healthy"
    BREACHED = "Breached"
    INCONCLUSIVE = "Inconclusive"
    NO_DATA = "NoData"
    ERROR = "Error"


class Rows(StrEnum):
    """Which rows a window is of: each sort has its own windows."""

    LABELLED = "Labelled"
    SERVED = "Served"


class EvaluationState(StrEnum):
    PLANNED = "Planned"
    """Written down; its Job is made once all that it reads is stored, or after the pause of a failed attempt."""
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class RetrainState(StrEnum):
    CLAIMED = "Claimed"
    """Written down, nothing made yet: another policy that claims the same model at the same moment must be able to see it."""
    RETRAINING = "Retraining"
    ROLLING_OUT = "RollingOut"


class RetrainOutcome(StrEnum):
    PROMOTED = "Promoted"
    REFUSED = "Refused"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    REJECTED = "Rejected"
    """A person did not approve it: nothing was made."""


class Wanted(StrEnum):
    """What the windows ask for."""

    NONE = "None"
    ALERT = "Alert"
    RETRAIN = "Retrain"


class ActionOutcome(StrEnum):
    DONE = "Done"
    SUPPRESSED = "Suppressed"
    WAITING = "Waiting"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far windows of one sort of rows have come. `rows`: the servers' count up to which nothing new can be full."""

    window: int = 0
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next window begins. `rule`: hash of all that decides which rows fill a window."""

    revision: str
    since: datetime
    rule: str
    labelled: Mark = Mark()
    served: Mark = Mark()


@dataclass(frozen=True, slots=True)
class WindowVerdict:
    """`columns`: codes of those beyond their limit, where drift is the same column again."""

    window: int
    verdict: Verdict
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignalState:
    """One signal of the spec. `rule`: hash of what it measures. `since`: when its drift began. `record` is how status
    tells its last verdict, whole, and `window` the window of that."""

    name: str
    rule: str
    verdicts: tuple[WindowVerdict, ...] = ()
    drifting: bool = False
    since: datetime | None = None
    record: wire.SignalVerdict | None = None
    window: wire.EvaluatedWindow | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One Job that looks for full windows, through all of its attempts. `until`: what was received before is read.
    `rule`: hash of all that it measures; `labelled`, `served`: from which window on, and how many such rows there were; None: it looks for none."""

    job: str
    image: str
    state: EvaluationState
    attempt: Attempt
    revision: str
    rule: str
    until: datetime
    labelled: Mark | None
    started_at: datetime
    finished_at: datetime | None = None
    served: Mark | None = None

    @property
    def open(self) -> bool:
        return self.state in (EvaluationState.PLANNED, EvaluationState.RUNNING)


@dataclass(frozen=True, slots=True)
class Judged:
    """The last thing that was said of windows. `record` is how status tells it, whole."""

    verdict: Verdict
    message: str
    window: int | None
    record: wire.Evaluation

    @property
    def failed(self) -> bool:
        """Whether the look itself failed, so that no window was judged."""
        return self.window is None and self.verdict is Verdict.ERROR


@dataclass(frozen=True, slots=True)
class PastWindow:
    """One window that was judged, with the verdict of each signal by its name."""

    revision: str
    window: int
    to: datetime
    verdicts: Mapping[str, Verdict]
    record: wire.PastEvaluation
    of: Rows = Rows.LABELLED


@dataclass(frozen=True, slots=True)
class Action:
    """`signals`: those that ask for it."""

    wanted: Wanted
    outcome: ActionOutcome
    reason: str
    message: str
    at: datetime
    signals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedbackBounds:
    """The served rows of a retrain, fixed before its Dataset is made."""

    received_before: datetime
    labels_received_before: datetime


@dataclass(frozen=True, slots=True)
class OpenRetrain:
    """The retrain under way; its children carry its name. `digest`: of the model it made. `asked`: the request of the person
    who started it by hand."""

    name: str
    state: RetrainState
    started_at: datetime
    window: int | None = None
    feedback_bounds: FeedbackBounds | None = None
    digest: str | None = None
    model_version: int | None = None
    asked: str | None = None


@dataclass(frozen=True, slots=True)
class WantedRetrain:
    """A retrain that waits for a person. It keeps its name while the drift stands, or nobody could approve what changes with
    each window."""

    name: str
    window: int
    since: datetime
    approved: bool = False


@dataclass(frozen=True, slots=True)
class PastRetrain:
    name: str
    outcome: RetrainOutcome
    reason: str
    started_at: datetime
    finished_at: datetime | None = None
    window: int | None = None
    model_version: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    reference: wire.DriftReference | None = None
    cursor: Cursor | None = None
    signals: tuple[SignalState, ...] = ()
    evaluation: Evaluation | None = None
    last: Judged | None = None
    uncounted: Uncounted = Uncounted()
    coverage: Coverage | None = None
    action: Action | None = None
    approval: WantedRetrain | None = None
    muted: tuple[str, ...] = ()
    person_actions: tuple[PersonAction, ...] = ()
    retrain: OpenRetrain | None = None
    retrains_begun: int = 0
    past_retrains: tuple[PastRetrain, ...] = ()
    history: tuple[PastWindow, ...] = ()
