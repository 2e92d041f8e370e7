"""What the cluster may ask the operator: is it alive, is it ready, what does it count. HTTP only, no decisions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check = Callable[[], Awaitable[str | None]]
"""None when all is well, else what is wrong and what to do."""


async def serve(host: str, port: int, registry: CollectorRegistry, live: Check, ready: Check) -> web.AppRunner:
    """Starts answering /healthz, /readyz and /metrics; the caller cleans the runner up."""

    def answering(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(_: web.Request) -> web.Response:
            problem = await check()
            return web.Response(text=problem or "ok", status=503 if problem else 200)

        return answer

    async def metrics(_: web.Request) -> web.Response:
        # Seconds of computing for ten thousand objects: in the event loop, probes and the Lease would wait for it.
        page = await asyncio.to_thread(generate_latest, registry)
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", answering(live)),
            web.get("/readyz", answering(ready)),
            web.get("/metrics", metrics),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
