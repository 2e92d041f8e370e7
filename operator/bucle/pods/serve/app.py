"""The server's HTTP side: routes to the model, the recorder and the feedback log. ASGI; no signals, no store."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bucle.contracts import names
from bucle.contracts.base import Document
from bucle.contracts.capture import Watermark, in_sample
from bucle.contracts.task import ServeTask
from bucle.podkit.capture_files import Captured
from bucle.podkit.frames import InvalidRequest
from bucle.podkit.model import LoadedModel, Prediction
from bucle.pods.serve import protocol
from bucle.pods.serve.batching import Batcher
from bucle.pods.serve.feedback import FeedbackLog, feedback_rows
from bucle.pods.serve.measures import Measures
from bucle.pods.serve.protocol import BODY_LIMIT_BYTES, Asked, BadRequest
from bucle.pods.serve.recorder import Recorder

log = logging.getLogger("bucle.serve")

HEADER_REVISION = "x-bucle-revision"
ROLES = (names.ROLE_STABLE, names.ROLE_CANDIDATE, names.ROLE_SHADOW)
RETRY_AFTER_SECONDS = "2"
SENT_LIMIT_BYTES = 8 * BODY_LIMIT_BYTES
"""Who sends more than this is cut off in the middle of it."""
DATATYPES = {"Integer": "INT64", "Number": "FP64", "Boolean": "BOOL"}


@dataclass
class Server:
    """What one process serves. `ready` is taken back when it begins to drain."""

    task: ServeTask
    model: LoadedModel
    batcher: Batcher
    recorder: Recorder
    feedback: FeedbackLog
    measures: Measures
    ready: bool = True
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def __post_init__(self) -> None:
        dropped = set(self.task.capture.drop)
        self._kept = tuple(c.name for c in self.model.reference.table.columns if c.name not in dropped)

    def record(self, asked: Asked, prediction: Prediction, call: Call) -> None:
        """Offers the answer to the recorder if its id is in the sample."""
        if not in_sample(call.id, self.task.capture.sample_percent):
            return
        self.recorder.offer(
            Captured(
                id=call.id,
                request_id=call.request_id or asked.id,
                received=call.received,
                role=call.role,
                revision=self.task.revision,
                latency_ms=(time.perf_counter() - call.began) * 1000,
                rows=asked.rows,
                columns={name: asked.columns[name] for name in self._kept if name in asked.columns},
                labels=None if prediction.labels is None else prediction.labels.tolist(),
                numbers=None if prediction.numbers is None else prediction.numbers.tolist(),
                scores=None if prediction.scores is None else prediction.scores.tolist(),
            )
        )


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, and when."""

    id: str
    request_id: str | None
    role: str
    received: datetime
    began: float

    @classmethod
    def of(cls, request: Request) -> Call:
        role = request.headers.get(names.HEADER_ROLE, names.ROLE_STABLE)
        return cls(
            id=request.headers.get(names.HEADER_ID) or str(uuid.uuid4()),
            request_id=request.headers.get("x-request-id"),
            role=role if role in ROLES else names.ROLE_STABLE,
            received=datetime.now(UTC),
            began=time.perf_counter(),
        )


def application(server: Server) -> Starlette:
    """The ASGI application of one loaded model."""
    app = Starlette(
        routes=[
            Route("/v2/health/live", live),
            Route("/v2/health/ready", ready),
            Route("/v2/models/{model}", metadata),
            Route("/v2/models/{model}/ready", ready),
            Route("/v2/models/{model}/infer", infer, methods=["POST"]),
            Route("/invocations", invocations, methods=["POST"]),
            Route("/v1/models/{model}/feedback", take_feedback, methods=["POST"]),
            Route("/v1/models/{model}/watermark", watermark),
            Route("/metrics", metrics),
        ],
        exception_handlers={BadRequest: refused},
    )
    app.state.server = server
    return app


def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    model = request.path_params.get("model", server.task.name)
    if model != server.task.name:
        raise BadRequest(404, f"there is no model {model} here, only {server.task.name}")
    return server


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = orjson.dumps(value.as_json() if isinstance(value, Document) else value)
    return Response(body, status, headers, media_type="application/json")


def refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, BadRequest)
    return _json({"error": error.message}, error.status)


async def live(request: Request) -> Response:
    return _json({"live": True})


