"""Which model it is, and which changes make a new revision or a new plan. Pure hashes over what a person wrote.

A model is its digest: a registry that was restored from a backup gives the same version number to another model.
Values that equal the type's default are left out before hashing, so that a new field with a default in a later
version of the API rolls no model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bucle.contracts.canonical import short_hash
from bucle.contracts.names import registered_model
from bucle.resources.base import ModelReference
from bucle.resources.documents import written
from bucle.resources.modeldeployment import ModelDeployment, ModelDeploymentSpec

_NOT_IN_A_REVISION = {"replicas", "load_timeout"}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """All that is needed to load a model without asking the registry again. `version` is None for a bare artifact."""

    uri: str
    digest: str
    name: str | None = None
    version: int | None = None

    def reference(self) -> ModelReference:
        return ModelReference(name=self.name, version=self.version, uri=self.uri, digest=self.digest)

    def __str__(self) -> str:
        return f"{self.name} version {self.version}" if self.name else self.uri


@dataclass(frozen=True, slots=True)
class Revision:
    """One way to serve one model: the hash of model digest, serving and image, with the model and the pinned image."""

    id: str
    model: ModelFacts
    image: str


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def facts_of(reference: ModelReference | None) -> ModelFacts | None:
    """The facts kept in a status or in the routes, if they are whole."""
    if reference is None or reference.uri is None or reference.digest is None:
        return None
    return ModelFacts(reference.uri, reference.digest, reference.name, reference.version)


def revision_id(digest: str, spec: ModelDeploymentSpec, image: str) -> str:
    """Model digest + serving, capture and key of labels as written + pinned image; replicas and load timeout may change."""
    serving = written(spec.serving, _NOT_IN_A_REVISION)
    # Servers refuse labels that could not be joined, so they must know by what labels are.
    labels = {} if spec.feedback.key == "Id" else {"labels": spec.feedback.key}
    return short_hash({"model": digest, "serving": serving, "capture": written(spec.capture), "image": image, **labels})


def is_revision_of(revision: Revision, model: ModelFacts, spec: ModelDeploymentSpec) -> bool:
    """Whether that revision serves that model as the spec asks now, with the image it was pinned to."""
    return revision_id(model.digest, spec, revision.image) == revision.id


def plan_hash(spec: ModelDeploymentSpec) -> str:
    """What a verdict depends on besides the model: steps, soak, gates, label rules, and how it is served."""
    chosen = {} if spec.rollout.on_other_inputs == "Refuse" else {"onOtherInputs": spec.rollout.on_other_inputs}
    return short_hash(
        {
            **chosen,
            "steps": [written(step) for step in spec.rollout.steps],
            "soak": written(spec.rollout.soak),
            "gates": [written(gate) for gate in spec.gates],
            "feedback": written(spec.feedback),
            "serving": written(spec.serving, {"replicas"}),
            "capture": written(spec.capture),
        }
    )


def registry_name(deployment: ModelDeployment) -> str | None:
    """The model's name in the registry, or None for a bare artifact."""
    source = deployment.spec.model.registered
    return registered_model(deployment.metadata.namespace, source.name) if source else None


def is_pinned(spec: ModelDeploymentSpec) -> bool:
    """True when the spec names one model rather than an alias to follow."""
    return spec.model.registered is None or spec.model.registered.alias is None
