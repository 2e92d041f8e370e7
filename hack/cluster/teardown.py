"""Removes everything a cluster left on the machine, whatever state it was in: also after a crash, or half a start.

Knows every place the cluster writes to outside its folder. Each part looks for what is there; nothing assumes an earlier part worked.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from hack.cluster import network, processes
from hack.cluster.layout import NETWORK, Layout
from hack.shell import Failure, succeeds

CGROUPS = Path("/sys/fs/cgroup")
CNI_RESULTS = Path("/var/lib/cni/results")
CONTAINER_LOGS = Path("/var/log/containers")
SHIM_SOCKETS = Path("/run/containerd/s")
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
# Deepest first; each is removed only when it is empty, since another runtime may use it too.
SHARED_FOLDERS = (
    CNI_RESULTS,
    CNI_RESULTS.parent,
    CONTAINER_LOGS,
    DEVICE_PLUGINS,
    DEVICE_PLUGINS.parent,
    SHIM_SOCKETS,
    Path("/run/containerd/runc/k8s.io"),
    Path("/run/containerd/runc"),
    Path("/run/containerd"),
)


def mounts_below(mounts: str, folder: str) -> list[str]:
    """Mount points at or below a folder out of /proc/self/mounts, in the order they must be unmounted (latest first)."""
    points = [unescape(line.split()[1]) for line in mounts.splitlines() if len(line.split()) > 1]
    return [point for point in reversed(points) if point == folder or point.startswith(f"{folder}/")]


def unescape(text: str) -> str:
    """Undo the octal escapes of blank, tab, newline and backslash in /proc/self/mounts."""
    for escape, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escape, plain)
    return text


def dead_sockets(files: Sequence[Path], listening: str) -> list[Path]:
    """Socket files that no process listens on, told from /proc/net/unix; the living ones belong to somebody else."""
    live = {line.split()[-1] for line in listening.splitlines() if line.strip()}
    return [file for file in files if str(file) not in live]


def own_results(names: Sequence[str]) -> list[str]:
    """Our entries among the names in the CNI result cache: `bucle-ID-eth0`, and the loopback entry of the same ID."""
    prefix = f"{NETWORK}-"
    ids = {name.removeprefix(prefix).rpartition("-")[0] for name in names if name.startswith(prefix)}
    return [
        name
        for name in names
        if name.startswith(prefix) or (name.startswith("cni-loopback-") and name.split("-")[2] in ids)
    ]


def current_mounts(layout: Layout) -> list[str]:
    """What is mounted below the run folder now."""
    return mounts_below(Path("/proc/self/mounts").read_text(), str(layout.run))


def remains(layout: Layout) -> list[str]:
    """What of a cluster is on this machine, in words; empty when there is nothing to clean."""
    found = []
    if alive := processes.strays(layout):
        found.append(f"{len(alive)} processes")
    if mounted := current_mounts(layout):
        found.append(f"{len(mounted)} mounts")
    if network.exists():
        found.append("the bridge")
    if layout.run.exists():
        found.append(f"files in {layout.run}")
    if layout.kubeconfig.exists():
        found.append("the kubeconfig")
    # The kubelet's cgroup has one name on every machine: only next to our own run folder may it be taken for ours.
    if found and pod_cgroups():
        found.append("cgroups of pods")
    return found


def down(layout: Layout) -> None:
    """End the processes, containers, mounts, network and cgroups, and remove the run folder; Failure names what would not go."""
    end_processes(layout)
    for point in current_mounts(layout):
        # Lazy, since a mount may be busy in a process that is just dying.
        succeeds(["umount", "-l", point])
    network.down(layout)
    remove_cgroups()
    remove_leavings(layout)
    layout.kubeconfig.unlink(missing_ok=True)
    still = current_mounts(layout)
    if still:
        raise Failure(
            f"cannot unmount {', '.join(still[:5])}: find what uses them with `fuser -vm {still[0]}`, end it, and run this again"
        )
    shutil.rmtree(layout.run, ignore_errors=True)
    if layout.run.exists():
        raise Failure(f"cannot remove {layout.run}: look there for files that cannot be deleted, and run this again")


def end_processes(layout: Layout) -> None:
    """Kubelet and the other clients first, then the servers, then all containers, their shims, and containerd last."""
    alive = {p.pid: p for p in [*processes.strays(layout), *processes.running(layout).values()]}
    by_program: dict[str, list[processes.Process]] = {}
    for process in alive.values():
        by_program.setdefault(process.name, []).append(process)
    servers = [*by_program.pop("kube-apiserver", []), *by_program.pop("etcd", [])]
    runtime = by_program.pop("containerd", [])
    shims = by_program.pop(processes.SHIM, [])
    processes.stop([p for group in by_program.values() for p in group], signal.SIGTERM, 10.0)
    # SIGTERM lets the API server wait for open watches; its data ends here anyway.
    processes.stop(servers, signal.SIGKILL, 5.0)
    if alive or layout.run.exists():
        kill_containers()
    processes.stop(shims, signal.SIGKILL, 5.0)
    processes.stop(runtime, signal.SIGTERM, 10.0)
    processes.stop(processes.strays(layout), signal.SIGKILL, 5.0)


def pod_cgroups() -> list[Path]:
    """The kubelet's root cgroup: one on cgroup v2, one per controller on v1."""
    return [folder for folder in [CGROUPS / "kubepods", *CGROUPS.glob("*/kubepods")] if folder.is_dir()]


def kill_containers() -> None:
    """SIGKILL to every process in a pod's cgroup; twice, since one may fork in between."""
    for _ in range(2):
        for root in pod_cgroups():
            for file in root.rglob("cgroup.procs"):
                kill_all(file)
        time.sleep(0.1)


def kill_all(file: Path) -> None:
    """SIGKILL to the pids listed in one cgroup.procs."""
    try:
        pids = [int(pid) for pid in file.read_text().split()]
    except OSError:
        return
    targets = [
        processes.Process("container", pid, stat.started)
        for pid in pids
        if pid > 1 and (stat := processes.stat_of(pid))
    ]
    processes.send(targets, signal.SIGKILL)


def remove_cgroups() -> None:
    """Remove the pods' cgroups, children first; they stay busy for a moment after their last process has died."""

    def gone() -> bool:
        for root in pod_cgroups():
            for folder in sorted([root, *(f for f in root.rglob("*") if f.is_dir())], reverse=True):
                try:
                    folder.rmdir()
                except OSError:
                    continue
        return not pod_cgroups()

    processes.wait(gone, 3.0, pause=0.1)


def remove_leavings(layout: Layout) -> None:
    """Files at paths that no option of containerd, CNI or kubelet moves."""
    if CNI_RESULTS.is_dir():
        for name in own_results(sorted(entry.name for entry in CNI_RESULTS.iterdir())):
            (CNI_RESULTS / name).unlink(missing_ok=True)
    for link in CONTAINER_LOGS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{layout.run}/"):
            link.unlink(missing_ok=True)
    listening = Path("/proc/net/unix").read_text()
    sockets = [
        f for folder in (SHIM_SOCKETS, DEVICE_PLUGINS) if folder.is_dir() for f in folder.iterdir() if f.is_socket()
    ]
    for file in dead_sockets(sockets, listening):
        file.unlink(missing_ok=True)
    for folder in SHARED_FOLDERS:
        try:
            folder.rmdir()
        except OSError:
            continue
