"""What the model registry can be asked and told. Pure values; the client that speaks HTTP lives beside it.

Names follow MLflow: a registered model has numbered versions, aliases point to versions, runs belong to an
experiment. Facts that must outlive a Kubernetes `status` are tags (`contracts.registry_tags`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from bucle.contracts.registry_tags import TAG_MODEL_DIGEST
from bucle.engine.objects import Ref

Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""A mapping as a hashable value, sorted by key; see `pairs`."""

RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]

REGISTRY_SCOPE = "registry"
"""The scope of a `Ref` to a registered model."""


def pairs(mapping: dict[str, str]) -> Pairs:
    """The mapping as sorted pairs."""
    return tuple(sorted(mapping.items()))


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version. `source` is the artifact's URI in the store: enough to load it without the registry."""

    model: str
    version: int
    source: str
    run_id: str | None = None
    aliases: tuple[str, ...] = ()
    tags: Pairs = ()

    def tag(self, key: str) -> str | None:
        return dict(self.tags).get(key)

    @property
    def digest(self) -> str:
        """What the model is; empty for a version that was not made here."""
        return self.tag(TAG_MODEL_DIGEST) or ""


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `tags` leaves out MLflow's own."""

    run_id: str
    name: str
    status: RunStatus
    tags: Pairs = ()

    def tag(self, key: str) -> str | None:
        return dict(self.tags).get(key)

    @property
    def open(self) -> bool:
        return self.status in ("RUNNING", "SCHEDULED")


# --- reads ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VersionByAlias:
    """Answers the ModelVersion an alias points to; Absent when model or alias does not exist."""

    model: str
    alias: str

    def __str__(self) -> str:
        return f"asking MLflow for the version of {self.model} behind alias {self.alias}"


@dataclass(frozen=True, slots=True)
class VersionByNumber:
    """Answers that ModelVersion; Absent when it does not exist."""

    model: str
    version: int

    def __str__(self) -> str:
        return f"asking MLflow for version {self.version} of {self.model}"


@dataclass(frozen=True, slots=True)
class VersionsByTag:
    """Answers a tuple of ModelVersion, lowest version first; empty when there is none, also without the model."""

    model: str
    key: str
    value: str

    def __str__(self) -> str:
        return f"asking MLflow for versions of {self.model} by tag {self.key}"


@dataclass(frozen=True, slots=True)
class RunsByTag:
    """Answers a tuple of Run, oldest first; empty when there is none, also without the experiment."""

    experiment: str
    key: str
    value: str

    def __str__(self) -> str:
        return f"asking MLflow for runs of {self.experiment} by tag {self.key}"


# --- effects: each is safe to run twice ----------------------------------------------------------------------


class _ChangesModel:
    """MLflow has no watch: who points to the model is told by the effect."""

    __slots__ = ()
    model: str

    @property
    def changes(self) -> Ref:
        return Ref(REGISTRY_SCOPE, self.model)


@dataclass(frozen=True, slots=True)
class EnsureRun:
    """Creates the run unless one with this value of `bucle.dev/key` exists; creates the experiment when needed."""

    experiment: str
    key: str
    name: str
    tags: Pairs = ()


@dataclass(frozen=True, slots=True)
class CloseRun:
    """Logs parameters and metrics (decimal text), sets tags, then ends the run with that status."""

    run_id: str
    status: Literal["FINISHED", "FAILED", "KILLED"]
    params: Pairs = ()
    metrics: Pairs = ()
    tags: Pairs = ()


@dataclass(frozen=True, slots=True)
class CloseOpenRuns:
    """Ends, as KILLED, every run of the experiment that is open and carries this value of `bucle.dev/owner`."""

    experiment: str
    owner: str


@dataclass(frozen=True, slots=True)
class RegisterVersion(_ChangesModel):
    """Registers `source` as the next version unless a version tagged `bucle.dev/key` = `key` exists."""

    model: str
    source: str
    key: str
    run_id: str | None = None
    tags: Pairs = ()


@dataclass(frozen=True, slots=True)
class SetAlias(_ChangesModel):
    """Points the alias to the version, which is the model with that digest.

    `instead_of`: the version that the alias was seen at; None where it was not seen at all. MLflow has no compare-and-set,
    so the executor looks once more right before it writes: at the digest, since a registry that was restored gives a
    number away twice, and at the alias, which somebody may have moved.
    """

    model: str
    alias: str
    version: int
    digest: str
    instead_of: int | None = None


@dataclass(frozen=True, slots=True)
class TagVersion(_ChangesModel):
    """Sets one tag of the version, if it still is the model with that digest; the last value wins."""

    model: str
    version: int
    digest: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class TagRun:
    """Sets one tag of a run; the last value wins. Works on a closed run too."""

    run_id: str
    key: str
    value: str
