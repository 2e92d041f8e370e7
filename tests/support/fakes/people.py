"""A person at a terminal before an API server: what `kubectl bucle` is asked, in this process or as one of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from tests.support.builders.loop_objects import fill
from tests.support.fakes.apiserver import FakeApiServer
from tests.support.fakes.kube import FakeKube

from bucle.cli import command, completion
from bucle.cli.kinds import LOOP
from bucle.engine.objects import EVENT, POD
from bucle.resources.addresses import Resource

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0
NAMESPACES = Resource("", "v1", "Namespace", "namespaces")


class Told(NamedTuple):
    code: int
    out: str
    err: str


async def typed(*words: str, kubeconfig: str | None, program: str = "", **environment: str) -> Told:
    """What `python -m bucle.cli words`, or that program, prints, and its exit code. Without a kubeconfig none is found either."""
    home = {"HOME": "/nonexistent", "KUBECONFIG": kubeconfig or "/nonexistent/config"}
    kept = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT / "operator")}
    process = await asyncio.create_subprocess_exec(
        *((program,) if program else (sys.executable, "-m", "bucle.cli")),
        *words,
        env={**kept, **home, "PYTHONUTF8": "1", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Told(process.returncode, out.decode(), err.decode())


class Scene:
    """An API server with a loop in it, and a person whose kubeconfig leads there."""

    def __init__(self, server: FakeApiServer, kubeconfig: str) -> None:
        self.server, self.kube, self.kubeconfig = server, server.kube, kubeconfig

    async def __call__(self, *words: str) -> Told:
        return await said_by(command.run, *words, "--kubeconfig", self.kubeconfig)

    async def complete(self, *words: str) -> Told:
        return await said_by(completion.run, "--kubeconfig", self.kubeconfig, *words)


async def said_by(program: Callable[[Sequence[str]], int], *words: str) -> Told:
    """In a thread of this process, as starting one costs seconds. What only a process shows is asked of `typed`."""
    out, err = (TextIOWrapper(BytesIO(), encoding="utf-8") for _ in range(2))

    def call() -> int:
        with redirect_stdout(out), redirect_stderr(err):
            try:
                return program(words)
            except SystemExit as ended:
                return int(ended.code or 0)

    code = await asyncio.to_thread(call)
    texts = []
    for stream in (out, err):
        stream.seek(0)
        texts.append(stream.read())
    assert "Traceback" not in texts[1]
    return Told(code, *texts)


@asynccontextmanager
async def before_a_loop(directory: Path) -> AsyncIterator[Scene]:
    """The loop of `builders.loop_objects` in namespace ml."""
    kube = FakeKube()
    fill(kube)
    server = FakeApiServer(kube, (*LOOP, EVENT, POD, NAMESPACES))
    async with server.serving(directory) as kubeconfig:
        yield Scene(server, kubeconfig)
