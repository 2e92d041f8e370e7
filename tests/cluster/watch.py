"""Everything that `kubectl get --watch` tells while a block runs: states that last for a moment are told as well.

Knows how a program prints documents; decides nothing. Looking twice a second misses what stands for less.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

JsonObject = dict[str, Any]
FIRST_WITHIN, LAST_WITHIN = 30.0, 30.0


def documents(lines: Iterable[str]) -> Iterator[JsonObject]:
    """The JSON documents of a stream, each on one line or on many."""
    held = ""
    for line in lines:
        held += line
        if not line.rstrip().endswith("}"):
            continue
        try:
            found = json.loads(held)
        except ValueError:
            continue
        held = ""
        yield found


@contextmanager
def hearing(command: Sequence[str], hear: Callable[[JsonObject], None]) -> Iterator[subprocess.Popen[str]]:
    """`hear` gets each document that the command prints, from the first, for which the block waits, to its end."""
    first, trouble = threading.Event(), list[Exception]()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None, "its output was asked for"
    lines = process.stdout

    def listen() -> None:
        try:
            for document in documents(lines):
                hear(document)
                first.set()
        except Exception as error:  # noqa: BLE001 - told by the test that listens, whatever it is
            trouble.append(error)
        finally:
            first.set()

    thread = threading.Thread(target=listen, name="onlooker", daemon=True)
    thread.start()
    try:
        assert first.wait(FIRST_WITHIN), f"nothing was told within {FIRST_WITHIN:.0f} s"
        yield process
        assert process.poll() is None, (
            f"the watch ended by itself with {process.returncode}: what followed was not seen"
        )
    finally:
        process.terminate()
        try:
            process.wait(LAST_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        thread.join(LAST_WITHIN)  # what was told before the end is still heard
        lines.close()
    if trouble:
        raise AssertionError("what was told could not be read") from trouble[0]
