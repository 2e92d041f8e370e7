"""`python -m bucle.pods.judge`: answers what the operator asks about a running rollout, from what is stored.

Keeps sums and no rows, in the store beside them; a restarted judge goes on with them and says the same. HTTP on 8083.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucle.contracts import capture, exits, names
from bucle.contracts.capture import ROLL_SECONDS
from bucle.contracts.evidence import Evidence, Query
from bucle.contracts.reference import Reference
from bucle.contracts.table import TableSchema
from bucle.contracts.task import JudgeTask
from bucle.podkit import store
from bucle.podkit.capture_files import CAPTURE_ARROW, FEEDBACK_ARROW
from bucle.podkit.capture_join import (
    FileCache,
)
from bucle.podkit.program import Part, ProgramError, main
from bucle.pods.judge_ledger import Ledger
from bucle.pods.judge_sums import Rules

log = logging.getLogger("bucle.judge")

ENV_PORT = "BUCLE_PORT"
FRESH_SECONDS = ROLL_SECONDS / 2
"""An answer younger than this is given again: nothing new can have been written by most servers."""
PATIENCE_SECONDS = 1.5
"""How long a first question waits for its answer: less than the 2 s that the operator waits."""


@dataclass
class Judge:
    """One ModelDeployment's evidence: what is new in the store is added to what was kept."""

    task: JudgeTask

    def __post_init__(self) -> None:
        self._ledger: Ledger | None = None
        self._references: dict[str, Reference] = {}
        self._answers: dict[Query, tuple[float, Evidence]] = {}
        self._work: tuple[Query, asyncio.Task[Evidence]] | None = None

    async def evidence(self, query: Query) -> Evidence:
        """The newest finished evidence; a newer one is made meanwhile.

        Sums over the whole rollout are valid at any look, so an answer that is some seconds old is as good (its
        watermark says how old), and whoever asks has no time to wait for a long one. Raises ProgramError when the
        store does not answer, or while the very first evidence is not finished.
        """
        made, answer = self._answers.get(query, (0.0, None))
        if answer is not None and time.monotonic() - made <= FRESH_SECONDS:
            return answer
        work = self._begin(query)
        if work.done() or answer is None:
            return await self._finish(query, work)
        return answer

    def _begin(self, query: Query) -> asyncio.Task[Evidence]:
        """One computation at a time: it holds the rows of the whole rollout."""
        if self._work is not None and (self._work[0] == query or not self._work[1].done()):
            return self._work[1]
        work = asyncio.create_task(asyncio.to_thread(self.compute, query, datetime.now(UTC)))
        work.add_done_callback(lambda done: self._keep(query, done))
        self._work = (query, work)
        return work

    def _keep(self, query: Query, done: asyncio.Task[Evidence]) -> None:
        if not done.cancelled() and done.exception() is None:
            self._answers = {query: (time.monotonic(), done.result())}
            self._work = None

    async def _finish(self, query: Query, work: asyncio.Task[Evidence]) -> Evidence:
        await asyncio.wait([work], timeout=PATIENCE_SECONDS)
        if not work.done():
            raise ProgramError(
                exits.TRY_AGAIN, "Building", f"evidence of rollout {query.rollout} is being computed: ask again"
            )
        self._work = None
        found = work.result()
        if found.query != query:
            raise ProgramError(
                exits.TRY_AGAIN, "Building", f"evidence of rollout {query.rollout} comes next: ask again"
            )
        return found

    def compute(self, query: Query, now: datetime) -> Evidence:
        evidence = self._ledger_of(query).look(now)
        newest = store.join(self.task.location, "evidence", f"{query.rollout}.json")
        store.write_bytes(newest, evidence.canonical().encode("ascii"))
        return evidence

    def _ledger_of(self, query: Query) -> Ledger:
        """One question at a time: a new step or rollout begins another, and nothing of the one before is held."""
        rules = self._rules(query)
        if self._ledger is None or (self._ledger.query, self._ledger.rules) != (query, rules):
            table, cache = self._judged(query, rules.stable.table)
            self._ledger = Ledger(self.task.location, query, rules, self.task.labels, table, cache)
        return self._ledger

    def _rules(self, query: Query) -> Rules:
        stable = self._reference(query.stable)
        try:
            candidate = self._reference(query.candidate)
        except ProgramError as error:
            if error.reason != "SourceMissing":
                raise
            # It is written before the first answer, so there is nothing yet to be read by it.
            candidate = stable
        return Rules(
            self.task.metric, self.task.group_by, self.task.labels.maturity_seconds, stable, candidate, self.task.mix
        )

    def _judged(self, query: Query, table: TableSchema) -> tuple[TableSchema, FileCache]:
        """The schema's columns that a judge needs, and a cache that holds no others: features are most of what is
        captured."""
        group = self.task.group_by.column if self.task.group_by else None
        needed = tuple(column for column in table.columns if column.role == "Id" or column.name == group)
        columns = tuple({*CAPTURE_ARROW, *FEEDBACK_ARROW, *(column.name for column in needed)})
        return table.model_copy(update={"columns": needed}), FileCache(columns=columns)

    def _reference(self, revision: str) -> Reference:
        found = self._references.get(revision)
        if found is None:
            uri = capture.reference_path(self.task.location, revision)
            found = self._references[revision] = Reference.from_json(store.read_bytes(uri))
        return found


async def healthy(request: Request) -> Response:
    return Response(b"ok\n", media_type="text/plain")


async def evidence(request: Request) -> Response:
    try:
        query = Query.model_validate(dict(request.query_params))
        datetime.fromisoformat(query.started_at)
    except (ValidationError, ValueError) as error:
        return _error(400, f"the query must have rollout, step, started_at, stable and candidate: {error}")
    judge: Judge = request.app.state.judge
    try:
        found = await judge.evidence(query)
    except ProgramError as error:
        return _error(503, f"{error.reason}: {error.message}")
    except Exception as error:
        log.exception("no evidence for %s", query)
        return _error(
            500, f"{type(error).__name__}: the log of the judge has its text, which may quote values of requests"
        )
    return Response(found.canonical(), media_type="application/json")


def _error(status: int, message: str) -> Response:
    return Response(orjson.dumps({"error": message}), status, media_type="application/json")


def application(judge: Judge) -> Starlette:
    app = Starlette(
        routes=[Route("/evidence", evidence), Route("/healthz", healthy), Route("/ready", healthy)],
    )
    app.state.judge = judge
    return app


def run(task: JudgeTask) -> Part:
    """Serves until the pod is told to end; there is nothing to flush."""
    port = int(os.environ.get(ENV_PORT, names.PORT_JUDGE))
    config = uvicorn.Config(application(Judge(task)), host="0.0.0.0", port=port, access_log=False, log_config=None)
    uvicorn.Server(config).run()
    return {}


if __name__ == "__main__":
    sys.exit(main("judge", run))
