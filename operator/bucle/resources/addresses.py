"""How the API server addresses a kind, and the addresses of our four. Pure values; the engine knows the class alone."""

from __future__ import annotations

from dataclasses import dataclass

from bucle.resources.base import GROUP, VERSION

__all__ = ["DATASET", "DRIFT_POLICY", "EXPERIMENT", "GROUP", "MODEL_DEPLOYMENT", "Resource"]


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """A kind as the API server addresses it. `group` is empty for the core group."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


DATASET = Resource(GROUP, VERSION, "Dataset", "datasets")
EXPERIMENT = Resource(GROUP, VERSION, "Experiment", "experiments")
MODEL_DEPLOYMENT = Resource(GROUP, VERSION, "ModelDeployment", "modeldeployments")
DRIFT_POLICY = Resource(GROUP, VERSION, "DriftPolicy", "driftpolicies")
