"""Which change is news, once per transition; and that the page has the same words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bucle.contracts import news
from bucle.contracts.news import NEWS, PREFIX, WORDS, news_of
from bucle.resources import KINDS

PAGE = Path(__file__).resolve().parents[3] / "docs/notifications.md"
Said = tuple[str, str, str]


def condition(said: Said | None) -> dict[str, str] | None:
    return dict(zip(("type", "status", "reason"), said, strict=True)) if said else None


DRIFTS, CLEAR, DOUBT = (
    ("DriftDetected", "True", "Breached"),
    ("DriftDetected", "False", "Healthy"),
    ("DriftDetected", "Unknown", "StoreUnavailable"),
)
REFUSED = ("CandidateRejected", "True", "GateNotPassed")


@pytest.mark.parametrize(
    ("kind", "then", "said", "word"),
    [
        ("DriftPolicy", None, DRIFTS, "drift.detected"),
        ("DriftPolicy", CLEAR, DRIFTS, "drift.detected"),
        ("DriftPolicy", DRIFTS, DRIFTS, None),
        ("DriftPolicy", None, ("ApprovalWanted", "True", "ApprovalWanted"), "approval.wanted"),
        ("DriftPolicy", None, ("ApprovalWanted", "False", "Watching"), None),
        ("DriftPolicy", DRIFTS, CLEAR, "drift.cleared"),
        ("DriftPolicy", None, CLEAR, None),
        ("DriftPolicy", DOUBT, CLEAR, None),
        ("DriftPolicy", DRIFTS, DOUBT, None),
        ("ModelDeployment", None, DRIFTS, None),
        ("ModelDeployment", None, REFUSED, "model.refused"),
        ("ModelDeployment", REFUSED, ("CandidateRejected", "True", "LoadTimeout"), "model.refused"),
        ("ModelDeployment", REFUSED, REFUSED, None),
        ("ModelDeployment", None, ("Promoted", "True", "Promoted"), "model.promoted"),
        *((kind, None, ("Stalled", "True", "SpecInvalid"), "object.stalled") for kind in KINDS),
        ("Dataset", ("Stalled", "True", "SpecInvalid"), ("Stalled", "False", "VersionReady"), None),
        ("Dataset", None, ("Ready", "False", "Building"), None),
    ],
)  # fmt: skip
def test_a_transition_is_news_once(kind: str, then: Said | None, said: Said, word: str | None) -> None:
    found = news_of(kind, condition(said) or {}, condition(then))
    assert (found.word if found else None) == word


def test_a_word_is_a_label_and_the_type_of_a_cloud_event() -> None:
    assert len(set(WORDS)) == len(NEWS)
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+", word) for word in WORDS)
    assert {item.kind for item in NEWS} - {None} <= set(KINDS)


def test_the_page_lists_every_word_with_its_meaning() -> None:
    rows = dict(re.findall(r"^\| `dev\.bucle\.([a-z.]+)` \| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.M))
    assert rows == {item.word: item.meaning for item in news.NEWS}
    assert PREFIX == "dev.bucle."
