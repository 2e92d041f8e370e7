"""Captured answers on their way to the store: a bounded ring that drops and counts, and the thread that empties it.

Knows capture files, threads and a writer; knows nothing of HTTP. Never blocks the caller and never raises to it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol

import pyarrow as pa

from bucle.contracts.capture import ROLL_ROWS, ROLL_SECONDS, file_stem
from bucle.contracts.table import Column
from bucle.podkit.capture_files import Captured, capture_table, capture_uri, hour_of
from bucle.podkit.program import ProgramError
from bucle.pods.serve.compaction import Compactor, Written

log = logging.getLogger("bucle.capture")

RING_ROWS = 200_000
RING_CELLS = 4_000_000
"""Of a wide table fewer rows wait: about 200 MB of values in either case."""
LAST_ATTEMPTS = 3
ODD_ATTEMPTS = 3
"""So often a file that fails in a way nobody foresaw is tried, before its rows give way to the next."""
PAUSE_SECONDS = 1.0


class Counter(Protocol):
    def inc(self, amount: float = 1) -> None: ...


@dataclass(frozen=True, slots=True)
class Tally:
    """`stored` rows after their put succeeded; rows that found the ring full, or could not be written; and how often
    something unforeseen was survived."""

    stored: Counter
    ring_full: Counter
    unwritable: Counter
    restarts: Counter


@dataclass(frozen=True, slots=True)
class Destination:
    """Where files go. `writer` names this start of this pod, so that a restarted container overwrites nothing."""

    location: str
    revision: str
    writer: str
    put: Callable[[str, pa.Table], None]


class Recorder:
    """At most one file each ROLL_SECONDS while rows are few, and files of ROLL_ROWS when they are many."""

    def __init__(self, to: Destination, columns: Sequence[Column], tally: Tally, compactor: Compactor) -> None:
        self._to = to
        self._columns = tuple(columns)
        self._tally = tally
        self._compactor = compactor
        width = max(1, len(self._columns))
        self._most_rows = min(RING_ROWS, RING_CELLS // width)
        self._roll_rows = min(ROLL_ROWS, self._most_rows // 4)
        self._lock = threading.Lock()
        self._ring: deque[Captured] = deque()
        self._rows = 0
        self._untold_drops = 0
        self._sequence = 0
        self._pending: list[Captured] = []
        self._pending_drops = 0
        self._odd = 0
        self._wake = threading.Event()
        self._ending = threading.Event()
        self.stored_rows = 0
        self.dropped_rows = 0
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, entry: Captured) -> None:
        """Takes the rows, or drops and counts them when the ring is full: the newest go, the order stays."""
        with self._lock:
            if self._rows + entry.rows > self._most_rows:
                self.dropped_rows += entry.rows
                self._untold_drops += entry.rows
                self._tally.ring_full.inc(entry.rows)
                return
            self._ring.append(entry)
            self._rows += entry.rows
            full = self._rows >= self._roll_rows
        if full:
            self._wake.set()

    def close(self, timeout: float) -> None:
        """Writes what is left; gives up after a few attempts or the timeout (seconds)."""
        self._ending.set()
        self._wake.set()
        self._thread.join(timeout)
        if self._rows:
            log.error("%d captured rows are lost: the store did not take them before this pod ended", self._rows)

    def flush(self) -> bool:
        """One attempt to write what waits by now; False when the store failed, and then nothing is lost.

        What comes meanwhile waits for the next time: under traffic there is always something.
        """
        with self._lock:
            left = len(self._ring)
        while left > 0:
            batch = self._batch(left)
            left -= len(batch)
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
            except Exception:  # noqa: BLE001 what nobody foresaw is counted, and must not end the thread
                self._survive(batch)
                return False
        return True

    def _survive(self, batch: list[Captured]) -> None:
        """Counts what nobody foresaw; a file that fails so again and again gives way to the next."""
        self._odd += 1
        self._tally.restarts.inc()
        log.exception("captured rows were not written (attempt %d)", self._odd)
        if self._odd >= ODD_ATTEMPTS:
            self._give_up(batch)
            # The store may have kept what a put that failed brought it: files that readers have seen must never change.
            self._sequence += 1

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wake.wait(ROLL_SECONDS)
            self._wake.clear()
            try:
                if not self.flush():
                    # A full ring sets the event again and again while the store is down.
                    self._ending.wait(PAUSE_SECONDS)
                elif not self._ending.is_set():
                    self._compactor.turn(datetime.now(UTC))
            except Exception:
                # A thread that ends would leave a server that answers, says it is well and records nothing.
                log.exception("the capture failed and goes on")
                self._tally.restarts.inc()
                self._ending.wait(PAUSE_SECONDS)
        for _ in range(LAST_ATTEMPTS):
            if self.flush():
                return

    def _batch(self, most: int) -> list[Captured]:
        """The oldest entries of one hour, at most `most` and one roll. They stay in the ring until they are stored.

        A batch whose put failed is tried again as it is: a failed put may have been a lost answer, and files that
        readers have seen must never change.
        """
        if self._pending:
            return self._pending
        with self._lock:
            batch: list[Captured] = []
            rows = 0
            for entry in islice(self._ring, most):
                if batch and (rows + entry.rows > self._roll_rows or hour_of(entry) != hour_of(batch[0])):
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
        self._odd = 0
        self._tally.unwritable.inc(rows)

    def _write(self, batch: list[Captured], table: pa.Table) -> None:
        hour = hour_of(batch[0])
        uri = capture_uri(self._to.location, self._to.revision, hour, file_stem(self._to.writer, self._sequence))
        self._to.put(uri, table)
        rows = table.num_rows
        self._compactor.wrote(uri.rpartition("/")[0], hour, Written(self._sequence, self._sequence, rows, table.nbytes))
        with self._lock:
            for _ in batch:
                self._ring.popleft()
            self._rows -= rows
            self._untold_drops -= self._pending_drops
            self.stored_rows += rows
        self._pending = []
        self._odd = 0
        self._sequence += 1
        self._tally.stored.inc(rows)
