"""ModelDeployment: a stable address, and a judged way to change what answers there. What a person writes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bucle.resources.base import (
    AliasName,
    ColumnName,
    Digest,
    Duration,
    ListType,
    Model,
    ModelName,
    Percent,
    Positive,
    Resource,
    Rule,
    StoreUri,
    TimeLimit,
    Turn,
    exactly_one,
    named_rule,
    or_default,
)
from bucle.resources.columns import AGE_COLUMN, READY_COLUMN, REASON_COLUMN, Column
from bucle.resources.feedback import Feedback
from bucle.resources.gates import Gate, GateName
from bucle.resources.modeldeployment_status import ModelDeploymentStatus
from bucle.resources.pod import PodSettings

GateNames = Annotated[tuple[GateName, ...], ListType("set"), Field(max_length=16)]
OneTo100 = Annotated[int, Field(ge=1, le=100)]


class RegisteredModel(Model):
    """A model of the registry: what an alias points to (followed), or one version (pinned)."""

    rules: ClassVar = (exactly_one("alias", "version"),)

    name: ModelName = Field(description="Registered name; the namespace is put before it.")
    alias: AliasName | None = Field(default=None, description="Follows this alias.")
    version: Positive | None = Field(default=None, description="Stays at this version.")


class Artifact(Model):
    """A model in the store, without a registry."""

    uri: StoreUri = Field(description="Folder of the model.")
    digest: Digest = Field(description="Digest its files must have.")


class ModelSource(Model):
    """The model to serve; exactly one of registered and artifact is set."""

    rules: ClassVar = (exactly_one("registered", "artifact"),)

    registered: RegisteredModel | None = Field(default=None, description="From the registry.")
    artifact: Artifact | None = Field(default=None, description="From the store.")


class Promote(Model):
    """What is told to the registry after a promotion."""

    alias: AliasName = Field(default="champion", description="Alias moved once, after the soak.")


class Batching(Model):
    """Requests that wait together are predicted together; no request waits for a timer."""

    max_size: Annotated[int, Field(ge=1, le=4096)] = Field(default=64, description="Rows per prediction at most.")


class BuiltinServer(Model):
    """The operator's own model server."""

    batching: Batching = Field(default=Batching(), description="How requests are put together.")


class Serving(PodSettings):
    """What serves the model."""

    builtin: BuiltinServer = Field(description="The operator's own model server.")
    replicas: Annotated[int, Field(ge=1, le=1000)] = Field(default=2, description="Pods at full weight.")
    load_timeout: TimeLimit = Field(default="5m", description="Longest time until a new revision is ready.")


class RouterSettings(PodSettings):
    """Router pods behind the stable Service name."""

    replicas: Annotated[int, Field(ge=1, le=50)] = Field(default=2, description="Router pods.")


class Traffic(Model):
    """What splits and mirrors requests."""

    router: RouterSettings = Field(description="The operator's own router.")


class Judge(PodSettings):
    """The pod that pairs labelled answers while a shadow step runs; where nothing is said it is placed as the model servers."""


class Capture(Model):
    """What is kept of requests and answers."""

    sample_percent: Percent = Field(default=100, description="Share of requests kept, in percent.")
    drop: Annotated[
        tuple[Annotated[ColumnName, Field(description="A column's name.")], ...], ListType("set"), Field(max_length=256)
    ] = Field(default=(), description="Columns never written down.")


class Until(Model):
    """When a step has seen enough, and when it has taken too long."""

    rules: ClassVar = (
        Rule(
            f"duration({or_default('self.minDuration', '0s')}) <= duration({or_default('self.maxDuration', '24h')})",
            "`minDuration` must not be longer than `maxDuration`",
        ),
    )

    samples: Positive | None = Field(default=None, description="Requests or labelled rows that must be seen.")
    groups: Positive | None = Field(default=None, description="Closed groups that must be seen.")
    min_duration: Duration = Field(default="0s", description="It takes at least so long.")
    max_duration: TimeLimit = Field(default="24h", description="Then it is decided by what was seen.")


class ShadowStep(Model):
    """The candidate gets copies of requests; nobody sees its answers."""

    percent: OneTo100 = Field(default=100, description="Share of requests copied.")
    until: Until = Field(default=Until(), description="How long.")
    gates: GateNames = Field(default=(), description="Gates that must pass.")


class WeightStep(Model):
    """The candidate answers a share of requests."""

    rules: ClassVar = (
        Rule("!has(self.until) || !has(self.until.groups)", "`until.groups` must only be set in shadow steps"),
    )

    percent: OneTo100 = Field(description="Share of requests it answers.")
    until: Until = Field(default=Until(), description="How long.")
    gates: GateNames = Field(default=(), description="Gates that must pass.")


class Step(Model):
    """One step; exactly one of shadow and weight is set."""

    rules: ClassVar = (exactly_one("shadow", "weight"),)

    shadow: ShadowStep | None = Field(default=None, description="Copies of requests.")
    weight: WeightStep | None = Field(default=None, description="A share of requests.")


class Soak(Model):
    """After full weight: the former revision is kept warm, and the way back is automatic."""

    duration: Duration = Field(default="10m", description="How long.")
    gates: GateNames = Field(default=(), description="Gates that must keep passing.")


_WEIGHTS = "self.steps.filter(s, has(s.weight)).map(s, s.weight.percent)"


