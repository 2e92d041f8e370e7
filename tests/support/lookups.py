"""What `helm template --dry-run=server` asks of an API server, over real HTTP: its groups, one list, one Secret."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

OF_THE_RELEASE = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {"meta.helm.sh/release-name": "bucle", "meta.helm.sh/release-namespace": "bucle-system"},
}
KINDS = {
    "v1": ("Service", "Secret", "ServiceAccount", "PersistentVolumeClaim"),
    "apps/v1": ("Deployment", "StatefulSet"),
    "batch/v1": ("Job",),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
}


def _discovery() -> dict[str, Any]:
    groups = [{"groupVersion": version, "version": version.rpartition("/")[2]} for version in KINDS if "/" in version]
    named = [{"name": g["groupVersion"].partition("/")[0], "versions": [g], "preferredVersion": g} for g in groups]
    found: dict[str, Any] = {
        "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.4"},
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": named},
    }
    for version, kinds in KINDS.items():
        resources = [
            {"name": f"{k.lower()}s", "kind": k, "namespaced": not k.startswith("Cluster"), "verbs": ["get", "list"]}
            for k in kinds
        ]
        path = f"/apis/{version}" if "/" in version else "/api/v1"
        found[path] = {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
    return found


@contextmanager
def cluster(folder: Path, secrets: Mapping[str, Mapping[str, str]]) -> Iterator[Path]:
    """A kubeconfig of a server that has these Secrets (`namespace/name` → keys) and nothing else."""
    answers = _discovery()
    for place, data in secrets.items():
        namespace, name = place.split("/")
        encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
        metadata = {"name": name, "namespace": namespace, **OF_THE_RELEASE}
        found = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}
        answers[f"/api/v1/namespaces/{namespace}/secrets/{name}"] = found
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answers))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield _kubeconfig(folder, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(answers: Mapping[str, Any]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            found = answers.get(path)
            if found is None and path.endswith("/services"):
                found = {"apiVersion": "v1", "kind": "ServiceList", "metadata": {}, "items": []}
            body = json.dumps(found or {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404})
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Silence: a test's output is the test's."""

    return Handler


def _kubeconfig(folder: Path, port: int) -> Path:
    path = folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "users": [{"name": "it", "user": {}}],
        "current-context": "it",
    }
    path.write_text(yaml.safe_dump(content))
    return path
