"""What a DriftPolicy must know to decide, gathered into one frozen value. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any

from bucle.contracts import names, registry_tags
from bucle.contracts.canonical import canonical_json
from bucle.engine.objects import JOB, POD, JsonObject, Ref, controller_uid, object_ref
from bucle.engine.reads import (
    GetObject,
    Known,
    ListObjects,
    NamedObjects,
    Observation,
    Observations,
    Read,
    Reads,
    Unavailable,
    known_or,
)
from bucle.engine.room import Unreadable, unreadable
from bucle.engine.status import timestamp
from bucle.externals.registry.values import REGISTRY_SCOPE, ModelVersion, VersionByNumber
from bucle.externals.servers.values import WatermarkRead, Watermarks
from bucle.kinds.driftpolicy.drift_statistics import Measured
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT
from bucle.resources.base import ModelReference
from bucle.resources.dataset import Dataset
from bucle.resources.documents import InvalidResource, parse, written
from bucle.resources.driftpolicy import DriftPolicy
from bucle.resources.experiment import Experiment
from bucle.resources.modeldeployment import ModelDeployment
from bucle.workloads import refusals
from bucle.workloads.attempt import Live, by_name
from bucle.workloads.platform import Platform


@dataclass(frozen=True, slots=True)
class Served:
    """The stable version as far as drift cares: its capture partition, model, and when it was promoted."""

    revision: str
    model: ModelReference
    since: datetime
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retrained:
    """One earlier or running retrain, found by listing: both children, as far as they exist."""

    name: str
    dataset: Dataset | None
    experiment: Experiment | None

    @property
    def created_at(self) -> datetime | None:
        for child in (self.dataset, self.experiment):
            if child is not None and child.metadata.creation_timestamp is not None:
                return child.metadata.creation_timestamp
        return None

    @property
    def asked(self) -> str | None:
        """What the person asked who started it by hand."""
        made = [child.metadata.annotations for child in (self.dataset, self.experiment) if child is not None]
        return next((told[names.ANNOTATION_ASKED] for told in made if names.ANNOTATION_ASKED in told), None)


@dataclass(frozen=True)
class World:
    """`templates`: the Experiments that this and the other policies of the namespace retrain by. `data`: the Dataset that the
    served version learnt from, if it is still there. `misfits`: objects that exist and cannot be read, by `<kind> <name>`, with the reason: each is its own fault."""

    policy: DriftPolicy
    platform: Platform
    deployment: ModelDeployment | None
    served: Served | None
    version: Observation[ModelVersion] | None
    watermark: Observation[Watermarks]
    live: Live
    template: Experiment | None
    base: Dataset | None
    retrains: tuple[Retrained, ...]
    rivals: tuple[DriftPolicy, ...]
    templates: Mapping[str, Experiment] = field(default_factory=dict)
    data: Dataset | None = None
    misfits: Mapping[str, str] = field(default_factory=dict)


def refs(policy: DriftPolicy) -> frozenset[Ref]:
    """The watched deployment, the template, and the served model in the registry."""
    namespace = policy.metadata.namespace
    found = {object_ref(MODEL_DEPLOYMENT, namespace, policy.spec.target.model_deployment)}
    if policy.spec.retrain is not None:
        found.add(object_ref(EXPERIMENT, namespace, policy.spec.retrain.experiment))
    model = _referred(policy)
    if model is not None:
        found.add(Ref(REGISTRY_SCOPE, model[0]))
    return frozenset(found)


def _referred(policy: DriftPolicy) -> tuple[str, int] | None:
    """The version in status, whose tags are read; a new one is written there first and read in the next run."""
    reference = policy.status.reference
    model = reference.model if reference else None
    if model is None or model.name is None or model.version is None:
        return None
    return model.name, model.version


def reads(policy: DriftPolicy) -> Reads:
    meta = policy.metadata
    labels = ((names.LABEL_UID, meta.uid),)
    target = policy.spec.target.model_deployment
    policies = ListObjects(DRIFT_POLICY, meta.namespace)
    asked: dict[str, Read] = {
        "deployment": GetObject(MODEL_DEPLOYMENT, meta.namespace, target),
        "watermark": WatermarkRead(meta.namespace, target),
        "jobs": ListObjects(JOB, meta.namespace, labels, meta.uid),
        "pods": ListObjects(POD, meta.namespace, labels),
        "datasets": ListObjects(DATASET, meta.namespace, labels, meta.uid),
        "experiments": ListObjects(EXPERIMENT, meta.namespace, labels, meta.uid),
        "policies": policies,
        "templates": NamedObjects(EXPERIMENT, meta.namespace, policies, ("spec", "retrain", "experiment")),
    }
    looks = policy.status.evaluation
    if looks is not None:
        asked |= refusals.reads(meta.namespace, looks.job, looks.reason)
    if policy.spec.retrain is not None:
        template = GetObject(EXPERIMENT, meta.namespace, policy.spec.retrain.experiment)
        asked["bases"] = NamedObjects(DATASET, meta.namespace, template, ("spec", "dataset", "name"))
    learnt_from = policy.status.reference.dataset if policy.status.reference else None
    if learnt_from is not None:
        asked["data"] = GetObject(DATASET, meta.namespace, learnt_from)
    referred = _referred(policy)
    if referred is not None:
        asked["version"] = VersionByNumber(*referred)
    return asked


def world(policy: DriftPolicy, observations: Observations, platform: Platform) -> World | Unreadable:
    """Nothing is decided on a half-seen cluster; the registry and the servers may be silent."""
    needed = [name for name in observations if name not in ("watermark", "version", refusals.READ)]
    if (unseen := unreadable(observations, needed)) is not None:
        return unseen
    misfits: dict[str, str] = {}
    deployment = next((d for d, _ in _parsed(ModelDeployment, _one(observations["deployment"]), misfits)), None)
    datasets = _parsed(Dataset, known_or(observations["datasets"], ()), misfits)
    experiments = _parsed(Experiment, known_or(observations["experiments"], ()), misfits)
    policies = _parsed(DriftPolicy, known_or(observations["policies"], ()), misfits)
    templates = {e.metadata.name: e for e, _ in _parsed(Experiment, known_or(observations["templates"], ()), misfits)}
    template = templates.get(policy.spec.retrain.experiment) if policy.spec.retrain else None
    base = next((d for d, _ in _parsed(Dataset, known_or(observations.get("bases"), ()), misfits)), None)
    data = next((d for d, _ in _parsed(Dataset, _one(observations.get("data")), misfits)), None)
    version = observations.get("version")
    refused = refusals.told(policy.status.evaluation.job if policy.status.evaluation else None, observations)
    return World(
        policy=policy,
        platform=platform,
        deployment=deployment,
        served=_served(deployment, version, policy),
        version=version,
        watermark=observations["watermark"],
        live=Live(by_name(known_or(observations["jobs"], ())), tuple(known_or(observations["pods"], ())), refused),
        template=template,
        base=base,
        retrains=_retrains(policy, datasets, experiments),
        rivals=tuple(p for p, _ in policies if p.metadata.uid != policy.metadata.uid),
        templates=templates,
        data=data,
        misfits=misfits,
    )


def _one(observation: Observation[Any] | None) -> tuple[JsonObject, ...]:
    return (observation.value,) if isinstance(observation, Known) else ()


def _parsed(kind: type[Any], items: Iterable[JsonObject], misfits: dict[str, str]) -> list[tuple[Any, str | None]]:
    """Objects with their controller's uid; why one cannot be read is noted under its name."""
    found = []
    for item in items:
        try:
            found.append((parse(kind, item), controller_uid(item)))
        except InvalidResource as error:
            misfits[f"{error.kind} {error.name}"] = str(error)
    return found