class Rollout(Model):
    """The way from one version to the next."""

    rules: ClassVar = (
        Rule(
            "!has(self.steps) || (self.steps.map(s, has(s.weight) ? s.weight.percent : 0).isSorted()"
            f" && {_WEIGHTS}.all(w, {_WEIGHTS}.exists_one(v, v == w)))",
            "shadow steps must come before weight steps, and every weight must be greater than the one before",
        ),
    )

    steps: Annotated[tuple[Step, ...], ListType(), Field(max_length=20)] = Field(
        default=(), description="In order; after the last one the candidate gets all requests."
    )
    soak: Soak = Field(default=Soak(), description="What follows full weight.")
    on_no_data: Literal["Hold", "Abort"] = Field(
        default="Hold", description="When a step's time is over and too little was seen."
    )
    on_undecided: Literal["Hold", "Abort"] = Field(
        default="Abort", description="When a step's time is over and what was seen says neither."
    )
    on_error: Literal["Hold", "Abort"] = Field(default="Hold", description="When a gate cannot be read.")
    on_other_inputs: Literal["Refuse", "Try"] = Field(
        default="Refuse",
        description="When a candidate needs columns that the stable version does not; Try: its gates decide.",
    )
    supersede: Literal["Queue", "Replace"] = Field(
        default="Queue", description="Whether a newer version waits for a running rollout or replaces it."
    )
    attempt: Turn = Field(
        default=0, description="Raise it to try a refused version again, or to start a running rollout anew."
    )
    paused: bool = Field(default=False, description="Holds the rollout at its step; an abort still works.")


_KNOWN = "has(self.gates) && self.gates.exists(x, x.name == g)"
_QUALITY = "has(self.gates) && self.gates.exists(x, x.name == g && has(x.quality))"
_NO_QUALITY = "!has(self.gates) || !self.gates.exists(x, x.name == g && has(x.quality))"


def _all_gates(owner: str, predicate: str) -> str:
    return f"(!has({owner}.gates) || {owner}.gates.all(g, {predicate}))"


def _all_steps(member: str, predicate: str) -> str:
    gates = _all_gates(f"s.{member}", predicate)
    return f"(!has(self.rollout.steps) || self.rollout.steps.all(s, !has(s.{member}) || {gates}))"


_GROUPS_COUNTED = (
    "!has(self.rollout.steps) || self.rollout.steps.all(s, !has(s.shadow) || !has(s.shadow.until)"
    f" || !has(s.shadow.until.groups) || (has(s.shadow.gates) && s.shadow.gates.exists(g, {_QUALITY})))"
)


class ModelDeploymentSpec(Model):
    """Which model answers, and how it changes."""

    rules: ClassVar = (
        Rule(
            f"{_all_steps('shadow', _KNOWN)} && {_all_steps('weight', _KNOWN)}",
            "`rollout.steps` must only name gates listed under `gates`",
        ),
        Rule(
            _all_gates("self.rollout.soak", _KNOWN),
            "`rollout.soak.gates` must only name gates listed under `gates`",
        ),
        Rule(
            f"{_all_steps('weight', _NO_QUALITY)} && {_all_gates('self.rollout.soak', _NO_QUALITY)}",
            "a quality gate must only be used in shadow steps: a weight gives no pairs",
        ),
        Rule(
            "!has(self.gates) || self.gates.filter(x, has(x.quality)).size() <= 1",
            "`gates` must have at most one quality gate: the judge answers one question",
        ),
        Rule(
            _GROUPS_COUNTED,
            "`until.groups` must only be set in a step with a quality gate: no other gate counts groups",
        ),
        Rule(
            "!has(self.capture.drop) || !has(self.gates) || self.gates.all(g, !has(g.quality)"
            " || !has(g.quality.groupBy) || !(g.quality.groupBy.column in self.capture.drop))",
            "`capture.drop` must not list the column of a gate's `groupBy`: its groups would never be seen",
        ),
        Rule(
            "!has(self.promote) || has(self.model.registered)",
            "`promote` must only be set with `model.registered`",
        ),
    )

    model: ModelSource = Field(description="The model to serve.")
    promote: Promote | None = Field(default=None, description="Moves an alias after a promotion.")
    serving: Serving = Field(default=Serving(builtin=BuiltinServer()), description="What serves the model.")
    traffic: Traffic = Field(default=Traffic(router=RouterSettings()), description="What splits requests.")
    capture: Capture = Field(default=Capture(), description="What is kept of requests and answers.")
    feedback: Feedback = Field(default=Feedback(), description="How labels are joined.")
    rollout: Rollout = Field(default=Rollout(), description="The way from one version to the next.")
    gates: Annotated[tuple[Gate, ...], ListType("map", ("name",)), Field(max_length=16)] = Field(
        default=(), description="Named tests of a candidate."
    )
    judge: Judge = Field(default=Judge(), description="The pod that pairs labelled answers while a shadow step runs.")


class ModelDeployment(Resource):
    """A stable address at which a model answers, and a judged way to replace that model."""

    kind_name: ClassVar = "ModelDeployment"
    plural: ClassVar = "modeldeployments"
    short_name: ClassVar = "mldep"
    rules: ClassVar = (named_rule(),)
    columns: ClassVar = (
        READY_COLUMN,
        Column("Stable", ".status.stable.model.version", "integer", description="Version that answers."),
        Column("Candidate", ".status.candidate.model.version", "integer", description="Version on trial."),
        Column("Weight", ".status.candidate.weight", "integer", description="Share of the candidate, in percent."),
        Column("Step", ".status.rollout.step", "integer", description="Step of the rollout, from 0."),
        REASON_COLUMN,
        AGE_COLUMN,
    )

    kind: str = "ModelDeployment"
    spec: ModelDeploymentSpec = Field(description="Which model answers, and how it changes.")
    status: ModelDeploymentStatus = Field(default=ModelDeploymentStatus(), description="Written by the operator.")
