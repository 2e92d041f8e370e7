"""What every tier shares."""

from __future__ import annotations

import asyncio
import os

# Before any numerical library is loaded, as the train program does: threads that spin while they wait for a core that
# another test holds made the fits of this suite six times as expensive.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_configure() -> None:
    # pytest-asyncio asks for "the current loop" before each async test; unless told that there is none, Python 3.11
    # makes one that nobody closes, and its ResourceWarning fails the whole session.
    asyncio.set_event_loop(None)
