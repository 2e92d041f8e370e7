"""The grammar of what a person says: one for all kinds, and whatever else stands in the annotation is told and harmless."""

from __future__ import annotations

import pytest

from bucle.contracts.person import QUOTED, Illegible, Request, heard


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("approve/drift-0a1b2c3d/1", Request("approve", "drift-0a1b2c3d", "1")),
        ("mute/loss-by-day/2026-11-27.a_b", Request("mute", "loss-by-day", "2026-11-27.a_b")),
        ("  retrain/drift/now\n", Request("retrain", "drift", "now")),
    ],
)
def test_a_request_is_a_verb_a_subject_and_a_word_of_ones_own(text: str, expected: Request) -> None:
    assert heard(text) == expected
    assert str(heard(text)) == text.strip()


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_nothing_is_asked(text: str | None) -> None:
    assert heard(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "approve",
        "approve/x",
        "approve/x/",
        "approve//1",
        "/x/1",
        "approve/x/1/2",
        "Approve/x/1",
        "approve/x y/1",
        "approve/x/1\nreject/x/2",
        "approve/-x/1",
        "approve/" + "x" * 129 + "/1",
        "approve/x/" + "1" * 64,
        "ünlösbar/x/1",
        "x" * 100_000,
        "\x00\x1b[31m",
    ],
)
def test_what_is_no_request_is_told_in_a_few_words_and_remembered_by_a_hash(text: str) -> None:
    found = heard(text)
    assert isinstance(found, Illegible)
    assert len(found.quoted) <= QUOTED and len(found.nonce) == 16
    assert "<verb>/<subject>/<nonce>" in str(found)
    assert "\n" not in str(found) and "\x1b" not in str(found)
    assert heard(text + "!") != found, "another text is another mistake"
