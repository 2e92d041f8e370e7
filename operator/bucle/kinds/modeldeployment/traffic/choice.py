"""Which router a ModelDeployment has: the only place that names one. Pure."""

from __future__ import annotations

from bucle.kinds.modeldeployment.traffic.envoy import EnvoyRouter
from bucle.kinds.modeldeployment.traffic.router import Router
from bucle.resources.modeldeployment import ModelDeployment

_ENVOY = EnvoyRouter()


def router_for(deployment: ModelDeployment) -> Router:
    """The operator's own Envoy, for every deployment: `spec.traffic` offers no other yet. A second one is chosen here."""
    del deployment
    return _ENVOY
