"""One loop in the middle of a retrain as objects of an API server, for whoever only reads them: every status is written here.

kube = FakeKube(); fill(kube)
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tests.support.fakes.kube import FakeKube
from tests.support.worlds.drift import policy_spec
from tests.support.worlds.training import FLIGHTS, LATE

from bucle.contracts import names
from bucle.engine.objects import EVENT, POD, JsonObject, owner_reference
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT, Resource

DIGEST = "sha256:" + "5e" * 32
SINCE = "2026-01-01T08:00:00Z"
RETRAIN = "flights-drift-0a1b2c3d"
SHADOW = {"percent": 100, "until": {"groups": 20, "maxDuration": "48h"}, "gates": ["better", "errors"]}
DEPLOYMENT: JsonObject = {
    "model": {"registered": {"name": "flights", "alias": "challenger"}},
    "promote": {"alias": "champion"},
    "gates": [
        {"name": "better", "quality": {"metric": "log_loss", "margin": "0.005"}},
        {"name": "errors", "errorRate": {"maxIncrease": "0.01"}},
        {"name": "soaked", "errorRate": {"maxIncrease": "0.02"}},
    ],
    "rollout": {
        "steps": [{"shadow": SHADOW}, {"weight": {"percent": 10, "gates": ["errors"]}}],
        "soak": {"duration": "10m", "gates": ["soaked"]},
    },
}


def conditions(reason: str, message: str, **status: str) -> list[JsonObject]:
    """Conditions with that reason: `Ready="True"`; what else is said has a reason of its own after a slash."""
    found = []
    for type_, told in status.items():
        truth, _, own = told.partition("/")
        found.append(
            {
                "type": type_,
                "status": truth,
                "reason": own or reason,
                "message": message if not own else f"told by {type_}",
                "lastTransitionTime": SINCE,
                "observedGeneration": 1,
            }
        )
    return found


def written(resource: Resource, name: str, spec: JsonObject, namespace: str = "ml", **metadata: Any) -> JsonObject:
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": deepcopy(spec),
    }


def put(kube: FakeKube, resource: Resource, manifest: JsonObject, status: Mapping[str, Any]) -> JsonObject:
    """As it stands after the operator wrote that status."""
    kube.put(resource, manifest)
    metadata = manifest["metadata"]
    return kube.edit(
        resource,
        metadata["namespace"],
        metadata["name"],
        lambda obj: obj.update(status={"observedGeneration": 1, **status}),
    )


def fill(kube: FakeKube, namespace: str = "ml") -> None:
    """Data, an experiment, a rollout with its gates, a policy that retrains; and an experiment whose data is not there."""
    put(kube, DATASET, written(DATASET, "flights", FLIGHTS["spec"], namespace), _dataset())
    put(kube, EXPERIMENT, written(EXPERIMENT, "late", LATE["spec"], namespace), _experiment())
    put(kube, MODEL_DEPLOYMENT, written(MODEL_DEPLOYMENT, "flights", DEPLOYMENT, namespace), _deployment())
    policy = put(kube, DRIFT_POLICY, written(DRIFT_POLICY, "flights-drift", policy_spec(), namespace), _policy())
    owners = {"ownerReferences": [owner_reference(DRIFT_POLICY, policy)]}
    retrained = {**LATE["spec"], "dataset": {"name": RETRAIN}}
    data = put(kube, DATASET, written(DATASET, RETRAIN, FLIGHTS["spec"], namespace, **owners), _building())
    put(kube, EXPERIMENT, written(EXPERIMENT, RETRAIN, retrained, namespace, **owners), _waiting(f"Dataset {RETRAIN}"))
    churn = {**LATE["spec"], "dataset": {"name": "customers"}, "register": {"model": "churn"}}
    put(kube, EXPERIMENT, written(EXPERIMENT, "churn", churn, namespace), _waiting("Dataset customers"))
    _beside(kube, data)


def _dataset() -> JsonObject:
    told = conditions(
        "VersionReady",
        f"version {DIGEST} has 50000 rows",
        Ready="True",
        Reconciling="False",
        Stalled="False",
    )
    return {"conditions": told, "current": {"digest": DIGEST, "rows": 50000}}


def _experiment() -> JsonObject:
    told = conditions(
        "Registered",
        "ml.flights version 1 is registered as challenger",
        Ready="True",
        Reconciling="False",
        Stalled="False",
        Registered="True",
    )
    return {"conditions": told, "final": {"model": {"name": "ml.flights", "version": 1, "digest": DIGEST}}}


def _deployment() -> JsonObject:
    waits = "closed groups: 12 of 20"
    return {
        "conditions": conditions("Shadowing", f"waits for {waits}", Ready="True", Reconciling="True", Stalled="False"),
        "stable": {"revision": "aa11", "model": {"name": "ml.flights", "version": 1, "digest": DIGEST}},
        "candidate": {"revision": "bb22", "model": {"name": "ml.flights", "version": 2}},
        "rollout": {"state": "Stepping", "step": 0, "weight": {"desired": 0, "programmed": 0}, "waitingFor": waits},
        "gates": [
            {
                "name": "better",
                "step": 0,
                "verdict": "Inconclusive",
                "message": "too few groups to tell",
                "unit": "labelled pairs",
                "samples": 6100,
                "groups": 12,
                "independentGroups": 7,
                "mix": {"of": "hour", "declared": "13.2", "here": "12.9", "turnsAt": "15.1", "distance": "0.2"},
                "needs": {
                    "samples": 9000,
                    "groups": 20,
                    "reachable": True,
                    "message": "8 groups more, in about 8 days",
                },
                "estimate": "-0.004",
                "interval": {"lower": "-0.011", "upper": "0.003"},
                "limit": "0.005",
            },
            {
                "name": "errors",
                "step": 0,
                "verdict": "Pass",
                "message": "no more failures than the stable version",
                "unit": "requests",
                "samples": 6100,
                "estimate": "0",
                "interval": {"lower": "-0.002", "upper": "0.002"},
                "limit": "0.01",
            },
        ],
    }


def _policy() -> JsonObject:
    told = conditions(
        "Retraining", "window 2 asked for a new model", Ready="True", Reconciling="False", Stalled="False"
    )
    drift = conditions("Breached", "log_loss 0.62 is worse than 0.53 allows", DriftDetected="True", LoopClosed="True")
    windows = [_window(index, value, verdict) for index, value, verdict in _WINDOWS]
    return {
        "conditions": told + drift,
        "reference": {"metric": "log_loss", "value": "0.5", "model": {"name": "ml.flights", "version": 1}},
        "action": {
            "wanted": "Retrain",
            "outcome": "Done",
            "reason": "Retraining",
            "signals": ["performance"],
            "at": SINCE,
        },
        "retrains": {"total": 1, "inFlight": {"name": RETRAIN, "state": "Retraining", "startedAt": SINCE}},
        **_found(windows),
    }


_WINDOWS = (("2", "0.62", "Breached"), ("1", "0.58", "Breached"), ("0", "0.49", "Healthy"))


def _window(index: str, value: str, verdict: str) -> JsonObject:
    day = int(index) + 1
    found = {"value": value, "limit": "0.53", "interval": {"lower": f"{float(value) - 0.03:.3g}"}, "groups": 21}
    return {
        "window": {"index": int(index), "from": f"2026-01-0{day}T00:00:00Z", "to": f"2026-01-0{day + 1}T00:00:00Z"},
        "verdict": verdict,
        "rows": 5000,
        "signals": [{"name": "performance", "verdict": verdict, **found}],
    }


def _found(windows: list[JsonObject]) -> JsonObject:
    """The windows as a status keeps them."""
    last = windows[0]
    told = {"message": "log_loss 0.62 is worse than 0.53 allows"}
    streak = [{"window": w["window"]["index"], "verdict": w["verdict"]} for w in reversed(windows)]
    drifts = {"window": last["window"], "drifting": True, "since": last["window"]["to"], "streak": streak}
    return {
        "signals": [{**last["signals"][0], **told, **drifts}],
        "lastEvaluation": {
            "window": last["window"],
            "rows": 5000,
            "verdict": "Breached",
            **told,
            "signals": last["signals"],
        },
        "history": windows,
    }


def _building() -> JsonObject:
    message = (
        f"pod {RETRAIN}-d1 cannot get image registry.test/worker:2: not found. Correct the image or its pull secret"
    )
    told = conditions("ImagePullFailed", message, Ready="False", Reconciling="False", Stalled="True")
    return {"conditions": told, "build": {"state": "Waiting", "reason": "ImagePullFailed", "message": message}}


def _waiting(what: str) -> JsonObject:
    told = conditions("WaitingForDataset", f"{what} is not ready", Ready="False", Reconciling="True", Stalled="False")
    return {"conditions": told}


def _beside(kube: FakeKube, data: JsonObject) -> None:
    """The pod that cannot start, and what was said of it."""
    metadata = data["metadata"]
    labels = {names.LABEL_KIND: "Dataset", names.LABEL_NAME: metadata["name"], names.LABEL_UID: metadata["uid"]}
    container = {"name": "main", "image": "registry.test/worker:2"}
    waiting = {"reason": "ImagePullBackOff", "message": "not found"}
    pod = written(POD, f"{RETRAIN}-d1-x7k2p", {"containers": [container]}, metadata["namespace"], labels=labels)
    kube.put(POD, pod)
    status = {"phase": "Pending", "containerStatuses": [{**container, "ready": False, "state": {"waiting": waiting}}]}
    kube.edit(POD, metadata["namespace"], pod["metadata"]["name"], lambda obj: obj.update(status=status))
    about = {key: metadata[key] for key in ("name", "namespace", "uid")}
    event = {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": f"{RETRAIN}.1", "namespace": metadata["namespace"]},
        "involvedObject": {"apiVersion": DATASET.api_version, "kind": DATASET.kind, **about},
        "type": "Warning",
        "reason": "ImagePullFailed",
        "message": "cannot get the image",
        "firstTimestamp": SINCE,
        "lastTimestamp": "2026-01-01T09:00:00Z",
        "count": 4,
        "source": {"component": "bucle-operator"},
    }
    kube.put(EVENT, event)
