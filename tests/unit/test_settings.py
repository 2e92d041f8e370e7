"""What an installation sets: the address of MLflow carries no secret, and its credentials reach MLflow alone."""

from __future__ import annotations

import re

import pytest
from aiohttp import web

from bucle.externals.registry.client import MlflowClient, RegistryError
from bucle.settings import Settings, SettingsInvalid

REQUIRED = {
    "BUCLE_STORE_URI": "s3://bucle",
    "BUCLE_MLFLOW_URI": "https://mlflow.example.com/team@home",
    "BUCLE_IMAGE_WORKER": "worker",
    "BUCLE_IMAGE_SERVE": "serve",
    "BUCLE_IMAGE_ROUTER": "router",
}


@pytest.mark.parametrize("uri", ["https://me:secret@mlflow", "http://token@mlflow:5000/x"])
def test_a_password_in_the_address_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(SettingsInvalid, match="MLFLOW_TRACKING_PASSWORD") as caught:
        Settings.from_environment({**REQUIRED, "BUCLE_MLFLOW_URI": uri})
    assert "secret" not in str(caught.value) and "token" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({}, ""),
        ({"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "hunter2"}, "Basic bWU6aHVudGVyMg=="),
        ({"MLFLOW_TRACKING_TOKEN": "t0ken"}, "Bearer t0ken"),
        ({"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_TOKEN": "t0ken"}, "Bearer t0ken"),
    ],
)
def test_credentials_are_those_of_mlflows_own_client(variables: dict[str, str], header: str) -> None:
    settings = Settings.from_environment(REQUIRED | variables)
    assert settings.mlflow_authorization == header
    assert not re.search("hunter2|t0ken|bWU6", repr(settings))


async def test_mlflow_is_shown_the_credentials_and_an_error_shows_them_to_nobody() -> None:
    async def answer(request: web.Request) -> web.Response:
        known = request.headers.get("Authorization") == "Basic bWU6aHVudGVyMg=="
        return web.json_response({"seen": known}, status=200 if known else 401)

    application = web.Application()
    application.router.add_get("/api/2.0/mlflow/runs/get", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    knows, wrong = MlflowClient(address, "Basic bWU6aHVudGVyMg=="), MlflowClient(address, "Bearer t0ken")
    try:
        assert await knows.get("runs/get", {}) == {"seen": True}
        with pytest.raises(RegistryError) as caught:
            await wrong.get("runs/get", {})
        assert "t0ken" not in str(caught.value)
    finally:
        await knows.close()
        await wrong.close()
        await runner.cleanup()