def _retrains(
    policy: DriftPolicy, datasets: list[tuple[Any, str | None]], experiments: list[tuple[Any, str | None]]
) -> tuple[Retrained, ...]:
    uid = policy.metadata.uid
    mine_d = {d.metadata.name: d for d, owner in datasets if owner == uid}
    mine_e = {e.metadata.name: e for e, owner in experiments if owner == uid}
    found = [Retrained(name, mine_d.get(name), mine_e.get(name)) for name in sorted(set(mine_d) | set(mine_e))]
    return tuple(sorted(found, key=lambda r: (str(r.created_at), r.name)))


def _served(
    deployment: ModelDeployment | None, version: Observation[ModelVersion] | None, policy: DriftPolicy
) -> Served | None:
    stable = deployment.status.stable if deployment else None
    if stable is None or stable.revision is None or stable.model is None or stable.since is None:
        return None
    tags: Mapping[str, str] = {}
    if isinstance(version, Known) and version.value.digest == stable.model.digest:
        tags = _of_this(deployment, version.value)
    elif isinstance(version, Unavailable):
        tags = _remembered(policy, stable.model)
    return Served(stable.revision, stable.model, _moment(tags.get(registry_tags.TAG_PROMOTED_AT)) or stable.since, tags)


def _of_this(deployment: ModelDeployment | None, version: ModelVersion) -> Mapping[str, str]:
    """The version's tags; of the facts that each ModelDeployment keeps for itself, those of the watched one."""
    tags = dict(version.tags)
    for tag in (registry_tags.TAG_PROMOTED_AT, registry_tags.TAG_PROMOTION_REFERENCE):
        meta = deployment.metadata if deployment else None
        own = tags.get(registry_tags.owned_tag(tag, meta.namespace, meta.name)) if meta else None
        tags.pop(tag, None)
        if own is not None:
            tags[tag] = own
    return tags


