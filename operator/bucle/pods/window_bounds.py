"""Where one window ends and the next begins, by rows or by time. Pure but for the rows it is handed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from bucle.contracts.task import EvaluateTask
from bucle.pods.arrivals import KNOWN

MOST_WINDOWS = 20


@dataclass(frozen=True, slots=True)
class Cut:
    """Exactly one of `rows` and `seconds`; `origin`: where the first window of time begins."""

    origin: datetime
    rows: int | None = None
    seconds: int | None = None

    @classmethod
    def of(cls, task: EvaluateTask) -> Cut:
        windows = task.windows
        return cls(datetime.fromisoformat(windows.begin or task.since), windows.rows, windows.seconds)

    def begins(self, index: int) -> datetime:
        return self.origin + timedelta(seconds=(self.seconds or 0) * index)

    def bounds(self, index: int) -> tuple[datetime, datetime]:
        return self.begins(index), self.begins(index + 1)

    def belonging(self, rows: pa.Table, index: int, have: int) -> int:
        """How many of these rows, which follow those that the window has already, belong to it."""
        if self.rows is not None:
            return min(self.rows - have, int(rows.num_rows))
        known = rows.column(KNOWN)
        return int(pc.sum(pc.less(known, pa.scalar(self.begins(index + 1), known.type))).as_py() or 0)

    def is_full(self, index: int, have: int, read_until: datetime) -> bool:
        """Whether no more rows belong to it, all up to that time being known."""
        return have == self.rows if self.rows is not None else self.begins(index + 1) <= read_until

    def spans(self, rows: pa.Table, first: int, until: datetime) -> list[slice]:
        """The full windows among these rows, which are all from the one with index `first` on."""
        if self.rows is not None:
            return [slice(at, at + self.rows) for at in range(0, rows.num_rows // self.rows * self.rows, self.rows)]
        found: list[slice] = []
        at = 0
        while self.begins(first + len(found) + 1) <= until and len(found) <= MOST_WINDOWS:
            count = self.belonging(rows.slice(at), first + len(found), 0)
            found.append(slice(at, at + count))
            at += count
        return found
