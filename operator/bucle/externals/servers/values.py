"""What prediction servers can be asked. Pure values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Rows that the answering server pods stored since each of them started, added up.

    `token` changes whenever any pod stored anything, restarted, came or went: equal tokens mean nothing new, so no
    Job needs to look. The sums alone can fall when a pod is replaced.
    """

    pods: int
    captured_rows: int
    feedback_rows: int
    dropped_rows: int
    token: str


@dataclass(frozen=True, slots=True)
class WatermarkRead:
    """Answers Watermarks of the server pods of one ModelDeployment; Absent when no pod runs."""

    namespace: str
    deployment: str

    def __str__(self) -> str:
        return f"asking the model servers of {self.namespace}/{self.deployment} how many rows they stored"
