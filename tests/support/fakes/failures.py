"""Calls to the API server in memory that fail because a test says so."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bucle.engine.kube import KubeError
from bucle.resources.addresses import Resource


@dataclass(slots=True)
class _Failure:
    verb: str
    resource: Resource | None
    error: KubeError
    times: int


class Failures:
    """Each holds for so many calls of its verb, on one kind or (None) on any."""

    def __init__(self) -> None:
        self._open: list[_Failure] = []

    def add(self, verb: str, resource: Resource | None, error: KubeError, times: int) -> None:
        self._open.append(_Failure(verb, resource, error, times))

    def clear(self) -> None:
        self._open.clear()

    def wait_for(self, verbs: Collection[str]) -> bool:
        """Whether the next call of one of these verbs would fail."""
        return any(failure.times > 0 and failure.verb in verbs for failure in self._open)

    def strike(self, verb: str, resource: Resource) -> None:
        """Raises what is due for that call."""
        for failure in self._open:
            if failure.times > 0 and failure.verb == verb and failure.resource in (None, resource):
                failure.times -= 1
                raise failure.error
