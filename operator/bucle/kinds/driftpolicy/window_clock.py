"""When a window may be over: of labelled and of served rows, by their number or by time. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bucle.contracts import task
from bucle.engine.status import timestamp
from bucle.kinds.driftpolicy.state import Mark
from bucle.resources.base import parse_duration
from bucle.resources.driftpolicy import Windows

DAY = timedelta(days=1)


def first_begin(windows: Windows, since: datetime) -> datetime:
    """Where the first window of time begins: at the promotion, or at the next midnight or Monday (UTC)."""
    if windows.align is None:
        return since
    midnight = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if midnight < since:
        midnight += DAY
    return midnight + DAY * (-midnight.weekday() % 7) if windows.align == "Week" else midnight


def ends_at(windows: Windows, since: datetime, index: int) -> datetime:
    """When the window of time with that index ends."""
    length = parse_duration(windows.duration or "0s")
    return first_begin(windows, since) + length * (index + 1)


def told(windows: Windows, since: datetime) -> task.Windows:
    """What a pod is told of them."""
    if windows.rows is not None:
        return task.Windows(rows=windows.rows)
    seconds = int(parse_duration(windows.duration or "0s").total_seconds())
    return task.Windows(seconds=seconds, begin=timestamp(first_begin(windows, since)))


def is_due(windows: Windows, since: datetime, mark: Mark, counted: int | None, now: datetime) -> bool:
    """Whether a window after `mark` may be full. `counted`: such rows that the servers stored, None when they are
    silent; a count that fell means new servers."""
    if windows.rows is None:
        return now >= ends_at(windows, since, mark.window)
    if counted is None:
        return False
    if mark.rows is None:
        return counted > 0
    return counted < mark.rows or counted - mark.rows >= windows.rows


def in_words(windows: Windows) -> str:
    """One window, for a sentence."""
    if windows.rows is not None:
        return f"of {windows.rows}"
    return f"of {windows.duration}" + (f" aligned to {windows.align.lower()}s" if windows.align else "")
