"""The application of one small real model over a store of tables in memory, without a socket."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from tests.support.fakes.asgi import Answer, call
from tests.support.fakes.small_model import StoredModel

from bucle.contracts.task import Model, ServeTask
from bucle.podkit.model import LoadedModel
from bucle.pods.serve.app import application
from bucle.pods.serve.batching import Batcher
from bucle.pods.serve.compaction import Compactor
from bucle.pods.serve.feedback import FeedbackLog
from bucle.pods.serve.loading import known_row, predictor
from bucle.pods.serve.measures import Measures
from bucle.pods.serve.recorder import Destination, Recorder
from bucle.pods.serve.server import Server


class Memory(dict[str, pa.Table]):
    """A store of tables in memory."""

    put = dict.__setitem__
    get = dict.__getitem__  # type: ignore[assignment]
    delete = dict.__delitem__


class Bench:
    def __init__(self, stored: StoredModel, model: LoadedModel, **task_fields: Any) -> None:
        self.files = Memory()
        measures = Measures("flights", "r1")
        self.batches: list[int] = []
        destination = Destination("s3://b/d", "r1", "pod-1", self.files.put)
        compactor = Compactor("pod-1", self.files, measures.compacted.inc)
        task = ServeTask(
            name="flights",
            revision="r1",
            model=Model(uri=stored.uri, digest=stored.digest),
            location="s3://b/d",
            **task_fields,
        )
        known = known_row(model.reference)
        self.server = Server(
            task=task,
            model=model,
            batcher=Batcher(predictor(model), task.max_batch, self.batches.append, known),
            recorder=Recorder(destination, model.reference.table.columns, measures.tally(), compactor),
            feedback=FeedbackLog("s3://b/d", "pod-1", self.files.put, compactor),
            measures=measures,
        )
        self.app = application(self.server)

    def counted(self, name: str, **labels: str) -> float:
        return self.server.measures.registry.get_sample_value(name, labels) or 0.0

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await call(self.app, "POST", path, data, named)

    def captured(self) -> pa.Table:
        assert self.server.recorder.flush()
        return pa.concat_tables(self.files.values())
