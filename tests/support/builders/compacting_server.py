"""A serving pod without its HTTP side: it writes small files and merges them, as `Compactor` is told to."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from bucle.contracts import capture
from bucle.contracts.capture import file_stem
from bucle.contracts.table import Column, TableSchema, Target
from bucle.podkit import store
from bucle.podkit.capture_files import Captured, capture_table, capture_uri, feedback_table, feedback_uri
from bucle.pods.serve.__main__ import StoredFiles
from bucle.pods.serve.compaction import FOLDER_CLOSED, READ_BY_THEN, Compactor, Written

HOUR = datetime(2026, 1, 1, 12, tzinfo=UTC)
AFTER = HOUR + timedelta(hours=1) + FOLDER_CLOSED
REMOVED = AFTER + READ_BY_THEN
TABLE = TableSchema(
    target=Target(name="late", task="Binary", positive="1"),
    columns=(Column(name="hour", type="Integer"), Column(name="id", type="Text", role="Id")),
)


class Server:
    """What one start of one serving pod does with its files. Each file: two rows, one label, one dropped row."""

    def __init__(self, location: str, writer: str) -> None:
        self.location, self.writer, self.written, self.merged = location, writer, 0, Counter[str]()
        self.compactor = Compactor(writer, StoredFiles(), lambda n: self.merged.update(files=n))

    def write(self, count: int) -> None:
        for _ in range(count):
            n, name = self.written, file_stem(self.writer, self.written)
            received = HOUR + timedelta(minutes=1, seconds=n)
            asked: dict[str, list[Any]] = {"hour": [n, n], "id": [f"{name}a", f"{name}b"]}
            entry = Captured(name, None, received, "stable", "r1", 1.0, 2, asked, ["1", "0"], None, [[0.5, 0.5]] * 2)
            label = {"id": f"{name}a", "request_id": None, "row": 0, "label": "1", "label_time": None}
            tables = {
                capture_uri(self.location, "r1", HOUR, name): capture_table([entry], TABLE.columns, dropped=1),
                feedback_uri(self.location, HOUR, name): feedback_table([label | {capture.RECEIVED: received}]),
            }
            for uri, table in tables.items():
                store.write_bytes(uri, store.parquet_bytes(table))
                self.compactor.wrote(uri.rpartition("/")[0], HOUR, Written(n, n, table.num_rows, table.nbytes))
            self.written += 1

    def settle(self, now: datetime) -> None:
        while self.compactor.turn(now):
            pass
