"""The server's HTTP side: routes to the model, the recorder and the feedback log. ASGI; no signals, no store."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bucle.contracts import names
from bucle.contracts.base import Document
from bucle.contracts.capture import Watermark
from bucle.podkit.model import Prediction
from bucle.podkit.request_check import Admitted, InvalidRequest
from bucle.pods.serve import protocol
from bucle.pods.serve.batching import Unanswerable
from bucle.pods.serve.bodies import BadRequest, body_of, encoding_of, unpacked
from bucle.pods.serve.feedback import RefusedRows, feedback_rows, source_of
from bucle.pods.serve.protocol import ID_LIMIT, Asked, Names
from bucle.pods.serve.server import INLINE_BYTES, INLINE_NUMBERS, Call, Server

log = logging.getLogger("bucle.serve")

HEADER_REVISION = "x-bucle-revision"
ROLES = (names.ROLE_STABLE, names.ROLE_CANDIDATE, names.ROLE_SHADOW)
RETRY_AFTER_SECONDS = "2"
DATATYPES = {"Integer": "INT64", "Number": "FP64", "Boolean": "BOOL"}


def call_of(request: Request) -> Call:
    role = request.headers.get(names.HEADER_ROLE, names.ROLE_STABLE)
    return Call(
        id=request.headers.get(names.HEADER_ID, "")[:ID_LIMIT] or str(uuid.uuid4()),
        request_id=request.headers.get("x-request-id", "")[:ID_LIMIT] or None,
        role=role if role in ROLES else names.ROLE_STABLE,
        received=datetime.now(UTC),
        began=time.perf_counter(),
    )


def application(server: Server) -> Starlette:
    """The ASGI application of one loaded model."""
    app = Starlette(
        routes=[
            Route("/v2", about),
            Route("/v2/health/live", live),
            Route("/v2/health/ready", ready),
            *(
                route
                for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
                for route in (
                    Route(model, metadata),
                    Route(f"{model}/ready", ready),
                    Route(f"{model}/infer", infer, methods=["POST"]),
                )
            ),
            Route("/invocations", invocations, methods=["POST"]),
            Route("/v1/models/{model}:predict", invocations, methods=["POST"]),
            Route("/ping", ready),
            Route("/health", ready),
            Route("/v1/models/{model}/feedback", take_feedback, methods=["POST"]),
            Route("/v1/models/{model}/watermark", watermark),
            Route("/metrics", metrics),
        ],
        exception_handlers={BadRequest: refused, HTTPException: no_such_route},
    )
    app.state.server = server
    return app


def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    model = request.path_params.get("model", server.task.name)
    if model != server.task.name:
        raise BadRequest(404, f"there is no model {model[:ID_LIMIT]} here, only {server.task.name}")
    version = request.path_params.get("version", server.task.revision)
    if version != server.task.revision:
        raise BadRequest(
            404,
            f"this pod serves version {server.task.revision} of {model}, not {version[:ID_LIMIT]}: which version answers "
            "is decided by the rollout, so leave versions/… out",
        )
    return server


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = orjson.dumps(value.as_json() if isinstance(value, Document) else value)
    return Response(body, status, headers, media_type="application/json")


def refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, BadRequest)
    request.app.state.server.measures.refused.labels(error.reason).inc()
    return _json({"error": error.message}, error.status)


def no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    name = request.app.state.server.task.name
    said = (
        f"{request.method} {request.url.path[:ID_LIMIT]} is not served here: POST /v2/models/{name}/infer, POST "
        f"/invocations, POST /v1/models/{name}/feedback, GET /v2/models/{name}, GET /v2/health/ready and GET /metrics are"
    )
    return _json({"error": said}, error.status_code, dict(error.headers or {}))


async def about(request: Request) -> Response:
    return _json({"name": "bucle", "version": _server(request).task.revision, "extensions": []})


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
        name, revision = server.task.name, server.task.revision
        return protocol.v2_answer(name, revision, asked.id or call.id, prediction, asked.outputs)

    return await _predicted(request, server, protocol.v2_request, answer)


async def invocations(request: Request) -> Response:
    def answer(call: Call, asked: Asked, prediction: Prediction) -> bytes:
        return protocol.invocations_answer(prediction)

    return await _predicted(request, _server(request), protocol.invocations_request, answer)


async def _predicted(
    request: Request,
    server: Server,
    parse: Callable[[bytes, Names], Asked],
    answer: Callable[[Call, Asked, Prediction], bytes],
) -> Response:
    call = call_of(request)
    try:
        encoding = encoding_of(request)
        body = await body_of(request)

        def judged() -> tuple[Asked, Admitted]:
            asked = parse(unpacked(body, encoding), server.feature_names)
            return asked, server.model.door.admitted(asked.columns, datetime.now(UTC))

        asked, admitted = await server.aside(judged, large=encoding != "identity" or len(body) > INLINE_BYTES)
        prediction = await server.batcher.predict(admitted.features)
        server.record(asked, admitted, prediction, call)
        numbers = asked.rows * (1 + len(server.model.reference.classes))
        content = await server.aside(lambda: answer(call, asked, prediction), large=numbers > INLINE_NUMBERS)
        response = Response(content, 200, media_type="application/json")
    except ClientDisconnect:
        response = Response(status_code=499)
    except Exception as error:  # noqa: BLE001 whatever it was, the caller is answered
        response = _failed(error, server, call)
    response.headers[names.HEADER_ID] = call.id
    response.headers[HEADER_REVISION] = server.task.revision
    server.measures.requests.labels(str(response.status_code), call.role).inc()
    server.measures.seconds.observe(time.perf_counter() - call.began)
    return response


def _failed(error: Exception, server: Server, call: Call) -> Response:
    if isinstance(error, InvalidRequest):
        error = BadRequest(400, f"column {error.column} {error.problem}", error.fault)
    if isinstance(error, Unanswerable):
        said = f"the model cannot answer row {error.row} ({error.cause}): a value is beyond what it can compute with"
        error = BadRequest(422, said, "unanswerable")
    if isinstance(error, BadRequest):
        server.measures.refused.labels(error.reason).inc()
        headers = {"Retry-After": RETRY_AFTER_SECONDS} if error.status == 429 else None
        return _json({"error": error.message}, error.status, headers)
    log.error("request %s could not be answered", call.id, exc_info=error)
    return _json({"error": "the model failed on this request; its log has the reason"}, 500)


async def take_feedback(request: Request) -> Response:
    server = _server(request)
    refused_rows = server.measures.feedback_refused
    try:
        source = source_of(request.headers)
        encoding = encoding_of(request)
        body = await body_of(request)
        rows = await server.aside(
            lambda: feedback_rows(unpacked(body, encoding), server.labels, source),
            large=encoding != "identity" or len(body) > INLINE_BYTES,
        )
    except ClientDisconnect:
        return Response(status_code=499)
    except RefusedRows as error:
        for reason, count in error.counts.items():
            refused_rows.labels(reason).inc(count)
        raise
    try:
        await server.feedback.append(rows)
    except Exception as error:  # noqa: BLE001 the caller must keep its rows whatever the reason
        log.warning("%d feedback rows were not stored: %s", len(rows), error)
        refused_rows.labels("store").inc(len(rows))
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
