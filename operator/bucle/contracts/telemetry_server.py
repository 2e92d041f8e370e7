"""What a model server tells Prometheus, as rows of the table in `telemetry`. Its pod is named by the scrape, not by labels."""

from __future__ import annotations

from bucle.contracts.row_rules import Fault
from bucle.contracts.telemetry_types import Kind, Label, Metric

FAULTS = tuple(sorted(fault.value for fault in Fault))
REFUSALS = ("busy", "encoding", "malformed", "not_json", "too_large", "unanswerable")
UNJOINABLE = "unjoinable"


def _counter(name: str, meaning: str, *labels: Label) -> Metric:
    return Metric(name, Kind.COUNTER, meaning, labels)


def _reasons(*values: str) -> Label:
    return Label("reason", tuple(values))


SERVER: tuple[Metric, ...] = (
    _counter(
        "bucle_requests_total", "Prediction requests, by answer and by what the version is there for",
        Label("code", bound="codes of HTTP"), Label("role", bound="stable, candidate or shadow"),
    ),
    Metric("bucle_request_seconds", Kind.HISTOGRAM, "Time to answer", (), "seconds"),
    Metric("bucle_batch_rows", Kind.HISTOGRAM, "Rows predicted at once"),
    _counter("bucle_refused_requests_total", "Requests refused at the door, by reason", _reasons(*REFUSALS, *FAULTS)),
    _counter(
        "bucle_incomplete_rows_total",
        "Rows answered without a value that a row to train on must have: builds set them aside",
        Label("column", bound="the model's columns"), Label("reason", FAULTS),
    ),
    _counter("bucle_captured_rows_total", "Rows stored"),
    _counter("bucle_dropped_rows_total", "Rows that were answered and not stored, by reason", _reasons("ring_full", "unwritable")),
    _counter("bucle_capture_restarts_total", "Times the capture failed in an unforeseen way and went on"),
    _counter("bucle_compacted_files_total", "Small files merged into larger ones"),
    _counter("bucle_feedback_rows_total", "Labels stored"),
    _counter(
        "bucle_feedback_refused_rows_total", "Labels that were not stored, by reason",
        _reasons("store", "malformed", UNJOINABLE, *FAULTS),
    ),
    Metric("bucle_model_load_seconds", Kind.GAUGE, "Time to verify, load and warm the model", (), "seconds"),
    Metric(
        "bucle_model_info", Kind.GAUGE, "Always 1: what is served",
        (Label("model", bound="one a pod"), Label("revision", bound="one a pod")),
    ),
)  # fmt: skip
