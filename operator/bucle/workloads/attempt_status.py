"""How an attempt stands in status, the same for every Job of every kind: the one codec of `Attempt`. Pure.

Knows the attempt and the names of its fields on the wire; knows no kind. Which state an attempt is in (running, waiting,
given up) is the kind's own word and its own field.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, TypedDict

from bucle.workloads.attempt import Attempt


class Row(Protocol):
    """A record of status that tells of attempts. One without `message` has no room for words."""

    @property
    def attempt(self) -> int | None: ...
    @property
    def failures(self) -> int | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def not_before(self) -> datetime | None: ...


class Counted(TypedDict):
    """Fields of a record without words."""

    attempt: int
    failures: int
    reason: str | None
    not_before: datetime | None


class Told(Counted):
    """Fields of a record with words."""

    message: str | None


def decoded(row: Row, *, message: str | None = None, given_up: bool = False) -> Attempt:
    """The attempt of that record. A number that was never written is that of the first attempt."""
    return Attempt(row.attempt or 0, row.failures or 0, row.reason, message or "", row.not_before, given_up)


def counted(attempt: Attempt) -> Counted:
    """The fields of a record that has no room for words."""
    return {
        "attempt": attempt.number,
        "failures": attempt.failures,
        "reason": attempt.reason,
        "not_before": attempt.not_before,
    }


def told(attempt: Attempt) -> Told:
    """The fields of a record, with what the last look saw in its words."""
    return {**counted(attempt), "message": attempt.message or None}
