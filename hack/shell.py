"""Runs other programs for the scripts in hack/: one way to report a failure, and a sign of life while something takes long.

Knows subprocess and nothing of Bucle. Standard library only, because it runs before any virtual environment exists.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HEARTBEAT_SECONDS = 20.0
TAIL_LINES = 25


class Failure(Exception):
    """Something a person can act on; the text says what was tried, on what, and what to do next."""


def ignore(_: str) -> None:
    """Drop a message."""


@dataclass(frozen=True)
class Logged:
    """Where a long command writes, and who hears that it is still running."""

    file: Path
    note: Callable[[str], None] = ignore


def run(
    command: Sequence[str],
    what: str,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a short command and return its standard output; Failure carries its own words when it does not end with 0."""
    try:
        done = subprocess.run(
            list(command),
            input=stdin,
            capture_output=True,
            text=True,
            cwd=cwd,
            env=merged(env),
            timeout=300,
            check=False,
        )
    except FileNotFoundError as error:
        raise Failure(f"cannot {what}: the program {command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise Failure(f"cannot {what}: {' '.join(command[:4])} … did not end within 300 s") from error
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise Failure(f"cannot {what}: {' '.join(command[:6])} … ended with {done.returncode}:\n{words}")
    return done.stdout


def run_logged(
    command: Sequence[str], what: str, logged: Logged, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    """Run a long command, its output in a file; tell every 20 s that it still runs; Failure shows the end of that file."""
    logged.file.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with logged.file.open("w") as log:
        try:
            child = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=cwd, env=merged(env)
            )
        except FileNotFoundError as error:
            raise Failure(f"cannot {what}: the program {command[0]} is not installed") from error
        try:
            code = watch(child, began, what, logged)
        except BaseException:
            child.terminate()
            raise
    if code != 0:
        tail = "\n".join(logged.file.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        raise Failure(f"cannot {what}: {' '.join(command[:4])} … ended with {code}; the end of {logged.file}:\n{tail}")


def watch(child: subprocess.Popen[bytes], began: float, what: str, logged: Logged) -> int:
    """Wait for a child, and say every 20 s that it still runs."""
    while True:
        try:
            return child.wait(timeout=HEARTBEAT_SECONDS)
        except subprocess.TimeoutExpired:
            logged.note(f"still at it after {time.monotonic() - began:.0f} s: {what} (log: {logged.file})")


def succeeds(command: Sequence[str]) -> bool:
    """True when the command exists and ends with 0 within 10 s; its output is dropped."""
    try:
        return (
            subprocess.run(
                list(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False
            ).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def merged(env: Mapping[str, str] | None) -> dict[str, str]:
    """The process environment with some values replaced."""
    return {**os.environ, **(env or {})}
