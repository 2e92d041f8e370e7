"""What every tier shares."""

from __future__ import annotations

import asyncio
import os
from collections import Counter

import pytest
from tests.support.story_options import STORIES_IN_EVERY_CHECK

SORTS = ("thorough", "cluster")

# Before any numerical library is loaded, as the train program does: threads that spin while they wait for a core that
# another test holds made the fits of this suite six times as expensive.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_configure() -> None:
    # pytest-asyncio asks for "the current loop" before each async test; unless told that there is none, Python 3.11
    # makes one that nobody closes, and its ResourceWarning fails the whole session.
    asyncio.set_event_loop(None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stories", type=int, default=STORIES_IN_EVERY_CHECK, help="how many random stories are played")
    parser.addoption("--stories-from", type=int, default=1, help="the seed of the first one, to play it again")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "story_seed" in metafunc.fixturenames:
        first = metafunc.config.getoption("--stories-from")
        metafunc.parametrize("story_seed", range(first, first + metafunc.config.getoption("--stories")))


def pytest_itemcollected(item: pytest.Item) -> None:
    """By its mark: among a report's keywords are folders and ids, and one of them may be called as a sort is."""
    sort = next((sort for sort in SORTS if item.get_closest_marker(sort) is not None), "fast")
    item.user_properties.append(("sort", sort))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How many tests of each sort passed, and plainly what was left out: a green check is no green `make test`."""
    passed = [report for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    counts = Counter(dict(report.user_properties).get("sort", "fast") for report in passed)
    terminalreporter.section("tiers")
    terminalreporter.line(", ".join(f"{counts[sort]} {sort}" for sort in ("fast", *SORTS)) + " passed")
    if config.option.markexpr == "not thorough":
        terminalreporter.line("the tests marked thorough were left to `make test`")
