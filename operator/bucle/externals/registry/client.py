"""Speaks MLflow's REST API 2.0 and nothing else does. Knows HTTP and MLflow's error codes; decides nothing.

Source of paths and codes: MLflow 3.17, `mlflow/protos/service.proto` and `model_registry.proto`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from bucle.externals.registry.words import own_sentence

API = "/api/2.0/mlflow/"
READ_SECONDS = 2.0
EFFECT_SECONDS = 10.0
MISSING = "RESOURCE_DOES_NOT_EXIST"
EXISTS = "RESOURCE_ALREADY_EXISTS"
REFUSED = "INVALID_PARAMETER_VALUE"


class RegistryError(Exception):
    """MLflow did not answer, or answered with an error. `code` is MLflow's own word, empty when there is none."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code

    @property
    def missing(self) -> bool:
        return self.code == MISSING

    @property
    def exists(self) -> bool:
        return self.code == EXISTS

    @property
    def refused(self) -> bool:
        """MLflow does not take such a value, however often it is told."""
        return self.code == REFUSED


class MlflowClient:
    """One MLflow server. The HTTP session is made on first use and belongs to the running loop."""

    def __init__(self, uri: str, authorization: str = "") -> None:
        self._uri = uri.rstrip("/")
        self._headers = {"Authorization": authorization} if authorization else {}
        self._session: aiohttp.ClientSession | None = None

    @property
    def uri(self) -> str:
        return self._uri

    @property
    def place(self) -> str:
        return f"MLflow at {self._uri}"

    async def get(self, path: str, query: Mapping[str, str], seconds: float = READ_SECONDS) -> dict[str, Any]:
        return await self._ask("GET", path, seconds, params=dict(query))

    async def post(self, path: str, body: Mapping[str, Any], seconds: float = EFFECT_SECONDS) -> dict[str, Any]:
        return await self._ask("POST", path, seconds, json=dict(body))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, method: str, path: str, seconds: float, **how: Any) -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self._headers)
        url = f"{self._uri}{API}{path}"
        try:
            async with self._session.request(
                method, url, timeout=aiohttp.ClientTimeout(total=seconds), allow_redirects=False, **how
            ) as response:
                text = await response.text()
                if response.status == 200:
                    return await _document(response, url)
                raise _refused(self._uri, path, response.status, text, how.get("json"))
        except TimeoutError as error:
            raise RegistryError(f"{self.place} did not answer {path} within {seconds:g} s") from error
        except aiohttp.ClientError as error:
            raise RegistryError(f"{self.place} cannot be reached for {path}: {error}") from error


async def _document(response: aiohttp.ClientResponse, url: str) -> dict[str, Any]:
    try:
        found = await response.json(content_type=None)
    except ValueError as error:
        raise RegistryError(f"{url} answered something that is not JSON: is it an MLflow server?") from error
    if not isinstance(found, dict):
        raise RegistryError(f"{url} answered JSON that is no object: is it an MLflow server?")
    return found


def _refused(uri: str, path: str, status: int, text: str, body: Any) -> RegistryError:
    if status == 403 and "Host header" in text:
        host = uri.split("://", 1)[-1]
        return RegistryError(
            f"MLflow at {uri} refuses the Host header {host!r}: start it with --allowed-hosts naming this host "
            "with and without its port (MLFLOW_SERVER_ALLOWED_HOSTS)"
        )
    code, message = _error_words(text)
    told = own_sentence(message, body)
    return RegistryError(f"MLflow at {uri} answered {path} with {status} {code}: {told}".rstrip(": "), code)


def _error_words(text: str) -> tuple[str, str]:
    """MLflow's own code and words; no code where something else answered in its place."""
    try:
        body = json.loads(text)
    except ValueError:
        return "", text
    if not isinstance(body, dict):
        return "", text
    return str(body.get("error_code", "")), str(body.get("message", ""))
