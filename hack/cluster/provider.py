"""Which cluster to work on: the one from parts, or an existing one, and that only when it is asked for by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.layout import Layout
from hack.shell import Failure, run


@dataclass(frozen=True)
class Parts:
    """The one-node cluster on this machine."""


@dataclass(frozen=True)
class Existing:
    """A cluster that somebody else runs, and the registry its nodes pull images from (`host/path`)."""

    kubeconfig: Path
    registry: str


Provider = Parts | Existing


def from_environment(environment: Mapping[str, str]) -> Provider:
    """CLUSTER=parts (default) or existing; a KUBECONFIG that merely happens to be exported is never used."""
    wanted = environment.get("CLUSTER", "") or "parts"
    if wanted == "parts":
        return Parts()
    if wanted != "existing":
        raise Failure(
            f"CLUSTER={wanted} is not known: leave it out for a cluster on this machine, or say CLUSTER=existing"
        )
    lacking = [name for name in ("KUBECONFIG", "REGISTRY") if not environment.get(name)]
    if lacking:
        raise Failure(
            f"CLUSTER=existing also needs {' and '.join(lacking)}: KUBECONFIG=<file> REGISTRY=<host/path its nodes can pull from>"
        )
    return Existing(Path(environment["KUBECONFIG"]).absolute(), environment["REGISTRY"].rstrip("/"))


def check(layout: Layout, existing: Existing) -> None:
    """Failure when the existing cluster does not answer."""
    if not existing.kubeconfig.exists():
        raise Failure(f"KUBECONFIG={existing.kubeconfig}: there is no such file")
    kubectl = layout.binary("kubectl") if Path(layout.binary("kubectl")).exists() else "kubectl"
    run(
        [kubectl, f"--kubeconfig={existing.kubeconfig}", "get", "--raw", "/readyz", "--request-timeout=10s"],
        f"reach the cluster of {existing.kubeconfig}",
    )
