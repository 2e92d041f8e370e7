"""What every tier shares."""

from __future__ import annotations

import asyncio


def pytest_configure() -> None:
    # pytest-asyncio asks for "the current loop" before each async test; unless told that there is none, Python 3.11
    # makes one that nobody closes, and its ResourceWarning fails the whole session.
    asyncio.set_event_loop(None)
