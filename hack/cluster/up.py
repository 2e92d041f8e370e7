"""Brings the one-node cluster up, or finds out that it is up already. The imperative shell around the other modules."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import config, kube, network, parts, pki, processes, teardown
from hack.cluster.layout import DNS_READY, PROXY_HEALTH, Layout
from hack.shell import Failure, run, succeeds
from hack.steps import Steps

# Images and container layers lie in a tmpfs: unpacking is ten times as fast as on a slow disk, and teardown is one unmount.
TMPFS_SIZE = "10g"
TMPFS_NEEDS_BYTES = 12 * 2**30


@dataclass(frozen=True)
class Check:
    """Something that must become true: its name, the question, the patience in seconds, and whose log tells why not."""

    name: str
    holds: Callable[[], bool]
    seconds: float
    log: str


def checks(layout: Layout) -> list[Check]:
    """When all of these hold, pods can be made and reach each other by name."""
    account = kube.kubectl(layout, "-n", "default", "get", "serviceaccount", "default", "--request-timeout=3s")
    return [
        Check("node is Ready", lambda: kube.node_ready(layout), 90, "kubelet"),
        Check("default ServiceAccount exists", lambda: succeeds(account), 60, "kube-controller-manager"),
        Check("name server is ready", lambda: kube.answers(DNS_READY), 30, "coredns"),
        Check("Service rules are in place", lambda: kube.answers(PROXY_HEALTH), 30, "kube-proxy"),
    ]


def up(layout: Layout, steps: Steps) -> None:
    """Leave a healthy cluster running: reuse it, mend it, or clean what is left of it and start anew."""
    if os.geteuid() != 0:
        raise Failure(
            "a cluster from parts needs root (network, mounts, cgroups): run this again as root, for instance with sudo -E"
        )
    parts.ensure(layout, steps)
    if reuse(layout, steps):
        return
    if left := teardown.remains(layout):
        with steps.step(f"clean what an earlier cluster left: {', '.join(left)}"):
            teardown.down(layout)
    check_machine()
    start(layout, steps)


def reuse(layout: Layout, steps: Steps) -> bool:
    """True when the cluster runs and is healthy, after starting what had died if some of it still lives."""
    alive = processes.running(layout)
    # The API server and etcd's data are the cluster: survivors without them are of no use.
    if not alive or not (layout.mem / "etcd" / "member").exists():
        return False
    dead = [name for name in config.PROCESSES if name not in alive]
    if dead:
        steps.note(f"not running any more: {', '.join(dead)}; starting again")
        for name in dead:
            processes.start(layout, name, config.commands(layout)[name])
    patience = 30.0 if dead else 10.0
    healthy = processes.wait(lambda: kube.api_ready(layout), patience, 0.2) and all(
        processes.wait(c.holds, patience, 0.2) for c in checks(layout)
    )
    if not healthy:
        steps.note("the running cluster does not answer as it should")
        return False
    renewed = kube.renew_volumes(layout)
    steps.say(f"the cluster is up and healthy{f'; {len(renewed)} used volumes wiped' if renewed else ''}")
    return True


def check_machine() -> None:
    """Failure when something of another cluster is in our way."""
    if teardown.pod_cgroups():
        raise Failure(
            "another kubelet's pods run on this machine (there is a cgroup `kubepods`): end that cluster first, one per machine"
        )
    network.check_free()


def uses_tmpfs() -> bool:
    """Whether images and etcd lie in memory: BUCLE_TMPFS=0 says no, else it takes a machine with 12 GiB."""
    if os.environ.get("BUCLE_TMPFS", "") == "0":
        return False
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >= TMPFS_NEEDS_BYTES


def start(layout: Layout, steps: Steps) -> None:
    """Start from nothing; on failure everything stays as it is for a look at the logs, and the next `up` cleans it."""
    with steps.step("folders, network and certificates", 10):
        prepare(layout)
        network.up(layout)
        pki.create(layout)
        for name, text in config.files(layout).items():
            (layout.run / name).write_text(text)
    commands = config.commands(layout)
    with steps.step("etcd, containerd and the API server", 60):
        for name in config.FIRST:
            processes.start(layout, name, commands[name])
        control = ["ctr", "-a", str(layout.containerd_socket)]
        require(layout, Check("containerd answers", lambda: succeeds([*control, "version"]), 30, "containerd"))
        run([*control, "-n", "k8s.io", "images", "import", str(layout.pause_archive)], "import the pause image")
        require(layout, Check("API server is ready", lambda: kube.api_ready(layout), 90, "kube-apiserver"))
    with steps.step("controllers, kubelet, proxy and name server", 10):
        for name in config.SECOND[:-1]:
            processes.start(layout, name, commands[name])
        kube.apply(layout, kube.dns_access(), "give the name server its role")
        processes.start(layout, "coredns", commands["coredns"])
    with steps.step("persistent volumes", 10):
        kube.renew_volumes(layout)
    for check in checks(layout):
        with steps.step(check.name, check.seconds):
            require(layout, check)


def prepare(layout: Layout) -> None:
    """The run folder, and in it the memory file system."""
    for name in ("pki", "etc", "log", "kubelet", "cni", "pod-logs", "volume-plugins", "opt", "mem", "pv"):
        (layout.run / name).mkdir(parents=True, exist_ok=True)
    layout.pki.chmod(0o700)
    if uses_tmpfs():
        run(
            ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_SIZE},mode=755", "bucle", str(layout.mem)],
            f"mount a memory file system on {layout.mem}",
        )
    (layout.mem / "etcd").mkdir(mode=0o700)
    (layout.mem / "containerd").mkdir()
    layout.processes.touch()


def require(layout: Layout, check: Check) -> None:
    """Wait for a check; Failure shows the end of the log of the process it depends on, at once if that one has died."""

    def settled() -> bool:
        return check.holds() or check.log not in processes.running(layout)

    if not processes.wait(settled, check.seconds, 0.1) or not check.holds():
        log = layout.run / "log" / f"{check.log}.log"
        how = "still runs" if check.log in processes.running(layout) else "has ended"
        raise Failure(f"gave up waiting: {check.name}. {check.log} {how}; the end of {log}:\n{tail(log)}")


def tail(file: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(line[:400] for line in file.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(no log: {error})"
