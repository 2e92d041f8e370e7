"""ModelDeployment: what answers, what is on trial, how far the rollout is, and what was refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bucle.resources.base import (
    DecimalString,
    Interval,
    ListType,
    Model,
    ModelReference,
    Short,
    Status,
    Text,
    Timestamp,
    Uri,
)
from bucle.resources.group_shape import GroupShape
from bucle.resources.uncounted_status import UncountedStatus


class StableRevision(Model):
    """What answers."""

    revision: Short | None = Field(default=None, description="Hash of model digest, serving and image.")
    model: ModelReference | None = Field(default=None, description="Its model.")
    image: Uri | None = Field(default=None, description="Image of its pods, pinned.")
    ready_replicas: int | None = Field(default=None, description="Pods that are ready.")
    weight: int | None = Field(default=None, description="Share of requests it answers, in percent.")
    since: Timestamp | None = Field(default=None, description="When it became the stable revision.")
    unready_since: Timestamp | None = Field(
        default=None, description="Since then none of its pods is ready; a loaded candidate takes over."
    )


class Load(Model):
    """How far loading is."""

    state: Short | None = Field(default=None, description="Waiting, Loading or Loaded.")
    since: Timestamp | None = Field(
        default=None,
        description="When `loadTimeout` began to run; left out while something other than the model keeps its pods.",
    )
    reason: Short | None = Field(default=None, description="What keeps it, in one word.")
    message: Text | None = Field(default=None, description="Why it waits or failed.")


class CandidateRevision(Model):
    """What is on trial."""

    revision: Short | None = Field(default=None, description="Hash of model digest, serving and image.")
    model: ModelReference | None = Field(default=None, description="Its model.")
    image: Uri | None = Field(default=None, description="Image of its pods, pinned.")
    load: Load | None = Field(default=None, description="How far loading is.")
    ready_replicas: int | None = Field(default=None, description="Pods that are ready.")
    weight: int | None = Field(default=None, description="Share of requests it answers, in percent.")
    shadow: int | None = Field(default=None, description="Share of requests copied to it, in percent.")


class Weight(Model):
    """The candidate's share, wanted and in force, in percent."""

    desired: int | None = Field(default=None, description="What the step asks for.")
    programmed: int | None = Field(default=None, description="What every living router pod has confirmed.")


class Counter(Model):
    """What a router pod had counted when this rollout began to count there."""

    router: Short | None = Field(default=None, description="uid of the router pod.")
    revision: Short | None = Field(default=None, description="The revision counted.")
    requests: int | None = Field(default=None, description="Requests.")
    errors: int | None = Field(default=None, description="Failed requests.")
    refused: int | None = Field(default=None, description="Requests refused with 4xx.")


class RealisedMetric(Model):
    """The candidate's metric on the labelled rows it was promoted on; it becomes a tag of the version."""

    metric: Short | None = Field(default=None, description="Name of the metric.")
    value: DecimalString | None = Field(default=None, description="The metric's value.")
    standard_error: DecimalString | None = Field(default=None, description="Its standard error over groups.")
    groups: int | None = Field(default=None, description="Groups it was taken over.")
    rows: int | None = Field(default=None, description="Labelled rows it was taken over.")
    shape: GroupShape | None = Field(default=None, description="What these groups look like.")
    at: Timestamp | None = Field(default=None, description="When it was taken.")


class PromotionStatus(Model):
    """The model promoted last, and whether the registry knows: written before it is told."""

    model: ModelReference | None = Field(default=None, description="The promoted model.")
    at: Timestamp | None = Field(default=None, description="When it was promoted.")
    alias: Short | None = Field(default=None, description="The alias that moves to it.")
    before: Short | None = Field(default=None, description="Digest of the model that the alias pointed to before.")
    reference: RealisedMetric | None = Field(default=None, description="What it was promoted on.")
    state: Short | None = Field(
        default=None,
        description="Wanted, Done, Lost (the registry has no version with this digest) or Overtaken (the alias is elsewhere).",
    )


class RolloutStatus(Model):
    """The running rollout."""

    id: Short | None = Field(default=None, description="Names this rollout.")
    plan_hash: Short | None = Field(default=None, description="Hash of steps, gates and serving.")
    attempt: int | None = Field(default=None, description="The `attempt` it belongs to.")
    state: Short | None = Field(default=None, description="Loading, Stepping, Soaking, Promoting or Aborting.")
    started_at: Timestamp | None = Field(default=None, description="When it began.")
    stable_revision: Short | None = Field(default=None, description="Revision it started from.")
    candidate_revision: Short | None = Field(default=None, description="Revision on trial.")
    step: int | None = Field(default=None, description="Index of the step, from 0.")
    step_entered_at: Timestamp | None = Field(default=None, description="When the step was asked of the router.")
    step_started_at: Timestamp | None = Field(default=None, description="When the step was in force.")
    took_over_at: Timestamp | None = Field(
        default=None, description="When the candidate took over unjudged: nothing of the stable version answered."
    )
    waiting_for: Text | None = Field(default=None, description="What the step waits for.")
    weight: Weight | None = Field(default=None, description="The candidate's share.")
    reference: RealisedMetric | None = Field(default=None, description="What the candidate is promoted on.")
    outcome: Short | None = Field(default=None, description="What an ending rollout ends with.")
    reason: Short | None = Field(default=None, description="Why it ends, in one word.")
    message: Text | None = Field(default=None, description="Why it ends, in a sentence.")
    counters: Annotated[tuple[Counter, ...], ListType(), Field(max_length=256)] = Field(
        default=(), description="Bases of the router's counters."
    )


