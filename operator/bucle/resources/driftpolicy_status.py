"""DriftPolicy: what the windows said, and what was done about it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bucle.resources.base import (
    DecimalString,
    Interval,
    ListType,
    Model,
    Short,
    Status,
    Text,
    Timestamp,
    Uri,
)
from bucle.resources.group_shape import GroupShape
from bucle.resources.person_status import PersonActions
from bucle.resources.uncounted_status import UncountedStatus


class ReferenceModel(Model):
    """The model the reference belongs to."""

    name: Short | None = Field(default=None, description="Registered name.")
    version: int | None = Field(default=None, description="Version in the registry.")


class DriftReference(Model):
    """What windows are compared with."""

    model: ReferenceModel | None = Field(default=None, description="The model it belongs to.")
    digest: Short | None = Field(default=None, description="Digest of the model's artifact.")
    dataset: Short | None = Field(default=None, description="The Dataset that the model learnt from.")
    metric: Short | None = Field(default=None, description="Name of the metric.")
    value: DecimalString | None = Field(default=None, description="The metric's value.")
    standard_error: DecimalString | None = Field(default=None, description="Its standard error over groups.")
    shape: GroupShape | None = Field(
        default=None, description="What these groups look like; unknown of an older model."
    )
    groups: int | None = Field(default=None, description="How many groups it was taken over.")
    at: Timestamp | None = Field(default=None, description="When it was taken.")


class Mark(Model):
    """How far windows of one sort of rows have come."""

    window: int | None = Field(default=None, description="Index of the next window, from 0.")
    rows: int | None = Field(
        default=None,
        description="The servers' count of such rows at the last look, without those left for the next window.",
    )


class Cursor(Model):
    """Where the next window begins."""

    version: Short | None = Field(default=None, description="The served version the windows belong to.")
    since: Timestamp | None = Field(default=None, description="When that version was promoted.")
    rule: Short | None = Field(
        default=None, description="Hash of what fills a window; when it changes, the windows begin anew."
    )
    labelled: Mark | None = Field(default=None, description="Windows of labelled rows.")
    served: Mark | None = Field(default=None, description="Windows of served rows.")


class Streak(Model):
    """The verdict on one window."""

    window: int | None = Field(default=None, description="Index of the window.")
    verdict: Short | None = Field(default=None, description="Healthy, Breached, Inconclusive, NoData or Error.")
    columns: Annotated[
        tuple[Annotated[Short, Field(description="Code of a column.")], ...], ListType(), Field(max_length=32)
    ] = Field(default=(), description="Columns beyond their limit, where drift is the same column again.")


class EvaluatedWindow(Model):
    """One window."""

    of: Short | None = Field(default=None, description="Whose rows: Labelled or Served.")
    index: int | None = Field(default=None, description="Its index, from 0.")
    from_: Timestamp | None = Field(default=None, description="Received time of its first row.")
    to: Timestamp | None = Field(default=None, description="Received time of its last row.")


class ColumnStatus(Model):
    """One column that is beyond its limit."""

    column: Short | None = Field(default=None, description="Its name.")
    question: Short | None = Field(
        default=None, description="Drift, Constant, Nulls, Unknown, OutOfRange, Invalid, or Missing, as the page says."
    )
    value: DecimalString | None = Field(default=None, description="Distance of the distributions, or share of rows.")
    limit: DecimalString | None = Field(default=None, description="What it had to exceed.")


class SignalVerdict(Model):
    """One signal on one window."""

    name: Short = Field(default="", description="Name of the signal.")
    verdict: Short | None = Field(default=None, description="Healthy, Breached, Inconclusive, NoData or Error.")
    reason: Short | None = Field(default=None, description="Why there is no verdict, in one word.")
    message: Text | None = Field(default=None, description="The verdict in words.")
    value: DecimalString | None = Field(default=None, description="What was measured.")
    limit: DecimalString | None = Field(default=None, description="What is allowed.")
    interval: Interval | None = Field(default=None, description="Where the truth lies, of the last windows as one.")
    groups: int | None = Field(default=None, description="The closed groups it was taken over.")
    standard_error: DecimalString | None = Field(default=None, description="Standard error of the value over groups.")
    kish: DecimalString | None = Field(default=None, description="Groups of equal size that would weigh the same.")
    columns: Annotated[tuple[ColumnStatus, ...], ListType(), Field(max_length=5)] = Field(
        default=(), description="The columns farthest beyond their limit; all of them are in the stored result."
    )


SignalVerdicts = Annotated[tuple[SignalVerdict, ...], ListType(), Field(max_length=16)]


class SignalStatus(SignalVerdict):
    """One signal: its last verdict, and whether that and those before it are drift."""

    rule: Short | None = Field(
        default=None, description="Hash of what is measured; when it changes, the signal begins anew."
    )
    window: EvaluatedWindow | None = Field(default=None, description="The window of that verdict.")
    drifting: bool | None = Field(default=None, description="Whether its windows are drift by its `decision`.")
    since: Timestamp | None = Field(default=None, description="End of the window that began the drift.")
    streak: Annotated[tuple[Streak, ...], ListType(), Field(max_length=20)] = Field(
        default=(), description="Verdicts of its last windows, oldest first."
    )


class Evaluation(Model):
    """The last window that was judged."""

    id: Short | None = Field(default=None, description="Names the evaluation.")
    window: EvaluatedWindow | None = Field(default=None, description="The window.")
    rows: int | None = Field(default=None, description="Its rows.")
    labels: int | None = Field(default=None, description="Its labelled rows.")
    verdict: Short | None = Field(default=None, description="Healthy, Breached, Inconclusive, NoData or Error.")
    reason: Short | None = Field(default=None, description="Why there is no verdict, in one word.")
    message: Text | None = Field(default=None, description="The verdict in words, by signal.")
    signals: SignalVerdicts = Field(default=(), description="Its signals.")
    result: Uri | None = Field(default=None, description="Where the full result lies in the store.")
    at: Timestamp | None = Field(default=None, description="When it was judged.")


class EvaluationJob(Model):
    """The running Job, written before it is created."""

    job: Short | None = Field(default=None, description="Name of the Job.")
    attempt: int | None = Field(default=None, description="Which attempt, from 0.")
    failures: int | None = Field(default=None, description="Attempts that failed by their own fault.")
    state: Short | None = Field(default=None, description="Planned, Running, Succeeded or Failed.")
    reason: Short | None = Field(default=None, description="Why it failed or waits, in one word.")
    message: Text | None = Field(default=None, description="What was tried, on what, and what to do next.")
    not_before: Timestamp | None = Field(default=None, description="The attempt waits until then.")
    image: Uri | None = Field(default=None, description="Image of the Job, pinned.")
    version: Short | None = Field(default=None, description="The served version it looks at.")
    rule: Short | None = Field(default=None, description="Hash of all that it measures.")
    until: Timestamp | None = Field(default=None, description="Rows and labels received before this are read.")
    labelled: Mark | None = Field(
        default=None, description="The first window of labelled rows it looks for, and their count when it was decided."
    )
    served: Mark | None = Field(default=None, description="The same of served rows; left out: it looks for none.")
    started_at: Timestamp | None = Field(default=None, description="When it was decided.")
    finished_at: Timestamp | None = Field(default=None, description="When its outcome was seen.")


class ActionStatus(Model):
    """What is wanted, and what came of it."""

    wanted: Short | None = Field(default=None, description="Alert, Retrain or None.")
    outcome: Short | None = Field(default=None, description="Done, Suppressed or Waiting.")
    reason: Short | None = Field(default=None, description="Why, in one word.")
    message: Text | None = Field(default=None, description="Why, in a sentence.")
    signals: Annotated[
        tuple[Annotated[Short, Field(description="Name of a signal.")], ...], ListType(), Field(max_length=16)
    ] = Field(default=(), description="Signals that ask for it.")
    at: Timestamp | None = Field(default=None, description="When.")


class FeedbackBounds(Model):
    """The bounds of the served rows, fixed before the Dataset is created."""

    received_before: Timestamp | None = Field(default=None, description="Only requests received before.")
    labels_received_before: Timestamp | None = Field(default=None, description="Only labels received before.")


class OpenRetrain(Model):
    """The retrain that is under way."""

    name: Short | None = Field(default=None, description="Names it and its children.")
    dataset: Short | None = Field(default=None, description="Its Dataset.")
    experiment: Short | None = Field(default=None, description="Its Experiment.")
    window: int | None = Field(default=None, description="The window that started it.")
    digest: Short | None = Field(default=None, description="Digest of the model it made.")
    model_version: int | None = Field(default=None, description="The version it registered.")
    feedback_bounds: FeedbackBounds | None = Field(default=None, description="The rows it adds.")
    state: Short | None = Field(default=None, description="Claimed, Retraining or RollingOut.")
    asked: Short | None = Field(default=None, description="What the person asked who started it by hand.")
    started_at: Timestamp | None = Field(default=None, description="When it was decided.")


class PastRetrain(Model):
    """One finished retrain."""

    name: Short | None = Field(default=None, description="Names it and its children.")
    dataset: Short | None = Field(default=None, description="Its Dataset.")
    experiment: Short | None = Field(default=None, description="Its Experiment.")
    window: int | None = Field(default=None, description="The window that started it.")
    model_version: int | None = Field(default=None, description="The version it registered.")
    outcome: Short | None = Field(default=None, description="Promoted, Refused, Failed, Cancelled or Rejected.")
    reason: Short | None = Field(default=None, description="Why.")
    started_at: Timestamp | None = Field(default=None, description="When it was decided.")
    finished_at: Timestamp | None = Field(default=None, description="When it ended.")


class Retrains(Model):
    """Retrains under way and before."""

    total: int | None = Field(default=None, description="Retrains begun so far.")
    in_flight: OpenRetrain | None = Field(default=None, description="The one under way.")
    recent: Annotated[tuple[PastRetrain, ...], ListType(), Field(max_length=20)] = Field(
        default=(), description="Finished ones, newest first."
    )


class WantedRetrain(Model):
    """A retrain that waits for a person's word."""

    retrain: Short | None = Field(default=None, description="Its name, the subject of `approve` and `reject`.")
    window: int | None = Field(default=None, description="The window that asks for it.")
    approved: bool | None = Field(
        default=None, description="Whether a person approved it; it begins when nothing else holds it."
    )
    since: Timestamp | None = Field(default=None, description="When it was first wanted.")


