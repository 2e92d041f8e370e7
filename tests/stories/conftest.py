"""Random stories tell what their laws had to judge; a law that judged nothing in all of them holds nothing, and fails the run."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.support.story_options import STORIES_IN_EVERY_CHECK
from tests.support.worlds.laws import LAWS

_stories: list[Counter[str]] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """With workers this is called where they are steered, which alone sees all stories."""
    if report.when == "call":
        _stories.extend(Counter(dict(value)) for name, value in report.user_properties if name == "judged")  # type: ignore[call-overload]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _idle():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _stories:
        terminalreporter.section(f"laws in {len(_stories)} random stories")
        judged = _judged()
        for law in LAWS:
            terminalreporter.line(f"{judged[law]:8} times judged: {law}")
    for law in _idle():
        terminalreporter.line(f"FAILED: the stories gave nothing to judge for the law: {law}")


def _judged() -> Counter[str]:
    return sum(_stories, Counter())


def _idle() -> list[str]:
    """Fewer stories than in every check, such as a single one that is played again, need not judge every law."""
    judged = _judged()
    return [law for law in LAWS if not judged[law]] if len(_stories) >= STORIES_IN_EVERY_CHECK else []
