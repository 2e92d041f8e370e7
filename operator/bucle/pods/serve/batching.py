"""Micro-batching without a timer: whatever arrived during this turn of the loop is predicted together.

One worker thread predicts, so answers of one model never compete for the interpreter with each other. A fixed
waiting time would cost every caller that time at low load; this costs nobody anything. A request that the model
cannot answer fails alone: its batch is halved until it is found.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bucle.podkit.model import Prediction
from bucle.podkit.request_check import Features

Predict = Callable[[Sequence[Features]], Prediction]


class Unanswerable(Exception):
    """The model answers other rows, but not all of these: `row` is the first it cannot answer."""

    def __init__(self, row: int, cause: str) -> None:
        super().__init__(f"row {row}: {cause}")
        self.row = row
        self.cause = cause


@dataclass(frozen=True, slots=True)
class _Waiting:
    features: Features
    answer: asyncio.Future[Prediction]


class Batcher:
    """`most_rows`: a batch takes waiting requests until it has so many rows; a larger request goes alone.

    `known` are rows the model did answer: when it fails on them too, it is the model that is broken, not a request.
    """

    def __init__(self, predict: Predict, most_rows: int, observe: Callable[[int], None], known: Features) -> None:
        self._predict = predict
        self._most_rows = most_rows
        self._observe = observe
        self._known = known
        self._waiting: deque[_Waiting] = deque()
        self._running = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")

    async def predict(self, features: Features) -> Prediction:
        """The prediction for these rows alone. Raises Unanswerable, or what a broken model raises."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(features, loop.create_future())
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
        parts = [waiting.features for waiting in batch]
        self._observe(sum(part.rows for part in parts))
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._run, parts)
        future.add_done_callback(lambda done: self._finish(batch, done))

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        while self._waiting and (not batch or rows + self._waiting[0].features.rows <= self._most_rows):
            waiting = self._waiting.popleft()
            if waiting.answer.cancelled():
                continue
            batch.append(waiting)
            rows += waiting.features.rows
        return batch

    def _run(self, parts: Sequence[Features]) -> list[Prediction | Exception]:
        try:
            return self._answers(parts)
        except Exception:  # noqa: BLE001 a model may raise anything, and the others of the batch still want an answer
            pass
        try:
            self._predict([self._known])
        except Exception as error:  # noqa: BLE001 the model is broken: all callers are told the same
            return [error] * len(parts)
        return self._apart(parts)

    def _answers(self, parts: Sequence[Features]) -> list[Prediction | Exception]:
        whole = self._predict(parts)
        answers: list[Prediction | Exception] = []
        first = 0
        for features in parts:
            answers.append(part(whole, first, first + features.rows))
            first += features.rows
        return answers

    def _apart(self, parts: Sequence[Features]) -> list[Prediction | Exception]:
        """Answers of a batch that fails as a whole: halved until what fails stands alone."""
        if len(parts) == 1:
            return [self._culprit(parts[0])]
        found: list[Prediction | Exception] = []
        for half in (parts[: len(parts) // 2], parts[len(parts) // 2 :]):
            try:
                found += self._answers(half)
            except Exception:  # noqa: BLE001 the culprit is in this half
                found += self._apart(half)
        return found

    def _culprit(self, features: Features) -> Exception:
        """The first row that cannot be answered, found by halving."""
        low, high = 0, features.rows
        cause = "its rows cannot be answered together"
        while high - low > 1:
            middle = (low + high) // 2
            failed = self._failure(slice_of(features, low, middle))
            low, high = (low, middle) if failed else (middle, high)
        return Unanswerable(low, self._failure(slice_of(features, low, high)) or cause)

    def _failure(self, features: Features) -> str | None:
        try:
            self._predict([features])
        except Exception as error:  # noqa: BLE001 its name is all that callers are told
            return type(error).__name__
        return None

    def _finish(self, batch: list[_Waiting], done: asyncio.Future[list[Prediction | Exception]]) -> None:
        error = done.exception()
        answers = [error] * len(batch) if error is not None else done.result()
        for waiting, answer in zip(batch, answers, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(answer, Prediction):
                waiting.answer.set_result(answer)
            else:
                waiting.answer.set_exception(answer)
        self._start()


def slice_of(features: Features, first: int, end: int) -> Features:
    return Features({name: values[first:end] for name, values in features.columns.items()}, end - first)


def part(whole: Prediction, first: int, end: int) -> Prediction:
    """Rows first … end − 1."""
    return Prediction(
        labels=None if whole.labels is None else whole.labels[first:end],
        scores=None if whole.scores is None else whole.scores[first:end],
        numbers=None if whole.numbers is None else whole.numbers[first:end],
    )
