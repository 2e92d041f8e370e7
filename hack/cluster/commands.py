"""`python3 -m hack cluster up | down | status | kubeconfig | tools | helm | prometheus`: a one-node Kubernetes made of its parts.

CLUSTER=existing (with KUBECONFIG) makes `up` check that cluster instead, and `down` leave it alone.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hack.cluster import config, kube, parts, processes, provider, teardown
from hack.cluster.layout import Layout, from_environment
from hack.cluster.up import up
from hack.shell import Failure
from hack.steps import Steps, duration

TOOLS = (parts.HELM, *(program for program in parts.PROGRAMS if program.name == "kubectl"))


@contextmanager
def exclusive(layout: Layout) -> Iterator[None]:
    """One `up` or `down` at a time; the second waits, and says so."""
    layout.cache.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another cluster command is running; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def command_up(layout: Layout, chosen: provider.Provider) -> int:
    """Bring the chosen cluster up."""
    if isinstance(chosen, provider.Existing):
        provider.check(layout, chosen)
        print(f"using the existing cluster of {chosen.kubeconfig}; images go to {chosen.registry}")
        return 0
    steps = Steps(total=None)
    before = steps.clock()
    with exclusive(layout):
        up(layout, steps)
    print(f"cluster ready in {duration(steps.clock() - before)}")
    print(f"  export KUBECONFIG={layout.kubeconfig} PATH={layout.binaries}:$PATH")
    return 0


def command_down(layout: Layout, chosen: provider.Provider) -> int:
    """Remove the cluster from parts."""
    if isinstance(chosen, provider.Existing):
        print("CLUSTER=existing: that cluster is not ours to end; nothing done")
        return 0
    if os.geteuid() != 0:
        raise Failure("ending the cluster needs root: run this again as root, for instance with sudo -E")
    steps = Steps()
    with exclusive(layout):
        left = teardown.remains(layout)
        if not left:
            print("no cluster is up; nothing to do")
            return 0
        with steps.step(f"end the cluster: {', '.join(left)}", 30):
            teardown.down(layout)
    layout.lock.unlink(missing_ok=True)
    return 0


def command_status(layout: Layout, chosen: provider.Provider) -> int:
    """Say what runs; 0 when the cluster is healthy."""
    if isinstance(chosen, provider.Existing):
        provider.check(layout, chosen)
        print(f"existing cluster of {chosen.kubeconfig}: answers")
        return 0
    alive = processes.running(layout)
    for name in config.PROCESSES:
        print(f"{name:<26}{f'runs, pid {alive[name].pid}' if name in alive else 'does not run'}")
    ready = bool(alive) and kube.api_ready(layout) and kube.node_ready(layout)
    print(f"{'cluster':<26}{'healthy' if ready and len(alive) == len(config.PROCESSES) else 'not healthy'}")
    return 0 if ready and len(alive) == len(config.PROCESSES) else 1


def command_kubeconfig(layout: Layout, chosen: provider.Provider) -> int:
    """Print the path of the kubeconfig to use."""
    print(chosen.kubeconfig if isinstance(chosen, provider.Existing) else layout.kubeconfig)
    return 0


def command_tools(layout: Layout, _: provider.Provider) -> int:
    """Build the programs that talk to any cluster: helm and kubectl."""
    steps = Steps()
    with exclusive(layout):
        parts.build(layout, TOOLS, steps)
    print("\n".join(f"  {layout.binary(tool.name)}" for tool in TOOLS))
    return 0


def command_helm(layout: Layout, _: provider.Provider) -> int:
    """Build helm alone: the fast checks need it, and kubectl takes longer."""
    with exclusive(layout):
        parts.build(layout, [parts.HELM], Steps())
    return 0


def command_prometheus(layout: Layout, _: provider.Provider) -> int:
    """Build Prometheus and promtool: only the thorough tests of alerts and dashboards need them."""
    with exclusive(layout):
        parts.build(layout, parts.PROMETHEUS, Steps())
    return 0


COMMANDS = {
    "up": command_up,
    "down": command_down,
    "status": command_status,
    "kubeconfig": command_kubeconfig,
    "tools": command_tools,
    "helm": command_helm,
    "prometheus": command_prometheus,
}


def main(arguments: Sequence[str]) -> int:
    """Run one command; a failure is words on standard error and exit code 1."""
    parser = argparse.ArgumentParser(prog="python3 -m hack cluster", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    chosen = parser.parse_args(arguments).command
    try:
        return COMMANDS[chosen](from_environment(), provider.from_environment(os.environ))
    except Failure as failure:
        print(f"\nfailed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nstopped; run the same command again to go on, or `python3 -m hack cluster down` to clean up",
            file=sys.stderr,
        )
        return 130
