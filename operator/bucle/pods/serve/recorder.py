"""Captured answers on their way to the store: a bounded ring that drops and counts, and the thread that empties it.

Knows capture files, threads and a writer; knows nothing of HTTP. Never blocks the caller and never raises to it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from bucle.contracts.capture import ROLL_ROWS, ROLL_SECONDS
from bucle.contracts.table import Column
from bucle.podkit.capture_files import Captured, capture_table, capture_uri, hour_of
from bucle.podkit.program import ProgramError

log = logging.getLogger("bucle.capture")

RING_ROWS = 200_000
LAST_ATTEMPTS = 3


class Counter(Protocol):
    def inc(self, amount: float = 1) -> None: ...


@dataclass(frozen=True, slots=True)
class Destination:
    """Where files go. `writer` names this start of this pod, so that a restarted container overwrites nothing."""

    location: str
    revision: str
    writer: str
    put: Callable[[str, pa.Table], None]


class Recorder:
    """`stored` counts rows after their put succeeded, `dropped` rows that found the ring full."""

    def __init__(self, to: Destination, columns: Sequence[Column], stored: Counter, dropped: Counter) -> None:
        self._to = to
        self._columns = tuple(columns)
        self._stored_counter, self._dropped_counter = stored, dropped
        self._lock = threading.Lock()
        self._ring: deque[Captured] = deque()
        self._rows = 0
        self._untold_drops = 0
        self._sequence = 0
        self._pending: list[Captured] = []
        self._pending_drops = 0
        self._wake = threading.Event()
        self._ending = False
        self.stored_rows = 0
        self.dropped_rows = 0
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, entry: Captured) -> None:
        """Takes the rows, or drops and counts them when the ring is full: the newest go, the order stays."""
        with self._lock:
            if self._rows + entry.rows > RING_ROWS:
                self.dropped_rows += entry.rows
                self._untold_drops += entry.rows
                self._dropped_counter.inc(entry.rows)
                return
            self._ring.append(entry)
            self._rows += entry.rows
            full = self._rows >= ROLL_ROWS
        if full:
            self._wake.set()

    def close(self, timeout: float) -> None:
        """Writes what is left; gives up after a few attempts or the timeout (seconds)."""
        self._ending = True
        self._wake.set()
        self._thread.join(timeout)

    def flush(self) -> bool:
        """One attempt to write all that waits; False when the store failed, and then nothing is lost."""
        while True:
            batch = self._batch()
            if not batch:
                return True
            try:
                table = capture_table(batch, self._columns, self._pending_drops)
            except Exception:
                # Rows that cannot be written today cannot be tomorrow: kept, they would hold up all others for good.
                log.exception("%d captured rows cannot be written and are dropped", sum(e.rows for e in batch))
                self._give_up(batch)
                continue
            try:
                self._write(batch, table)
            except ProgramError as error:
                log.warning("capture waits: %s", error.message)
                return False

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait(ROLL_SECONDS)
            self._wake.clear()
            if not self.flush():
                # A full ring sets the event again and again while the store is down.
                threading.Event().wait(0 if self._ending else 1.0)
        for _ in range(LAST_ATTEMPTS):
            if self.flush():
                return
        log.error("%d captured rows are lost: the store did not answer before this pod ended", self._rows)

    def _batch(self) -> list[Captured]:
        """The oldest entries of one hour, at most one roll. They stay in the ring until they are stored.

        A batch whose put failed is tried again as it is: a failed put may have been a lost answer, and files that
        readers have seen must never change.
        """
        if self._pending:
            return self._pending
        with self._lock:
            batch: list[Captured] = []
            rows = 0
            for entry in self._ring:
                if batch and (rows + entry.rows > ROLL_ROWS or hour_of(entry) != hour_of(batch[0])):
                    break
                batch.append(entry)
                rows += entry.rows
            self._pending, self._pending_drops = batch, self._untold_drops
        return batch

    def _give_up(self, batch: list[Captured]) -> None:
        rows = sum(entry.rows for entry in batch)
        with self._lock:
            for _ in batch:
                self._ring.popleft()
            self._rows -= rows
            self._untold_drops += rows
            self.dropped_rows += rows
        self._pending = []
        self._dropped_counter.inc(rows)

    def _write(self, batch: list[Captured], table: pa.Table) -> None:
        name = f"{self._to.writer}-{self._sequence:06d}"
        self._to.put(capture_uri(self._to.location, self._to.revision, hour_of(batch[0]), name), table)
        rows = table.num_rows
        with self._lock:
            for _ in batch:
                self._ring.popleft()
            self._rows -= rows
            self._untold_drops -= self._pending_drops
            self.stored_rows += rows
        self._pending = []
        self._sequence += 1
        self._stored_counter.inc(rows)
