"""Names, addresses and paths of the one-node cluster. Knows no other module; no I/O beyond reading the environment.

One cluster per machine: bridge, addresses, ports and the cgroup `/kubepods` are fixed.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from hack.shell import Failure

NODE = "bucle"
BRIDGE = "bucle0"
NETWORK = "bucle"
NODE_IP = "10.88.0.1"
POD_CIDR = "10.88.0.0/16"
FIRST_POD_IP = "10.88.0.10"
SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
API_SERVER = f"https://{NODE_IP}:6443"
ETCD_CLIENT = "http://127.0.0.1:23790"
ETCD_PEER = "http://127.0.0.1:23800"
DNS_READY = "http://127.0.0.1:8181/ready"
PROXY_HEALTH = "http://127.0.0.1:10256/healthz"
PAUSE_IMAGE = "localhost/bucle-pause:1"
# What must be free before the first start; the bridge address is ours alone, so only loopback can collide.
LOOPBACK_PORTS = (23790, 23800, 10257, 10259, 10248, 10249, 10256, 8181)
CNI_PLUGINS = Path("/usr/lib/cni")

VOLUME_COUNT = 8
VOLUME_SIZE = "8Gi"
STORAGE_CLASS = "standard"

# The shim's socket path is <run>/mem/containerd/… and a Unix socket address ends at 108 bytes.
LONGEST_RUN_PATH = 60


@dataclass(frozen=True)
class Layout:
    """Where everything of the cluster lies; `cache` survives `down`, `run` does not."""

    cache: Path

    @property
    def binaries(self) -> Path:
        return self.cache / "bin"

    @property
    def stamps(self) -> Path:
        return self.cache / "stamps"

    @property
    def logs(self) -> Path:
        return self.cache / "log"

    @property
    def kubeconfig(self) -> Path:
        return self.cache / "kubeconfig"

    @property
    def lock(self) -> Path:
        return self.cache / "cluster.lock"

    @property
    def pause_archive(self) -> Path:
        return self.cache / "pause.tar"

    @property
    def run(self) -> Path:
        return self.cache / "run"

    @property
    def pki(self) -> Path:
        return self.run / "pki"

    @property
    def etc(self) -> Path:
        return self.run / "etc"

    @property
    def mem(self) -> Path:
        return self.run / "mem"

    @property
    def containerd_socket(self) -> Path:
        return self.mem / "containerd" / "c.sock"

    @property
    def cni(self) -> Path:
        return self.run / "cni"

    @property
    def volumes(self) -> Path:
        return self.run / "pv"

    @property
    def processes(self) -> Path:
        return self.run / "processes"

    @property
    def saved_sysctls(self) -> Path:
        return self.run / "sysctls"

    def binary(self, name: str) -> str:
        """Full path of one of our programs, so that another one on PATH is never taken."""
        return str(self.binaries / name)

    def program(self, name: str) -> str:
        """The kubectl, helm, prometheus or promtool to call: what $KUBECTL and so on names, else ours, else the one on PATH."""
        own = self.binaries / name
        found = os.environ.get(name.upper()) or (str(own) if own.exists() else shutil.which(name))
        if not found:
            raise Failure(f"{name} is not in ${name.upper()}, at {own} or on PATH: run `make tools`, then try again")
        return found


def from_environment() -> Layout:
    """The layout under BUCLE_CACHE (default ~/.cache/bucle); Failure when sockets below it could not be made."""
    layout = Layout(Path(os.environ.get("BUCLE_CACHE") or Path.home() / ".cache" / "bucle").absolute())
    if len(str(layout.run)) > LONGEST_RUN_PATH:
        raise Failure(
            f"the path {layout.run} is too long for Unix sockets ({LONGEST_RUN_PATH} characters at most): set BUCLE_CACHE to a shorter folder"
        )
    return layout
