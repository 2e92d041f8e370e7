"""The HTTP server of a model until SIGTERM, and its end: it leaves the Service, finishes what it answers, flushes what it captured.

May know uvicorn and the server; loads nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator

import uvicorn

from bucle.pods.serve.app import application
from bucle.pods.serve.server import Server

log = logging.getLogger("bucle.serve")

DRAIN_SECONDS = 6.0
"""Routers look every second and forget after at most a few: so long requests are still taken though not ready."""
FINISH_SECONDS = 12
"""What is being answered by then may take so long."""
LAST_LABELS_SECONDS = 2.0
LAST_FLUSH_SECONDS = 7.0
"""All of them together end before the pod's grace period of 30 s does: what is killed loses its captured rows."""
KEEP_ALIVE_SECONDS = 75


class QuietServer(uvicorn.Server):
    """Without uvicorn's own signal handlers: draining comes before shutting down."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(server: Server, port: int, drain_seconds: float) -> None:
    """Serves until SIGTERM or SIGINT, then drains and flushes."""
    config = uvicorn.Config(
        application(server),
        host="0.0.0.0",
        port=port,
        access_log=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    http = QuietServer(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server.recorder.start()
    serving = asyncio.create_task(http.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.ready = False
    if not serving.done():
        log.info("draining for %g s", drain_seconds)
        await asyncio.sleep(drain_seconds)
    http.should_exit = True
    await serving
    stopping.cancel()
    await server.feedback.close(LAST_LABELS_SECONDS)
    await asyncio.to_thread(server.recorder.close, LAST_FLUSH_SECONDS)