class Needs(Model):
    """What it takes for a gate to be able to pass."""

    samples: int | None = Field(default=None, description="Samples needed in all.")
    groups: int | None = Field(default=None, description="Groups needed in all.")
    reachable: bool | None = Field(
        default=None, description="Whether that can arrive before `maxDuration` at the observed rate."
    )
    message: Text | None = Field(default=None, description="The same in words, with the time it will take.")


class MixStatus(Model):
    """A declared mix, and how far the rollout's rows are from it."""

    of: Short | None = Field(default=None, description="What the mix is made of.")
    declared: DecimalString | None = Field(default=None, description="Its mean over the declared days.")
    here: DecimalString | None = Field(default=None, description="Its mean over the rollout's groups.")
    turns_at: DecimalString | None = Field(default=None, description="Where the candidate's advantage meets the limit.")
    distance: DecimalString | None = Field(
        default=None, description="From here to declared, in spreads of a group; above 0.5 there is no verdict."
    )


class GateStatus(Model):
    """The last evaluation of one gate; numbers that only grow are written when they have grown by half."""

    name: Short | None = Field(default=None, description="Name of the gate.")
    step: int | None = Field(default=None, description="Step it was evaluated in.")
    verdict: Short | None = Field(default=None, description="Pass, Fail, Inconclusive, NoData or Error.")
    message: Text | None = Field(default=None, description="The verdict in words.")
    unit: Short | None = Field(default=None, description="What a sample is: requests or labelled pairs.")
    samples: int | None = Field(default=None, description="Samples of the candidate.")
    groups: int | None = Field(default=None, description="Closed groups.")
    independent_groups: int | None = Field(
        default=None, description="Groups that do not follow each other and would say as much."
    )
    needs: Needs | None = Field(default=None, description="What is missing.")
    estimate: DecimalString | None = Field(default=None, description="Candidate against stable.")
    interval: Interval | None = Field(
        default=None, description="Where the truth lies, valid at every look; an end that is left out has no bound."
    )
    limit: DecimalString | None = Field(default=None, description="What is allowed.")
    mix: MixStatus | None = Field(default=None, description="The declared mix, if the gate has one.")
    uncounted: UncountedStatus | None = Field(default=None, description="What came and counts for nothing, by reason.")
    at: Timestamp | None = Field(default=None, description="When it was evaluated.")


class Refused(Model):
    """The version refused last; not tried again until `attempt` is raised or the plan changes."""

    version: int | None = Field(default=None, description="Version in the registry.")
    digest: Short | None = Field(default=None, description="Digest of its artifact.")
    revision: Short | None = Field(default=None, description="Its revision.")
    plan_hash: Short | None = Field(default=None, description="The plan that refused it.")
    attempt: int | None = Field(default=None, description="The `attempt` that refused it.")
    reason: Short | None = Field(default=None, description="Why, in one word.")
    message: Text | None = Field(default=None, description="Why, in a sentence.")
    at: Timestamp | None = Field(default=None, description="When.")


class PastRollout(Model):
    """One finished rollout."""

    revision: Short | None = Field(default=None, description="Revision that was on trial.")
    model: ModelReference | None = Field(default=None, description="Its model.")
    outcome: Short | None = Field(default=None, description="Promoted, Aborted, Superseded or TookOver.")
    reason: Short | None = Field(default=None, description="Why.")
    started_at: Timestamp | None = Field(default=None, description="When it began.")
    finished_at: Timestamp | None = Field(default=None, description="When it ended.")


class ModelDeploymentStatus(Status):
    """What answers and what is on trial."""

    stable: StableRevision | None = Field(default=None, description="What answers.")
    candidate: CandidateRevision | None = Field(default=None, description="What is on trial.")
    previous: StableRevision | None = Field(default=None, description="What answered before; kept warm for the soak.")
    rollout: RolloutStatus | None = Field(default=None, description="The running rollout.")
    promotion: PromotionStatus | None = Field(
        default=None, description="What the registry is told of the last promotion."
    )
    gates: Annotated[tuple[GateStatus, ...], ListType(), Field(max_length=64)] = Field(
        default=(), description="The last evaluation of each gate."
    )
    rejected: Refused | None = Field(default=None, description="The version refused last.")
    history: Annotated[tuple[PastRollout, ...], ListType(), Field(max_length=20)] = Field(
        default=(), description="Finished rollouts, newest first."
    )
