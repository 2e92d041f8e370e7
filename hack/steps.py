"""Says what is being done, how far it is, how long each part took and what it was allowed to take.

Knows nothing of Bucle. Standard library only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO


@dataclass(frozen=True)
class Record:
    """One finished part: seconds it took, seconds it may take (None: no budget), and whether it succeeded."""

    name: str
    seconds: float
    budget: float | None
    succeeded: bool

    @property
    def late(self) -> bool:
        """True when there is a budget and it was exceeded."""
        return self.budget is not None and self.seconds > self.budget


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 0.4 s, 12.0 s, 3 min 05 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def table(records: Sequence[Record]) -> str:
    """The parts with time, budget and outcome, one a line, with the total below."""
    width = max([len(r.name) for r in records] + [5])
    lines = [f"{'part':<{width}}  {'time':>12}  {'budget':>12}  outcome"]
    for r in records:
        allowed = "-" if r.budget is None else duration(r.budget)
        outcome = ("ok, over budget" if r.late else "ok") if r.succeeded else "FAILED"
        lines.append(f"{r.name:<{width}}  {duration(r.seconds):>12}  {allowed:>12}  {outcome}")
    lines.append(f"{'total':<{width}}  {duration(sum(r.seconds for r in records)):>12}")
    return "\n".join(lines)


@dataclass
class Steps:
    """Numbers the parts of one job. `total` is how many there will be (None: not known)."""

    total: int | None = None
    out: TextIO = field(default_factory=lambda: sys.stdout)
    clock: Callable[[], float] = time.monotonic
    records: list[Record] = field(default_factory=list)
    _line_open: bool = False

    @contextmanager
    def step(self, name: str, budget: float | None = None) -> Iterator[None]:
        """Announce a part, run the body, print its time; an exception is recorded as a failure and passed on."""
        number = len(self.records) + 1
        self._write(f"[{number}/{self.total}] {name} … " if self.total else f"[{number}] {name} … ", open_line=True)
        began = self.clock()
        succeeded = False
        try:
            yield
            succeeded = True
        finally:
            record = Record(name, self.clock() - began, budget, succeeded)
            self.records.append(record)
            allowed = f" (budget {duration(budget)})" if budget is not None else ""
            start = "" if self._line_open else "      "
            self._line_open = False
            self._write(f"{start}{'' if succeeded else 'FAILED after '}{duration(record.seconds)}{allowed}\n")

    def note(self, text: str) -> None:
        """Print a remark that belongs to the running part, or stands alone between parts."""
        self._write(f"{chr(10) if self._line_open else ''}      {text}\n")
        self._line_open = False

    def say(self, text: str) -> None:
        """Print a line of its own."""
        self._write(f"{chr(10) if self._line_open else ''}{text}\n")
        self._line_open = False

    def _write(self, text: str, open_line: bool = False) -> None:
        self.out.write(text)
        self.out.flush()
        self._line_open = open_line or (self._line_open and not text.endswith("\n"))
