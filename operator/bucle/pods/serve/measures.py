"""What a server tells Prometheus. One registry per server, so that tests can have several."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bucle.contracts.row_rules import Fault
from bucle.pods.serve.feedback import UNJOINABLE
from bucle.pods.serve.recorder import Tally

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
FAULTS = tuple(fault.value for fault in Fault)
REFUSALS = ("busy", "encoding", "malformed", "not_json", "too_large", "unanswerable")
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 10_000)


class Measures:
    def __init__(self, model: str, revision: str) -> None:
        self.registry = CollectorRegistry()
        place = self.registry
        self.requests = Counter("bucle_requests", "Prediction requests by answer.", ["code", "role"], registry=place)
        self.seconds = Histogram("bucle_request_seconds", "Time to answer.", buckets=SECONDS, registry=place)
        self.batch_rows = Histogram("bucle_batch_rows", "Rows predicted at once.", buckets=ROWS, registry=place)
        self.refused = Counter(
            "bucle_refused_requests", "Requests refused at the door, by reason.", ["reason"], registry=place
        )
        self.incomplete = Counter(
            "bucle_incomplete_rows",
            "Rows answered without a value that a row to train on must have: builds set them aside.",
            ["column", "reason"],
            registry=place,
        )
        self.captured = Counter("bucle_captured_rows", "Rows stored.", registry=place)
        self.dropped = Counter(
            "bucle_dropped_rows", "Rows that were not stored, by reason.", ["reason"], registry=place
        )
        self.capture_restarts = Counter(
            "bucle_capture_restarts", "Times the capture failed in an unforeseen way and went on.", registry=place
        )
        self.compacted = Counter("bucle_compacted_files", "Small files merged into larger ones.", registry=place)
        self.feedback = Counter("bucle_feedback_rows", "Feedback rows stored.", registry=place)
        self.feedback_refused = Counter(
            "bucle_feedback_refused_rows", "Feedback rows that were not stored, by reason.", ["reason"], registry=place
        )
        self.load_seconds = Gauge(
            "bucle_model_load_seconds", "Time to verify, load and warm the model.", registry=place
        )
        Gauge("bucle_model_info", "The served revision.", ["model", "revision"], registry=place).labels(
            model, revision
        ).set(1)

        # From the start, so that the first refusal is an increase and not a series that was never seen.
        for reason in (*REFUSALS, *FAULTS):
            self.refused.labels(reason)
        for reason in ("store", "malformed", UNJOINABLE, *FAULTS):
            self.feedback_refused.labels(reason)

    def tally(self) -> Tally:
        """What the recorder counts."""
        dropped = self.dropped
        return Tally(self.captured, dropped.labels("ring_full"), dropped.labels("unwritable"), self.capture_restarts)

    def text(self) -> bytes:
        return generate_latest(self.registry)
