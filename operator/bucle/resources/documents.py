"""Objects in and out: raw Kubernetes dicts to typed resources and back. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, overload

from pydantic import ValidationError

from bucle.resources.base import Model, Resource
from bucle.resources.dataset import Dataset
from bucle.resources.driftpolicy import DriftPolicy
from bucle.resources.experiment import Experiment
from bucle.resources.modeldeployment import ModelDeployment

KINDS: Mapping[str, type[Resource]] = {
    kind.kind_name: kind for kind in (Dataset, Experiment, ModelDeployment, DriftPolicy)
}


class Problem(NamedTuple):
    """One thing wrong in an object: where (`spec.limits.maxTrials`) and what."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class InvalidResource(ValueError):
    """The object does not fit the types; `problems` says where. The API server's schema normally prevents it."""

    def __init__(self, kind: str, name: str, problems: tuple[Problem, ...]) -> None:
        self.kind = kind
        self.name = name
        self.problems = problems
        listed = "; ".join(str(problem) for problem in problems)
        super().__init__(f"{kind} {name} cannot be read: {listed}. Correct the object, or apply the current CRDs.")


def to_dict(model: Model) -> dict[str, Any]:
    """The model as it stands in YAML: camelCase, times as RFC 3339 text, absent things left out."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def written(model: Model, exclude: Collection[str] = ()) -> dict[str, Any]:
    """What a person wrote that differs from the type's defaults: the only thing a hash may be made of. A default says
    the same whether it is spelt out, stored by the server or left out, and a field that a later release adds with a
    default changes no hash. (A default's value is therefore never changed within one version of the API.)"""
    return model.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=set(exclude))


@overload
def parse(kind: type[Dataset], obj: Mapping[str, Any]) -> Dataset: ...
@overload
def parse(kind: type[Experiment], obj: Mapping[str, Any]) -> Experiment: ...
@overload
def parse(kind: type[ModelDeployment], obj: Mapping[str, Any]) -> ModelDeployment: ...
@overload
def parse(kind: type[DriftPolicy], obj: Mapping[str, Any]) -> DriftPolicy: ...
@overload
def parse(kind: str, obj: Mapping[str, Any]) -> Resource: ...
def parse(kind: str | type[Resource], obj: Mapping[str, Any]) -> Resource:
    """The typed object of that kind (its name or its class). Raises InvalidResource with every problem found."""
    model = KINDS[kind] if isinstance(kind, str) else kind
    try:
        return model.model_validate(obj)
    except ValidationError as error:
        problems = _problems(error)
        metadata = obj.get("metadata")
        name = metadata.get("name", "(unnamed)") if isinstance(metadata, Mapping) else "(unnamed)"
        raise InvalidResource(model.kind_name, str(name), problems) from error


def _problems(error: ValidationError) -> tuple[Problem, ...]:
    found = [(item["loc"], item["msg"]) for item in error.errors(include_url=False)]
    # A list whose items are wrong is also reported as too short: only the innermost places help a person.
    outer = {loc[:depth] for loc, _ in found for depth in range(len(loc))}
    return tuple(Problem(_path(loc), message) for loc, message in found if loc not in outer)


def _path(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(object)"