class PastEvaluation(Model):
    """One earlier window."""

    id: Short | None = Field(default=None, description="Names the evaluation.")
    version: Short | None = Field(default=None, description="The served version.")
    window: EvaluatedWindow | None = Field(default=None, description="The window.")
    verdict: Short | None = Field(default=None, description="The worst of its signals' verdicts.")
    rows: int | None = Field(default=None, description="Its rows.")
    signals: SignalVerdicts = Field(default=(), description="Its signals, without words.")
    at: Timestamp | None = Field(default=None, description="When it was judged.")


class AnswerCoverageStatus(Model):
    """One answer of the model."""

    answer: Short | None = Field(default=None, description="The class; empty for numbers.")
    answers: int | None = Field(default=None, description="How often it was given.")
    labelled: int | None = Field(default=None, description="How many of these have a label.")


class CoverageStatus(Model):
    """Of which answers the truth is known; labels that come for some answers only measure nothing of the others."""

    since: Timestamp | None = Field(default=None, description="Mature answers given from then on are counted.")
    by_answer: Annotated[tuple[AnswerCoverageStatus, ...], ListType(), Field(max_length=5)] = Field(
        default=(), description="The most frequent answers."
    )


class DriftPolicyStatus(Status):
    """What the windows said, and what was done."""

    reference: DriftReference | None = Field(default=None, description="What windows are compared with.")
    cursor: Cursor | None = Field(default=None, description="Where the next window begins.")
    signals: Annotated[tuple[SignalStatus, ...], ListType(), Field(max_length=16)] = Field(
        default=(), description="Each signal, in the order of the spec."
    )
    evaluation: EvaluationJob | None = Field(default=None, description="The running Job.")
    uncounted: UncountedStatus | None = Field(
        default=None, description="What the last look found beside the windows and counts for nothing, by reason."
    )
    coverage: CoverageStatus | None = Field(default=None, description="Of which answers the last look found the truth.")
    last_evaluation: Evaluation | None = Field(default=None, description="The last window that was judged.")
    action: ActionStatus | None = Field(default=None, description="What is wanted, and what came of it.")
    approval: WantedRetrain | None = Field(default=None, description="The retrain that waits for a person.")
    muted: Annotated[
        tuple[Annotated[Short, Field(description="Name of a signal.")], ...], ListType(), Field(max_length=16)
    ] = Field(default=(), description="Signals whose drift a person muted until it clears.")
    person_actions: PersonActions = Field(
        default=(), description="What people asked, and what came of it, newest first."
    )
    retrains: Retrains | None = Field(default=None, description="Retrains under way and before.")
    history: Annotated[tuple[PastEvaluation, ...], ListType(), Field(max_length=40)] = Field(
        default=(), description="Earlier windows, newest first; as many of labelled as of served rows."
    )
