"""`python -m bucle.pods.serve`: load first, then listen; on SIGTERM leave the Service, finish, flush, end with 0."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import uvloop

from bucle.contracts import exits, names
from bucle.contracts.result import Result
from bucle.contracts.task import ServeTask
from bucle.podkit import store
from bucle.podkit.program import (
    ENV_TERMINATION_PATH,
    TERMINATED,
    failure_of,
    read_task,
    termination_message,
)
from bucle.pods.serve.batching import Batcher
from bucle.pods.serve.compaction import Compactor
from bucle.pods.serve.feedback import FeedbackLog
from bucle.pods.serve.loading import known_row, loaded, predictor
from bucle.pods.serve.measures import Measures
from bucle.pods.serve.recorder import Destination, Recorder
from bucle.pods.serve.server import Server
from bucle.pods.serve.shutdown import DRAIN_SECONDS, serve

log = logging.getLogger("bucle.serve")

ENV_PORT = "BUCLE_PORT"
ENV_DRAIN_SECONDS = "BUCLE_DRAIN_SECONDS"


class StoredFiles:
    """Tables as Parquet objects of the store."""

    def put(self, uri: str, table: pa.Table) -> None:
        store.write_bytes(uri, store.parquet_bytes(table))

    def get(self, uri: str) -> pa.Table:
        return store.read_parquet(uri)

    def delete(self, uri: str) -> None:
        store.delete(uri)


def server_of(task: ServeTask) -> Server:
    """Everything but the listening socket. Raises ProgramError when the model cannot be served."""
    measures = Measures(task.name, task.revision)
    began = time.perf_counter()
    model = loaded(task)
    measures.load_seconds.set(time.perf_counter() - began)
    writer = f"{os.environ.get('BUCLE_POD_NAME', 'local')}-{time.time_ns() // 1_000_000:x}"
    dropped = set(task.capture.drop)
    columns = [column for column in model.reference.table.columns if column.name not in dropped]
    files = StoredFiles()
    compactor = Compactor(writer, files, measures.compacted.inc)
    destination = Destination(task.location, task.revision, writer, files.put)
    return Server(
        task=task,
        model=model,
        batcher=Batcher(predictor(model), task.max_batch, measures.batch_rows.observe, known_row(model.reference)),
        recorder=Recorder(destination, columns, measures.tally(), compactor),
        feedback=FeedbackLog(task.location, writer, files.put, compactor),
        measures=measures,
    )


def main() -> int:
    """Runs the server to its end and returns the exit code; a failure before that is the termination message."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # As PID 1 there is no default action for SIGTERM; nothing is lost while nothing is served.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(TERMINATED))
    sha256 = os.environ.get(names.ENV_TASK_SHA256, "")
    try:
        task, sha256 = read_task("serve")
        server = server_of(task)
    except Exception as error:  # noqa: BLE001 any error must become an answer that the operator can read
        traceback.print_exc(file=sys.stderr)
        code, failure = failure_of(error)
        path = Path(os.environ.get(ENV_TERMINATION_PATH, names.TERMINATION_PATH))
        result = Result(program="serve", task_sha256=sha256, failure=failure)
        path.write_text(termination_message(result), encoding="ascii")
        return code
    port = int(os.environ.get(ENV_PORT, names.PORT_HTTP))
    drain_seconds = float(os.environ.get(ENV_DRAIN_SECONDS, DRAIN_SECONDS))
    log.info("serving %s revision %s", task.name, task.revision)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(server, port, drain_seconds))
    return exits.OK


def end(code: int) -> NoReturn:
    """Ends without waiting for threads: one that still waits for a store or a model must not outlast the grace period."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    end(main())
