"""Limits that people are told: what keeps them, that pages say the same, and that no text says one by hand."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bucle.contracts.capture import ROLL_ROWS, ROLL_SECONDS
from bucle.contracts.limits import BODY_LIMIT_BYTES, FAILED_TTL, ROUTER_BODY_LIMIT_BYTES, in_words
from bucle.contracts.row_rules import CLOCKS_DIFFER, DATED_AHEAD
from bucle.contracts.table import HORIZON_SECONDS
from bucle.engine.backoff import OWED_FOR
from bucle.engine.controller import LONGEST_RESYNC, RESTING_LOOKS_PER_SECOND, RESYNC
from bucle.kinds.dataset.children import BUILD_DEADLINE
from bucle.pods.groups import AHEAD
from bucle.pods.serve import compaction
from bucle.pods.serve.feedback import TOLD
from bucle.pods.serve.protocol import ROWS_LIMIT

ROOT = Path(__file__).resolve().parents[3]
MIB = 1024 * 1024
WORDS = {2: "two", 3: "three", 5: "five", 10: "ten"}
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

UNIT = "second|minute|hour|day|week|month|KiB|MiB|GiB|kB|MB|GB"
NUMBER = "two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|sixty"
BY_HAND = re.compile(
    rf"\b(?:an?|one|the|half an?|{NUMBER}|[0-9][0-9,.]*) ?(?:{UNIT})s?\b"
    rf"|\b(?:after|first|up to) (?:{NUMBER})\b|\b(?:{NUMBER}) (?:times|attempts)\b",
    re.IGNORECASE,
)


def test_the_router_lets_through_what_the_server_refuses_so_that_its_answer_says_why() -> None:
    assert ROUTER_BODY_LIMIT_BYTES > BODY_LIMIT_BYTES


def test_the_limit_is_made_in_one_place() -> None:
    sources = (ROOT / "operator/bucle").rglob("*.py")
    making = {str(path.relative_to(ROOT)) for path in sources if "BODY_LIMIT_BYTES = " in path.read_text("utf-8")}
    assert making == {"operator/bucle/contracts/limits.py"}


@pytest.mark.parametrize(
    ("page", "said", "numbers"),
    [
        ("limits", "Requests of more than {} MiB", (BODY_LIMIT_BYTES / MIB,)),
        ("limits", "built by one pod, in its memory, within {} hours", (BUILD_DEADLINE / HOUR,)),
        ("limits", "at rest is looked at again within {} minutes", (RESYNC / MINUTE,)),
        ("limits", "{} such looks a second are made", (RESTING_LOOKS_PER_SECOND,)),
        (
            "limits",
            "10,000 objects at rest are each looked at within {} minutes",
            (math.floor(10_000 / RESTING_LOOKS_PER_SECOND / 60),),
        ),
        ("calling", "at most {} MiB (unpacked) and {} rows", (BODY_LIMIT_BYTES / MIB, ROWS_LIMIT)),
        ("calling", "the first {} mistakes", (TOLD,)),
        ("contracts/README", "one file of answers in {} seconds", (ROLL_SECONDS,)),
        ("contracts/README", "files of up to {} rows when they are many", (ROLL_ROWS,)),
        (
            "contracts/README",
            "{} at a time and what is left {} minutes after the hour",
            (compaction.MANY_FILES, compaction.FOLDER_CLOSED / MINUTE),
        ),
        ("contracts/README", "at most {} rows or {} MiB", (compaction.MOST_ROWS, compaction.MOST_BYTES / MIB)),
        ("contracts/README", "removes the small ones {} minutes later", (compaction.READ_BY_THEN / MINUTE,)),
        ("contracts/tables", "dated more than {} days after its receipt", (DATED_AHEAD / DAY,)),
        ("contracts/tables", "`feedback.horizon` ({}h)", (HORIZON_SECONDS / 3600,)),
    ],
)
def test_pages_say_the_limits_that_are_kept(page: str, said: str, numbers: tuple[float, ...]) -> None:
    text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    assert all(number == int(number) for number in numbers)
    digits = said.format(*(f"{int(number):,}" for number in numbers))
    letters = said.format(*(WORDS.get(int(number), f"{int(number):,}") for number in numbers))
    assert digits in text or letters in text


@pytest.mark.parametrize(
    ("page", "said", "length"),
    [
        ("limits", "and with more within {} at the latest", LONGEST_RESYNC),
        ("limits", "while MLflow is away for more than {}", OWED_FOR),
        ("contracts/tables", "received at most {} after it", CLOCKS_DIFFER),
        ("judging", "dated more than {} after its receipt", AHEAD),
        ("reasons", "log, which is kept for {} after its last attempt", FAILED_TTL),
    ],
)
def test_pages_say_the_times_that_are_kept(page: str, said: str, length: timedelta) -> None:
    assert said.format(in_words(length)) in (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (DAY, "a day"),
        (2 * DAY, "2 days"),
        (36 * HOUR, "36 hours"),
        (HOUR, "an hour"),
        (90 * MINUTE, "90 minutes"),
        (MINUTE, "a minute"),
        (90 * SECOND, "90 seconds"),
    ],
)
def test_a_length_of_time_in_words(length: timedelta, words: str) -> None:
    assert in_words(length) == words


@pytest.mark.parametrize("length", [timedelta(0), timedelta(milliseconds=1500)])
def test_what_is_no_round_length_has_no_words(length: timedelta) -> None:
    with pytest.raises(ValueError, match="no whole number of seconds"):
        in_words(length)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every text of a module but its docstrings and comments; of one with values in it, what stands around them."""
    tree = ast.parse(path.read_text("utf-8"))
    explaining = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in explaining:
            yield node.lineno, node.value


def test_no_text_says_a_limit_by_hand() -> None:
    """A constant that is changed leaves such words behind: they are made of it (`limits.in_words`)."""
    said = [
        f"{path.relative_to(ROOT)}:{line}: {found.group()}"
        for path in sorted((ROOT / "operator/bucle").rglob("*.py"))
        for line, text in texts(path)
        if (found := BY_HAND.search(text))
    ]
    assert said == []


@pytest.mark.parametrize(
    "text", ["kept for a day", "within the hour", "once a minute", "2 GiB", "after three", "six times", "30 minutes"]
)
def test_what_counts_as_said_by_hand(text: str) -> None:
    assert BY_HAND.search(text)
