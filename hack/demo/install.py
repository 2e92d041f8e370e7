"""Brings up what the story needs: cluster, images, chart, data; and removes it again. Knows kubectl, helm and the other scripts in hack/."""

from __future__ import annotations

import base64
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster import provider
from hack.cluster.layout import Layout, from_environment
from hack.demo import flights
from hack.shell import Failure, Logged, run, run_logged, succeeds
from hack.steps import Steps
from pyarrow import fs

ROOT = Path(__file__).resolve().parents[2]
RELEASE = "bucle"
SYSTEM = "bucle-system"
NAMESPACE = "flights"
SAMPLES = ROOT / "manifests" / "samples" / "flights"
# On the demo's namespaces: in a cluster that somebody else runs, only what carries it is ever deleted.
MARK = "bucle.dev/demo"


@dataclass(frozen=True)
class Installation:
    """Where things are. `existing` means a cluster that the person named; it is never taken because a KUBECONFIG is exported."""

    cache: Path
    kubeconfig: Path
    existing: bool
    registry: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Installation:
        chosen, cache = provider.from_environment(environment), from_environment().cache
        if isinstance(chosen, provider.Existing):
            return cls(cache, chosen.kubeconfig, True, chosen.registry)
        # Loaded into the cluster, not pulled: a REGISTRY that happens to be exported names other images.
        return cls(cache, cache / "kubeconfig", False, "localhost")

    # ---- programs

    def program(self, name: str) -> str:
        """The command of kubectl or helm."""
        return Layout(self.cache).program(name)

    def kubectl_command(self, *arguments: str) -> tuple[str, ...]:
        return (self.program("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        command = list(self.kubectl_command(*arguments))
        return run(command, f"run kubectl {' '.join(arguments[:4])}", stdin=stdin)

    def get(self, *arguments: str) -> dict[str, Any]:
        """The JSON of `kubectl get`; an empty dict when there is nothing."""
        text = self.kubectl("get", *arguments, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else {}

    def helm(self, *arguments: str) -> str:
        command = [self.program("helm"), f"--kubeconfig={self.kubeconfig}", "-n", SYSTEM, *arguments]
        return run(command, f"run helm {' '.join(arguments[:3])}")

    def script(self, steps: Steps, name: str, *arguments: str) -> None:
        """Another room of hack, its words in a log file."""
        log = self.cache / "log" / f"demo-{name}-{arguments[0]}.log"
        run_logged(
            [sys.executable, "-m", "hack", name, *arguments],
            f"{arguments[0]} {name}",
            Logged(log, steps.note),
            cwd=ROOT,
        )

    # ---- steps

    def prepare(self, steps: Steps) -> None:
        """Cluster, tools and images; everything that is there already is kept."""
        if self.existing:
            with steps.step("kubectl and helm", 300):
                self.script(steps, "cluster", "tools")
            with steps.step(f"the cluster of {self.kubeconfig} answers", 30):
                self.script(steps, "cluster", "up")
        else:
            with steps.step("cluster up (parts from source, once)", 900):
                self.script(steps, "cluster", "up")
            with steps.step("kubectl and helm", 300):
                self.script(steps, "cluster", "tools")
        with steps.step("images: base, build", 900):
            self.script(steps, "images", "build")
        with steps.step("images: load into the cluster", 180):
            self.script(steps, "images", "load")

    def remove(self, steps: Steps) -> None:
        """The release and both namespaces with everything in them; the cluster stays."""
        with steps.step("remove the demo's release and namespaces", 120):
            if not self.existing and not self.answers():
                steps.note("no cluster answers: there is nothing to remove (what is left of one: make cluster-down)")
                return
            if self.existing:
                self.refuse_to_harm()
            if RELEASE in self.helm("list", "--short").split():
                self.helm("uninstall", RELEASE, "--wait", "--timeout", "90s")
            for namespace in (NAMESPACE, SYSTEM):
                self.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=90s")
            if not self.existing:
                self.script(steps, "cluster", "up")

    def answers(self) -> bool:
        """Whether the cluster is there to be asked."""
        if not self.kubeconfig.exists():
            return False
        kubectl = [self.program("kubectl"), f"--kubeconfig={self.kubeconfig}"]
        return succeeds([*kubectl, "get", "--raw", "/readyz", "--request-timeout=5s"])

    def refuse_to_harm(self) -> None:
        """Failure when somebody else's cluster holds a Bucle, or a namespace of our names, that the demo did not make."""
        for release in json.loads(self.helm("list", "--all-namespaces", "--output", "json")):
            if release["chart"].startswith("bucle-") and release["namespace"] != SYSTEM:
                raise Failure(
                    f"the release {release['name']} in namespace {release['namespace']} is a Bucle already, and two operators would work "
                    "on the same objects: uninstall it first, or use another cluster"
                )
        for namespace in (NAMESPACE, SYSTEM):
            found = self.get("namespace", namespace)
            if found and MARK not in found["metadata"].get("labels", {}):
                raise Failure(
                    f"the namespace {namespace} was not made by the demo, which would delete it with everything in it: "
                    f"use another cluster, or say that it may go with `kubectl label namespace {namespace} {MARK}=`"
                )

    def install_fresh(self, steps: Steps) -> None:
        """A new release in new namespaces: bucket, registry and objects start empty."""
        self.remove(steps)
        with steps.step("helm install (operator, embedded store, MLflow)", 240):
            for namespace in (SYSTEM, NAMESPACE):
                self.kubectl("create", "namespace", namespace)
                self.kubectl("label", "namespace", namespace, f"{MARK}=")
            self.install()
            self.check_route()
        with steps.step("January and February into the store", 60):
            self.upload_months(steps)

    def install(self) -> None:
        """The chart with the images of this checkout; CRDs that someone applied by hand before are taken over instead of refused."""
        self.helm(
            "install", RELEASE, str(ROOT), "--wait", "--timeout", "4m", *self.values(), "--take-ownership", "--force-conflicts",
        )  # fmt: skip

    def values(self) -> list[str]:
        """What differs from the chart's defaults, as options of helm."""
        chosen = {
            "storage.namespaces": f"{{{NAMESPACE}}}",
            "image.registry": self.registry,
            "image.tag": os.environ.get("BUCLE_TAG", "dev"),
            "clusterName": "demo",
            # Nodes that pulled an earlier build under the same tag would keep it.
            "image.pullPolicy": "Always" if self.existing else "IfNotPresent",
        }
        return [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]

    def check_route(self) -> None:
        """Failure when this machine cannot call Services: the store is filled and the model called by their addresses."""
        address = (self.service_ip(f"{RELEASE}-store.{SYSTEM}"), 8333)
        try:
            socket.create_connection(address, timeout=10).close()
        except OSError as error:
            raise Failure(
                f"this machine does not reach the Service addresses of the cluster ({address[0]}:{address[1]}: {error}): "
                "run the demo on one of its nodes, or where Service addresses are routed"
            ) from error

    def upload_months(self, steps: Steps) -> None:
        """Two Parquet files under s3://bucle/raw/flights/."""
        frame = flights.load()
        store = self.object_store()
        for month in (1, 2):
            rows = frame[(frame["month"] == month)].drop(columns=["month", "day"])
            path = f"bucle/raw/flights/2013-{month:02d}.parquet"
            with store.open_output_stream(path) as sink:
                rows.to_parquet(sink, index=False)
            steps.note(f"s3://{path}: {len(rows):,} flights")

    def secret(self) -> dict[str, str]:
        data = self.get("secret", "bucle-storage", "-n", NAMESPACE).get("data", {})
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def object_store(self) -> fs.S3FileSystem:
        """The embedded store, reached from this machine by its cluster address."""
        keys = self.secret()
        host, _, port = keys["AWS_ENDPOINT_URL_S3"].removeprefix("http://").partition(":")
        return fs.S3FileSystem(
            access_key=keys["AWS_ACCESS_KEY_ID"],
            secret_key=keys["AWS_SECRET_ACCESS_KEY"],
            endpoint_override=f"{self.service_ip(host)}:{port}",
            scheme="http",
            region=keys.get("AWS_REGION", "us-east-1"),
        )

    def service_ip(self, host: str) -> str:
        """ClusterIP of `<service>.<namespace>…`; the node routes it, so this machine reaches it."""
        service, namespace = host.split(".")[:2]
        return str(self.get("service", service, "-n", namespace)["spec"]["clusterIP"])

    def stable_address(self) -> str:
        """The address that callers use for the whole story."""
        return f"http://{self.service_ip(f'flights.{NAMESPACE}')}"

    def how_to_look(self) -> str:
        kubectl = f"{self.program('kubectl')} --kubeconfig={self.kubeconfig}"
        return "\n".join(
            [
                "Everything is still up. Look at it:",
                f"  {kubectl} get bucle -n {NAMESPACE}",
                f"  {kubectl} describe modeldeployment flights -n {NAMESPACE}",
                f"  MLflow:  {kubectl} port-forward -n {SYSTEM} service/bucle-mlflow 5000:5000   then http://localhost:5000",
                f"  Model:   {self.stable_address()}/v2/models/flights",
                "Remove it: make demo-down; make cluster-down",
            ]
        )
