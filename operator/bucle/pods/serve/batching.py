"""Micro-batching without a timer: whatever arrived during this turn of the loop is predicted together.

One worker thread predicts, so answers of one model never compete for the interpreter with each other. A fixed
waiting time would cost every caller that time at low load; this costs nobody anything.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bucle.podkit.model import Prediction

Predict = Callable[[pd.DataFrame], Prediction]


@dataclass(frozen=True, slots=True)
class _Waiting:
    frame: pd.DataFrame
    answer: asyncio.Future[Prediction]


class Batcher:
    """`most_rows`: a batch takes waiting requests until it has so many rows; a larger request goes alone."""

    def __init__(self, predict: Predict, most_rows: int, observe: Callable[[int], None]) -> None:
        self._predict = predict
        self._most_rows = most_rows
        self._observe = observe
        self._waiting: deque[_Waiting] = deque()
        self._running = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")

    async def predict(self, frame: pd.DataFrame) -> Prediction:
        """The prediction for these rows alone; raises what the model raises."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(frame, loop.create_future())
        self._waiting.append(waiting)
        if not self._running:
            self._running = True
            # Two turns of the loop: requests whose bytes are already here are parsed and join.
            loop.call_soon(loop.call_soon, self._start)
        return await waiting.answer

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    def _start(self) -> None:
        batch = self._next_batch()
        if not batch:
            self._running = False
            return
        frames = [waiting.frame for waiting in batch]
        self._observe(sum(len(frame) for frame in frames))
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._run, frames)
        future.add_done_callback(lambda done: self._finish(batch, done))

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        while self._waiting and (not batch or rows + len(self._waiting[0].frame) <= self._most_rows):
            waiting = self._waiting.popleft()
            if waiting.answer.cancelled():
                continue
            batch.append(waiting)
            rows += len(waiting.frame)
        return batch

    def _run(self, frames: list[pd.DataFrame]) -> list[Prediction]:
        whole = self._predict(frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True))
        ends = np.cumsum([len(frame) for frame in frames])
        return [part(whole, int(end) - len(frame), int(end)) for frame, end in zip(frames, ends, strict=True)]

    def _finish(self, batch: list[_Waiting], done: asyncio.Future[list[Prediction]]) -> None:
        error = done.exception()
        answers: list[Prediction | None] = [None] * len(batch) if error is not None else list(done.result())
        for waiting, answer in zip(batch, answers, strict=True):
            if waiting.answer.done():
                continue
            if answer is None:
                waiting.answer.set_exception(error or RuntimeError("the model gave no answer"))
            else:
                waiting.answer.set_result(answer)
        self._start()


def part(whole: Prediction, first: int, end: int) -> Prediction:
    """Rows first … end − 1."""
    return Prediction(
        labels=None if whole.labels is None else whole.labels[first:end],
        scores=None if whole.scores is None else whole.scores[first:end],
        numbers=None if whole.numbers is None else whole.numbers[first:end],
    )