async def ready(request: Request) -> Response:
    server = _server(request)
    return _json({"ready": server.ready}, 200 if server.ready else 503)


async def metadata(request: Request) -> Response:
    server = _server(request)
    reference = server.model.reference
    inputs = [
        {"name": c.name, "datatype": DATATYPES.get(c.type, "BYTES"), "shape": [-1]}
        for c in reference.table.with_role("Feature")
    ]
    outputs: list[dict[str, Any]] = [
        {"name": "label", "datatype": "BYTES" if reference.classes else "FP64", "shape": [-1]}
    ]
    if reference.classes:
        outputs.append({"name": "scores", "datatype": "FP64", "shape": [-1, len(reference.classes)]})
    return _json(
        {
            "name": server.task.name,
            "versions": [server.task.revision],
            "platform": "bucle_sklearn",
            "inputs": inputs,
            "outputs": outputs,
            "parameters": {"digest": server.task.model.digest, "classes": list(reference.classes)},
        }
    )


async def infer(request: Request) -> Response:
    server = _server(request)

    def answer(call: Call, asked: Asked, prediction: Prediction) -> bytes:
        return protocol.v2_answer(server.task.name, server.task.revision, asked.id or call.id, prediction)

    return await _predicted(request, server, protocol.v2_request, answer)


async def invocations(request: Request) -> Response:
    def answer(call: Call, asked: Asked, prediction: Prediction) -> bytes:
        return protocol.invocations_answer(prediction)

    return await _predicted(request, _server(request), protocol.invocations_request, answer)


async def _predicted(
    request: Request,
    server: Server,
    parse: Callable[[bytes], Asked],
    answer: Callable[[Call, Asked, Prediction], bytes],
) -> Response:
    call = Call.of(request)
    try:
        asked = parse(await _body(request))
        prediction = await server.batcher.predict(server.model.frame(asked.columns))
        server.record(asked, prediction, call)
        response = Response(answer(call, asked, prediction), 200, media_type="application/json")
    except InvalidRequest as error:
        response = _json({"error": f"column {error.column} {error.problem}"}, 400)
    except BadRequest as error:
        response = _json({"error": error.message}, error.status)
    except ClientDisconnect:
        response = Response(status_code=499)
    except Exception:
        log.exception("request %s could not be answered", call.id)
        response = _json({"error": "the model failed on this request; its log has the reason"}, 500)
    response.headers[names.HEADER_ID] = call.id
    response.headers[HEADER_REVISION] = server.task.revision
    server.measures.requests.labels(str(response.status_code), call.role).inc()
    server.measures.seconds.observe(time.perf_counter() - call.began)
    return response


async def _body(request: Request) -> bytes:
    """The body, or BadRequest 413 once a too large one was read to its end and thrown away, as far as that is bearable."""
    # Most clients read nothing before they have sent all: refused in the middle, they would see a reset, not the answer.
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > SENT_LIMIT_BYTES:
            break
        if size > BODY_LIMIT_BYTES:
            chunks.clear()
        else:
            chunks.append(chunk)
    if size > BODY_LIMIT_BYTES:
        raise BadRequest(413, f"the body has more than {BODY_LIMIT_BYTES} bytes: send several")
    return b"".join(chunks)


async def take_feedback(request: Request) -> Response:
    server = _server(request)
    try:
        rows = feedback_rows(await _body(request))
    except ClientDisconnect:
        return Response(status_code=499)
    try:
        await server.feedback.append(rows)
    except Exception as error:  # noqa: BLE001 the caller must keep its rows whatever the reason
        log.warning("%d feedback rows were not stored: %s", len(rows), error)
        server.measures.feedback_refused.inc(len(rows))
        said = {"error": "the rows were not stored, the object store does not take them: send them again"}
        return _json(said, 503, {"Retry-After": RETRY_AFTER_SECONDS})
    server.measures.feedback.inc(len(rows))
    return _json({"rows": len(rows)}, 202)


async def watermark(request: Request) -> Response:
    server = _server(request)
    return _json(
        Watermark(
            started_at=server.started_at,
            captured_rows=server.recorder.stored_rows,
            feedback_rows=server.feedback.stored_rows,
            dropped_rows=server.recorder.dropped_rows,
        )
    )


async def metrics(request: Request) -> Response:
    return Response(_server(request).measures.text(), media_type="text/plain; version=0.0.4")
