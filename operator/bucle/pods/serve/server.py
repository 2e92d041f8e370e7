"""What one process serves, and the way of a request through it: judged at the door, predicted in a batch, recorded.

Knows the model, the batcher, the recorder and the feedback log; knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from bucle.contracts.capture import in_sample
from bucle.contracts.row_rules import LabelContract
from bucle.contracts.task import ServeTask
from bucle.podkit.capture_files import Captured
from bucle.podkit.model import LoadedModel, Prediction
from bucle.podkit.request_check import Admitted
from bucle.pods.serve.batching import Batcher
from bucle.pods.serve.bodies import BadRequest
from bucle.pods.serve.feedback import FeedbackLog, LabelRules
from bucle.pods.serve.measures import Measures
from bucle.pods.serve.protocol import Asked
from bucle.pods.serve.recorder import Recorder

Made = TypeVar("Made")

INLINE_BYTES = 32 * 1024
"""A smaller body is read within a millisecond; a larger one would hold up everybody else's, so a thread reads it."""
INLINE_NUMBERS = 20_000
"""So many numbers of an answer are written within a millisecond."""
LARGE_AT_ONCE = 16
"""So many large bodies wait for that thread: together 128 MiB at most."""


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, and when."""

    id: str
    request_id: str | None
    role: str
    received: datetime
    began: float


@dataclass
class Server:
    """`ready` is taken back when it begins to drain."""

    task: ServeTask
    model: LoadedModel
    batcher: Batcher
    recorder: Recorder
    feedback: FeedbackLog
    measures: Measures
    ready: bool = True
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def __post_init__(self) -> None:
        reference = self.model.reference
        dropped = set(self.task.capture.drop)
        self._kept = tuple(c.name for c in reference.table.columns if c.name not in dropped)
        ids = reference.table.with_role("Id")
        labels = LabelContract(reference.table.target.task, reference.classes)
        self.labels = LabelRules(labels, ids[0] if ids else None, self.task.labels)
        self.feature_names = tuple(column.name for column in self.model.features)
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large")
        self._waiting = 0

    async def aside(self, work: Callable[[], Made], *, large: bool) -> Made:
        """The result of `work`, made in a thread when it is large; raises BadRequest 429 when too many wait for that."""
        if not large:
            return work()
        if self._waiting >= LARGE_AT_ONCE:
            raise BadRequest(429, "too many large requests at once: send it again, or in smaller parts", "busy")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._large, work)
        finally:
            self._waiting -= 1

    def record(self, asked: Asked, admitted: Admitted, prediction: Prediction, call: Call) -> None:
        """Offers the answer to the recorder if its id is in the sample, and counts rows that cannot be trained on."""
        for (column, fault), count in admitted.incomplete.items():
            self.measures.incomplete.labels(column, fault).inc(count)
        if not in_sample(call.id, self.task.capture.sample_percent):
            return
        self.recorder.offer(
            Captured(
                id=call.id,
                request_id=asked.id or call.request_id,
                received=call.received,
                role=call.role,
                revision=self.task.revision,
                latency_ms=(time.perf_counter() - call.began) * 1000,
                rows=asked.rows,
                columns={name: admitted.cells[name] for name in self._kept if name in admitted.cells},
                # Arrays of the answer as they are: the recorder's thread makes lists of them.
                labels=prediction.labels,  # type: ignore[arg-type]
                numbers=prediction.numbers,  # type: ignore[arg-type]
                scores=prediction.scores,  # type: ignore[arg-type]
            )
        )
