"""The operator's page, over HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import aiohttp
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from bucle import health

SECONDS = 10.0


class Slow(Collector):
    """As ten thousand objects are: it takes its time."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.may_go_on = threading.Event()

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        self.asked.set()
        self.may_go_on.wait(SECONDS)
        yield from ()


async def test_a_scrape_of_many_objects_keeps_nobody_waiting(unused_tcp_port_factory: Callable[[], int]) -> None:
    """What computes in the event loop would hold up probes, the Lease and every run."""
    registry, slow, port = CollectorRegistry(), Slow(), unused_tcp_port_factory()
    registry.register(slow)

    async def well() -> None:
        return None

    server = await health.serve("127.0.0.1", port, registry, well, well)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session, asyncio.timeout(SECONDS):
            scrape = asyncio.create_task(session.get("/metrics"))
            assert await asyncio.to_thread(slow.asked.wait, SECONDS)
            async with session.get("/healthz") as answer:
                assert (answer.status, scrape.done()) == (200, False)
            slow.may_go_on.set()
            async with await scrape as page:
                assert page.status == 200
    finally:
        slow.may_go_on.set()
        await server.cleanup()
