"""An answer that takes longer than one look: computed once, kept until it is asked for again.

A look has a deadline, and who asks is cancelled by it. What is computed goes on, is joined by the next look that asks
the same, and is given away once; so nothing that is slow starts twice, and nothing is in vain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

LIMIT = 256
"""Answers nobody came back for (an object that was deleted meanwhile) make room, the oldest first."""


class Kept(Generic[Answer]):
    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._asked: dict[Hashable, asyncio.Task[Answer]] = {}

    def __len__(self) -> int:
        return len(self._asked)

    async def answer(self, question: Hashable, compute: Callable[[], Awaitable[Answer]]) -> Answer:
        """Raises what `compute` raised, to the one who asked; the next one who asks begins anew."""
        task = self._asked.get(question)
        if task is None or _failed(task):
            task = self._asked[question] = asyncio.ensure_future(_started(compute))
            self._make_room()
        try:
            return await asyncio.shield(task)
        finally:
            if task.done():
                self._asked.pop(question, None)

    def _make_room(self) -> None:
        over = [question for question, task in self._asked.items() if task.done()]
        for question in over[: max(0, len(self._asked) - self._limit)]:
            task = self._asked.pop(question)
            _failed(task)  # looked at, so that nobody is told of an error that no one waits for


def _failed(task: asyncio.Task[Answer]) -> bool:
    """An error is told to the one who waited for it; whoever comes later asks anew."""
    return task.done() and (task.cancelled() or task.exception() is not None)


async def _started(compute: Callable[[], Awaitable[Answer]]) -> Answer:
    return await compute()
