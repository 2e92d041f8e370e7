"""The largest request: what refuses it, what must let it through, and what people are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bucle.contracts.limits import BODY_LIMIT_BYTES, ROUTER_BODY_LIMIT_BYTES

ROOT = Path(__file__).resolve().parents[3]
MIB = 1024 * 1024


def test_the_router_lets_through_what_the_server_refuses_so_that_its_answer_says_why() -> None:
    assert ROUTER_BODY_LIMIT_BYTES > BODY_LIMIT_BYTES


@pytest.mark.parametrize(("page", "said"), [("limits", "Requests of more than {} MiB"), ("calling", "at most {} MiB")])
def test_callers_are_told_how_large_a_request_may_be(page: str, said: str) -> None:
    assert said.format(BODY_LIMIT_BYTES // MIB) in (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")


def test_the_limit_is_made_in_one_place() -> None:
    sources = (ROOT / "operator/bucle").rglob("*.py")
    making = {str(path.relative_to(ROOT)) for path in sources if "BODY_LIMIT_BYTES = " in path.read_text("utf-8")}
    assert making == {"operator/bucle/contracts/limits.py"}
