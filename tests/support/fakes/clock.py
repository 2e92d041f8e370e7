"""A clock that moves only when told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Wall time and monotonic time move together; both start at a fixed instant."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._passed = timedelta()

    def now(self) -> datetime:
        return self._start + self._passed

    def monotonic(self) -> float:
        return self._passed.total_seconds()

    def advance(self, passed: timedelta | float) -> None:
        self._passed += passed if isinstance(passed, timedelta) else timedelta(seconds=passed)
