"""What Argo CD shows of an object: the shipped script, run by the Lua that Envoy carries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.support.fakes.envoy import BINARY, free_port

SCRIPT = Path(__file__).parents[2] / "manifests/argocd/health.lua"
PATIENCE = 200


def condition(type_: str, status: str, reason: str, message: str = "") -> dict[str, str]:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def object_with(*conditions: dict[str, str], generation: int = 2, observed: int | None = 2) -> dict[str, Any]:
    status = None if observed is None else {"observedGeneration": observed, "conditions": list(conditions)}
    return {"metadata": {"generation": generation}} | ({"status": status} if status else {})


READY = condition("Ready", "True", "Serving", "version 3 serves")
NOT_READY = condition("Ready", "False", "SearchRunning", "2 of 6 trials")
MOVING = condition("Reconciling", "True", "ShiftingTraffic", "10 percent")
STALLED = condition("Stalled", "True", "GateFailed", "log_loss is 0.7")

CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "never looked at": (object_with(observed=None), "Progressing", "not looked"),
    "as the server made it": (object_with(observed=-1), "Progressing", "not looked"),
    "an edit that nobody saw yet": (object_with(READY, observed=1), "Progressing", "not looked"),
    "no condition yet": (object_with(), "Progressing", "not looked"),
    "on the way": (object_with(NOT_READY, MOVING), "Progressing", "ShiftingTraffic: 10 percent"),
    "not ready and nobody says why": (object_with(NOT_READY), "Progressing", "SearchRunning: 2 of 6 trials"),
    "does what it says": (object_with(READY), "Healthy", "Serving: version 3 serves"),
    "serves while it judges a candidate": (object_with(READY, MOVING), "Healthy", "Serving"),
    "serves while it is paused": (object_with(condition("Ready", "True", "Paused")), "Healthy", "Paused"),
    "needs a person": (object_with(NOT_READY, STALLED), "Degraded", "GateFailed: log_loss is 0.7"),
    "needs a person though it serves": (object_with(READY, STALLED), "Degraded", "GateFailed"),
    "was stalled": (object_with(READY, condition("Stalled", "False", "Serving")), "Healthy", "Serving"),
}


def lua(value: Any) -> str:
    """The value as a Lua literal; a JSON text is one for texts and numbers."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{json.dumps(key)}] = {lua(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(lua, value)) + "}"
    return json.dumps(value)


def program() -> str:
    objects = {name: obj for name, (obj, _, _) in CASES.items()}
    return f"""
local objects = {lua(objects)}
local function judge(obj)
{SCRIPT.read_text()}
end
function envoy_on_request(handle)
  local found = judge(objects[handle:headers():get("x-case")])
  handle:respond({{[":status"] = "200"}}, found.status .. "\\n" .. found.message)
end
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    return asyncio.run(_asked(tmp_path_factory.mktemp("lua")))


async def _asked(folder: Path) -> dict[str, tuple[str, str]]:
    found = {}
    async for url in _running(folder):
        async with aiohttp.ClientSession() as session:
            for name in CASES:
                async with session.get(url, headers={"x-case": name}) as answer:
                    status, _, message = (await answer.text()).partition("\n")
                    found[name] = (status, message)
    return found


async def _running(folder: Path) -> AsyncIterator[str]:
    url, port = "http://127.0.0.1", free_port()
    config = json.dumps(_bootstrap(port))
    command = [str(BINARY), "--config-yaml", config, "--concurrency", "1", "--use-dynamic-base-id"]
    log = str(folder / "envoy.log")
    process = await asyncio.create_subprocess_exec(*command, "--log-path", log)
    try:
        await _answering(f"{url}:{port}", process, log)
        yield f"{url}:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _answering(url: str, process: asyncio.subprocess.Process, log: str) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(PATIENCE):
            assert process.returncode is None, f"Envoy ended, see {log}"
            try:
                async with session.get(url, headers={"x-case": "does what it says"}):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)
    raise AssertionError(f"Envoy does not answer, see {log}")


def _bootstrap(port: int) -> dict[str, Any]:
    types = "type.googleapis.com/envoy.extensions.filters"
    script = {"@type": f"{types}.http.lua.v3.Lua", "default_source_code": {"inline_string": program()}}
    routing = {"@type": f"{types}.http.router.v3.Router"}
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "health",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [_REFUSED]}]},
        "http_filters": [
            {"name": "envoy.filters.http.lua", "typed_config": script},
            {"name": "envoy.filters.http.router", "typed_config": routing},
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"static_resources": {"listeners": [{"name": "it", "address": address, "filter_chains": [chain]}]}}


_REFUSED = {"match": {"prefix": "/"}, "direct_response": {"status": 500}}


@pytest.mark.parametrize("case", CASES)
def test_argo_cd_shows(answers: dict[str, tuple[str, str]], case: str) -> None:
    _, status, words = CASES[case]
    assert answers[case][0] == status
    assert words in answers[case][1]
