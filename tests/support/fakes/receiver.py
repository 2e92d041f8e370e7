"""A sink that listens on loopback: it takes what it is sent, or fails in the way that a test chooses, and remembers both."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from bucle.externals.notifications.values import Format, Sink

KEY = b"hunter2"
PATH = "/hooks/s3cret"


@dataclass
class Receiver:
    """`status`: what it answers from now on. `got`: what it took, in order; `asked`: every attempt."""

    status: int = 200
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    asked: int = 0
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)
    port: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        async with self.heard:
            self.asked += 1
            if self.status == 200:
                self.got.append(({name.lower(): value for name, value in request.headers.items()}, body))
            self.heard.notify_all()
        headers = {"Location": "/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status, text="the answer holds t0ken", headers=headers)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self.heard:
            await self.heard.wait_for(true)

    @property
    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, body in self.got]

    def sink(self, name: str = "events", words: Sequence[str] = (), form: Format = Format.CLOUD_EVENTS) -> Sink:
        return Sink(name, f"http://127.0.0.1:{self.port}{PATH}", form, frozenset(words), KEY)


@contextlib.asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[None]:
    application = web.Application()
    application.router.add_post(PATH, receiver.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", receiver.port).start()
    receiver.port = runner.addresses[0][1]
    try:
        yield
    finally:
        await runner.cleanup()
