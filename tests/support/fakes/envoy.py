"""A real Envoy on loopback with files that change as a kubelet changes them, and backends that write down what they get."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bucle.externals.answers import AnswerCounts
from bucle.externals.envoy.documents import Place, route_versions, router_documents
from bucle.externals.envoy.stats import (
    CONFIG_PATH,
    STATS_PATH,
    cluster_numbers,
    counts,
    healthy_clusters,
    shown_versions,
)
from bucle.externals.envoy.values import Backend, Routes

START_SECONDS = 20.0
BINARY = Path(sys.prefix) / "lib/python3.11/site-packages/envoy/_bin/envoy"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    size: int


@dataclass
class Recorded:
    """A backend: healthy unless told otherwise, answers `status` to everything else."""

    revision: str
    port: int
    status: int = 200
    healthy: bool = True
    received: list[Received] = field(default_factory=list)

    def backend(self) -> Backend:
        return Backend(self.revision, "127.0.0.1", self.port)

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/v2/health/ready":
            return web.Response(status=200 if self.healthy else 503)
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, headers, len(body)))
        return web.json_response({"revision": self.revision}, status=self.status)


@asynccontextmanager
async def recorded(revision: str) -> AsyncIterator[Recorded]:
    port = free_port()
    found = Recorded(revision, port)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", found.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield found
    finally:
        await runner.cleanup()


@dataclass
class View:
    """What one Envoy shows of itself."""

    cds: str | None
    rds: str | None
    healthy: frozenset[str]
    counts: dict[str, AnswerCounts]


class Envoy:
    def __init__(self, folder: Path) -> None:
        self.place = Place(str(folder / "routes"), "127.0.0.1", free_port(), free_port(), free_port())
        self._folder = Path(self.place.directory)
        self._generation = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log = (folder / "envoy.log").open("wb")
        self.url = f"http://127.0.0.1:{self.place.http_port}"
        self.status_url = f"http://127.0.0.1:{self.place.status_port}"

    def put(self, routes: Routes) -> None:
        self.write(router_documents(routes, self.place))

    def write(self, files: dict[str, str]) -> None:
        """New files in a new folder, then one symbolic link is swapped: what a kubelet does with a ConfigMap."""
        self._generation += 1
        made = self._folder / f"..{self._generation}"
        made.mkdir(parents=True)
        for name, text in files.items():
            (made / name).write_text(text)
            if not (self._folder / name).is_symlink():
                (self._folder / name).symlink_to(f"..data/{name}")
        link = self._folder / "..data_tmp"
        link.symlink_to(made.name)
        link.rename(self._folder / "..data")

    def run(self) -> None:
        command = [str(BINARY), "-c", f"{self.place.directory}/envoy.yaml", "--concurrency", "1"]
        command += ["--disable-hot-restart", "--service-node", "test", "--service-cluster", "test"]
        self._process = subprocess.Popen(
            [*command, "--log-level", "warning"], stdout=self._log, stderr=subprocess.STDOUT
        )

    def said(self) -> str:
        return Path(self._log.name).read_text()

    async def start(self, session: aiohttp.ClientSession) -> None:
        self.run()
        for _ in range(int(START_SECONDS / 0.05)):
            try:
                async with session.get(f"{self.status_url}/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            assert self._process is not None and self._process.poll() is None, self.said()
            await asyncio.sleep(0.05)
        raise AssertionError(self.said())

    async def view(self, session: aiohttp.ClientSession) -> View:
        from yarl import URL

        async with session.get(self.status_url + CONFIG_PATH) as answer:
            shown = shown_versions(await answer.json(content_type=None))
        async with session.get(URL(self.status_url + STATS_PATH, encoded=True)) as answer:
            numbers = cluster_numbers(await answer.json(content_type=None))
        return View(shown.cds, shown.rds, healthy_clusters(numbers), counts(numbers))

    async def programmed(self, session: aiohttp.ClientSession, routes: Routes, clusters: set[str]) -> float:
        """Seconds until these routes are shown with a healthy host in each of the clusters."""
        wanted, began = route_versions(routes), time.monotonic()
        view: Any = None
        while time.monotonic() - began < START_SECONDS:
            view = await self.view(session)
            if (view.cds, view.rds) == (wanted.cds, wanted.rds) and clusters <= view.healthy:
                return time.monotonic() - began
            await asyncio.sleep(0.02)
        raise AssertionError(f"wanted {wanted} and {clusters}, saw {view}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._log.close()
