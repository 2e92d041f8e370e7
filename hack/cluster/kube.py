"""Talks to the cluster through its own kubectl, and renders the few objects every cluster of ours starts with.

Knows kubectl and the layout. Rendering is pure.
"""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hack.cluster.layout import NODE, STORAGE_CLASS, VOLUME_COUNT, VOLUME_SIZE, Layout
from hack.shell import Failure, run, succeeds

Json = dict[str, Any]
COREDNS = "system:coredns"
# A volume of these phases has lost its claim: its data belongs to nobody and the next claim must not see it.
USED_UP = ("Released", "Failed")


def kubectl(layout: Layout, *arguments: str) -> list[str]:
    """A command line of this cluster's kubectl."""
    return [layout.binary("kubectl"), f"--kubeconfig={layout.kubeconfig}", *arguments]


def apply(layout: Layout, objects: Sequence[Json], what: str) -> None:
    """kubectl apply of a list of objects."""
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    run(kubectl(layout, "apply", "--validate=false", "-f", "-"), what, stdin=document)


def get(layout: Layout, *arguments: str) -> Json:
    """kubectl get as JSON; Failure when the server does not answer."""
    answer: Json = json.loads(
        run(kubectl(layout, "get", *arguments, "-o", "json", "--request-timeout=5s"), f"read {' '.join(arguments)}")
    )
    return answer


def api_ready(layout: Layout) -> bool:
    """True when the API server says that it is ready."""
    return succeeds(kubectl(layout, "get", "--raw", "/readyz", "--request-timeout=3s"))


def node_ready(layout: Layout) -> bool:
    """True when the node's Ready condition is True."""
    try:
        return is_node_ready(get(layout, "node", NODE))
    except Failure:
        return False


def is_node_ready(node: Json) -> bool:
    """True when a Node object says Ready=True."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node.get("status", {}).get("conditions", []))


def answers(address: str) -> bool:
    """True when a loopback address answers 200."""
    try:
        # A proxy set in the environment must not be asked for loopback addresses.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def dns_access() -> list[Json]:
    """What the name server may read: the one role that the API server does not bring along."""
    rules = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": COREDNS}, "rules": rules}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": COREDNS},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": COREDNS},
        "subjects": [{"apiGroup": group, "kind": "User", "name": COREDNS}],
    }
    return [role, binding]


def storage_class() -> Json:
    """The default class: volumes are made beforehand, and bound when a pod wants one."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Retain",
    }


def volume(layout: Layout, name: str) -> Json:
    """One PersistentVolume in a folder of this machine."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": VOLUME_SIZE},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "hostPath": {"path": str(layout.volumes / name), "type": "Directory"},
        },
    }


def volume_names() -> list[str]:
    """The names of all volumes of a cluster."""
    return [f"{NODE}-{index}" for index in range(VOLUME_COUNT)]


def volumes_to_renew(existing: Mapping[str, str]) -> list[str]:
    """Names to make (again), given the phase of each volume that exists."""
    return [name for name in volume_names() if existing.get(name, USED_UP[0]) in USED_UP]


def renew_volumes(layout: Layout) -> list[str]:
    """Make the volumes that are missing, and wipe and make again those whose claim is gone; returns their names."""
    phases = {v["metadata"]["name"]: v.get("status", {}).get("phase", "") for v in get(layout, "pv")["items"]}
    renewed = volumes_to_renew(phases)
    if not renewed:
        return []
    if old := [name for name in renewed if name in phases]:
        run(kubectl(layout, "delete", "pv", "--timeout=30s", *old), "delete volumes that no claim uses any more")
    for name in renewed:
        make_empty(layout.volumes / name)
    apply(layout, [storage_class(), *(volume(layout, name) for name in renewed)], "make the persistent volumes")
    return renewed


def make_empty(folder: Path) -> None:
    """An empty folder that any user of a pod may write to."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o777)
