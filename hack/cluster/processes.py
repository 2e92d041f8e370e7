"""Starts, recognises and ends the cluster's processes. Knows /proc and the layout.

A process is known by pid *and* start time, since pids are used again; and, when its record was lost, by a command line that
names one of our programs and a path in our run folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.layout import Layout

PROC = Path("/proc")
SHIM = "containerd-shim-runc-v2"
PROGRAMS = frozenset(
    {
        "etcd",
        "containerd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "coredns",
        SHIM,
    }
)


@dataclass(frozen=True)
class Process:
    """One process: our name for it, its pid, and its start time in clock ticks since boot (field 22 of /proc/PID/stat)."""

    name: str
    pid: int
    started: int


@dataclass(frozen=True)
class Stat:
    """What /proc/PID/stat says: state letter and start time in clock ticks since boot."""

    state: str
    started: int


def parse_stat(text: str) -> Stat | None:
    """Read one line of /proc/PID/stat; None when it is cut short. The program's name may itself hold blanks and brackets."""
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20 or not fields[19].isdigit():
        return None
    return Stat(fields[0], int(fields[19]))


def parse_records(text: str) -> list[Process]:
    """Read the process file, one `name pid started` a line; a half-written last line is left out."""
    found = []
    for line in text.splitlines():
        parts = line.split()
        if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
            found.append(Process(parts[0], int(parts[1]), int(parts[2])))
    return found


def is_ours(arguments: Sequence[str], run: str) -> bool:
    """True when a command line is one of the cluster's programs and one of its arguments lies in this run folder."""
    return (
        bool(arguments)
        and Path(arguments[0]).name in PROGRAMS
        and any(f"{run}/" in argument for argument in arguments[1:])
    )


def stat_of(pid: int) -> Stat | None:
    """State of a pid now; None when there is no such process."""
    try:
        return parse_stat((PROC / str(pid) / "stat").read_text())
    except OSError:
        return None


def alive(process: Process) -> bool:
    """True while exactly this process runs. A zombie counts as gone: pid 1 may reap it seconds later, and kill -0 would still find it."""
    stat = stat_of(process.pid)
    return stat is not None and stat.state not in "ZX" and stat.started == process.started


def recorded(layout: Layout) -> list[Process]:
    """Everything this cluster run has started, alive or not."""
    try:
        return parse_records(layout.processes.read_text())
    except FileNotFoundError:
        return []


def running(layout: Layout) -> dict[str, Process]:
    """The recorded processes that are alive, by name."""
    return {process.name: process for process in recorded(layout) if alive(process)}


def strays(layout: Layout) -> list[Process]:
    """Every live process of this run folder, recorded or not, with the shims of its containers."""
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        stat = stat_of(int(entry.name))
        if stat is not None and stat.state not in "ZX" and is_ours(arguments, str(layout.run)):
            found.append(Process(Path(arguments[0]).name, int(entry.name), stat.started))
    return found


def start(layout: Layout, name: str, command: Sequence[str]) -> Process:
    """Start a daemon in a session of its own, so that closing the terminal does not reach it, and record it."""
    with (layout.run / "log" / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    stat = stat_of(child.pid)
    process = Process(name, child.pid, stat.started if stat else 0)
    with layout.processes.open("a") as file:
        file.write(f"{name} {process.pid} {process.started}\n")
    return process


def send(targets: Iterable[Process], number: signal.Signals) -> None:
    """Signal each target that is still the process we mean."""
    for process in targets:
        if alive(process):
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                continue


def stop(targets: Sequence[Process], number: signal.Signals, seconds: float) -> None:
    """Signal all at once and wait; what has not gone after `seconds` is killed."""
    send(targets, number)
    if not wait(lambda: not any(alive(p) for p in targets), seconds):
        send(targets, signal.SIGKILL)
        wait(lambda: not any(alive(p) for p in targets), 5.0)


def wait(condition: Callable[[], bool], seconds: float, pause: float = 0.05) -> bool:
    """Ask until the condition holds; False when `seconds` have passed."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
