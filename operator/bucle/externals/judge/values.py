"""What a judge can be asked. Pure values; the answer is a `contracts.evidence.Evidence`."""

from __future__ import annotations

from dataclasses import dataclass

from bucle.contracts.evidence import Query


@dataclass(frozen=True, slots=True)
class EvidenceRead:
    """Answers the Evidence for that query from the judge pod of the ModelDeployment with that uid.

    Absent when no judge pod runs yet; Unavailable when it does not answer, or answers another query.
    """

    namespace: str
    owner_uid: str
    query: Query

    def __str__(self) -> str:
        return f"asking the judge of a rollout in {self.namespace} for its evidence"
