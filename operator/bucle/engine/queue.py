"""Which key runs when: coalesced, one run per key at a time, growing delays for failing keys.

`KeyedQueue` only keeps the books and never waits, so it is tested with a plain number for a clock; `work` is the
thin asynchronous part.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")

WORKERS = 8
"""So many objects are looked at at once."""
FIRST_DELAY = 0.5
LONGEST_DELAY = 300.0


class KeyedQueue(Generic[K]):
    """`monotonic` gives seconds; `jitter` a number in [-1, 1) that spreads retries by a tenth."""

    def __init__(self, monotonic: Callable[[], float], jitter: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._jitter = jitter
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._entries = 0
        self._running: set[K] = set()
        self._failures: dict[K, int] = {}
        self._hurries: dict[K, int] = {}
        self.changed = asyncio.Event()

    def __len__(self) -> int:
        """Keys that are due now and wait for a worker."""
        now = self._monotonic()
        return sum(1 for key, due in self._due.items() if due <= now and key not in self._running)

    def add(self, key: K) -> None:
        """Run as soon as possible; a key that is running is run once more afterwards."""
        self.add_after(key, 0.0)

    def add_after(self, key: K, seconds: float) -> None:
        """Run in so many seconds at the latest: the earliest wish wins."""
        due = self._monotonic() + max(0.0, seconds)
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        if key not in self._running:
            self._push(key, due)
        self.changed.set()

    def add_spread(self, key: K, seconds: float) -> None:
        """Like add_after, a tenth earlier or later, so that a thousand objects do not come back at once."""
        self.add_after(key, self._spread(seconds))

    def retry(self, key: K) -> float:
        """Run again after a delay that doubles with each failure in a row; returns the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = self._spread(min(FIRST_DELAY * 2.0 ** min(failures, 30), LONGEST_DELAY))
        self.add_after(key, delay)
        return delay

    def hurry(self, key: K, free: int) -> float:
        """Run again at once; after so many times in a row with growing pauses, as if it had failed."""
        hurries = self._hurries.get(key, 0)
        self._hurries[key] = hurries + 1
        if hurries >= free:
            return self.retry(key)
        self.add(key)
        return 0.0

    def succeeded(self, key: K) -> None:
        """The next failure of this key starts with the shortest delay again."""
        self._failures.pop(key, None)
        self._hurries.pop(key, None)

    def take(self) -> K | None:
        """The key that has been due longest, now marked as running; None if none is due."""
        now = self._monotonic()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if key not in self._running and self._due.get(key) == due:
                del self._due[key]
                self._running.add(key)
                return key
        return None

    def done(self, key: K) -> None:
        """The run is over; what was wished for meanwhile becomes visible to `take`."""
        self._running.discard(key)
        if key in self._due:
            self._push(key, self._due[key])
        self.changed.set()

    def seconds_to_next(self) -> float | None:
        """Seconds until some key is due (0 if one is); None when nothing is planned or all is running."""
        while self._heap:
            due, _, key = self._heap[0]
            if key not in self._running and self._due.get(key) == due:
                return max(0.0, due - self._monotonic())
            heapq.heappop(self._heap)
        return None

    @property
    def running(self) -> int:
        return len(self._running)

    def _push(self, key: K, due: float) -> None:
        self._entries += 1
        heapq.heappush(self._heap, (due, self._entries, key))

    def _spread(self, seconds: float) -> float:
        return seconds * (1.0 + 0.1 * self._jitter())


async def work(
    queue: KeyedQueue[K], run: Callable[[K], Awaitable[None]], workers: int, stop: asyncio.Event | None = None
) -> None:
    """Runs due keys, at most `workers` at a time, until `stop` is set; then waits for those that run.

    `run` must not raise: an error that escapes it ends the whole process, which is better than a silent dead worker.
    """
    free = asyncio.Semaphore(workers)
    stopping = stop or asyncio.Event()

    async def one(key: K) -> None:
        try:
            await run(key)
        finally:
            queue.done(key)
            free.release()

    async with asyncio.TaskGroup() as tasks:
        woken = tasks.create_task(_wake_when(stopping, queue))
        while True:
            await free.acquire()
            key = await _next(queue, stopping)
            if key is None:
                woken.cancel()
                return
            tasks.create_task(one(key))


async def _wake_when(stopping: asyncio.Event, queue: KeyedQueue[K]) -> None:
    await stopping.wait()
    queue.changed.set()


async def _next(queue: KeyedQueue[K], stopping: asyncio.Event) -> K | None:
    while not stopping.is_set():
        queue.changed.clear()
        key = queue.take()
        if key is not None:
            return key
        try:
            async with asyncio.timeout(queue.seconds_to_next()):
                await queue.changed.wait()
        except TimeoutError:
            continue
    return None
