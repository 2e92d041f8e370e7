"""Drift of columns: the same column again and again, for some column of many is beyond its limit by chance. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

Window = tuple[str, Collection[str]]
"""The verdict on one window, and the codes of the columns beyond their limit."""


def drifting_columns(windows: Sequence[Window], breaches: int, of: int, clear_after: int) -> list[bool]:
    """Whether it counts as drift after each of these windows, oldest first.

    It begins with a column that is beyond its limit in `breaches` of the last `of` windows, the last one included, and
    ends only after `clear_after` windows in a row without any column that began it. Windows without a verdict are
    passed over.
    """
    told: list[Collection[str]] = []
    began: set[str] = set()
    states: list[bool] = []
    for verdict, columns in windows:
        if verdict in ("Healthy", "Breached"):
            told.append(columns)
            often = Counter(column for window in told[-of:] for column in set(window))
            again = {column for column in columns if often[column] >= breaches}
            if again:
                began |= again
            elif began and len(told) >= clear_after and not any(began & set(window) for window in told[-clear_after:]):
                began = set()
        states.append(bool(began))
    return states