def _remembered(policy: DriftPolicy, model: ModelReference) -> Mapping[str, str]:
    """Of the tags what status holds: a registry that is down is no reason to forget the reference and begin anew."""
    told = policy.status.reference
    if told is None or told.digest is None or told.digest != model.digest:
        return {}
    known: dict[str, Any] = {"metric": told.metric, "value": told.value, "standardError": told.standard_error}
    known |= {"groups": told.groups, "shape": written(told.shape) if told.shape is not None else None}
    since = {registry_tags.TAG_PROMOTED_AT: timestamp(told.at)} if told.at is not None else {}
    data = {registry_tags.TAG_DATASET_NAME: told.dataset} if told.dataset is not None else {}
    return since | data | ({registry_tags.TAG_REFERENCE: canonical_json(known)} if told.value is not None else {})


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def _measured(told: Mapping[str, Any]) -> Measured:
    """Raises what a tag of another's making may raise. An older model does not tell what its groups look like."""
    shape = told.get("shape") or {}
    kish, lag, skew = (_finite(shape[key]) if key in shape else None for key in ("kish", "lag", "skew"))
    groups, error = int(told.get("groups") or 0), _finite(told["standardError"])
    if error < 0 or (kish is not None and kish < 1):
        raise ValueError("no group weighs less than nothing")
    return Measured(_finite(told["value"]), error, groups, kish=kish, lag=lag, skew=skew)


def _finite(told: Any) -> float:
    number = float(told)
    if not isfinite(number):
        raise ValueError(f"{told} is no number")
    return number


def reference_of(served: Served, metric: str) -> Measured | None:
    """The metric the version was promoted on, else its out-of-fold one; None when neither is of that metric.

    One without a standard error (too few groups at the promotion) is passed over: it would count as exact.
    """
    for tag in (registry_tags.TAG_PROMOTION_REFERENCE, registry_tags.TAG_REFERENCE):
        try:
            told = json.loads(served.tags.get(tag) or "{}")
            if told.get("metric") == metric:
                return _measured(told)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return None
