"""What a rollout waits for, in words: the one table from typed waits to sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bucle.kinds.modeldeployment.state import Wait, WaitFor

_WORDS: Mapping[WaitFor, str] = {
    WaitFor.LOAD: "the version to load",
    WaitFor.PODS: "{} to be ready",
    WaitFor.ROUTERS_TO_SEE: "every router pod to see the new version's pods",
    WaitFor.ROUTES: "the routes to be programmed",
    WaitFor.STABLE_WHOLE: "the stable version to be whole; a gate can still condemn the candidate",
    WaitFor.STABLE_BACK: "a pod of the stable version; the candidate answers everything",
    WaitFor.PAUSED: "a person: spec.rollout.paused is true: set it to false to continue",
    WaitFor.GATES: "the step's gates",
    WaitFor.SAMPLES: "samples of the step",
    WaitFor.MIN_DURATION: "minDuration {}",
    WaitFor.SOAK: "the soak of {}",
    WaitFor.WEIGHT_ZERO: "the candidate's weight to be 0 at every router pod",
    WaitFor.OPEN_REQUESTS: "open requests",
    WaitFor.REGISTRY: "the registry to be told; traffic does not depend on it",
}


def waiting_text(wait: Wait) -> str:
    return _WORDS[wait.what].format(wait.detail)
