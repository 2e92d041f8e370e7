"""Lines for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bucle.cli.objects import State
from bucle.cli.text import Screen, ago, cells_of, clean, counted, cut, painted, paragraph, table

ROWS = [
    ("NAME", "READY", "MESSAGE"),
    ("a", "True", "all is well, and has been for a long time"),
    ("long-name", "False", "no"),
]


def test_only_the_last_column_is_cut_at_the_edge() -> None:
    assert table(ROWS, Screen(width=40))[1].endswith("all is well, and has been…") is False
    lines = table([(*row[:2], row[2] * 3) for row in ROWS], Screen(width=60))
    assert max(map(cells_of, lines)) <= 60
    assert lines[1].startswith("a          True   all is well") and lines[1].endswith("…")


def test_nothing_is_cut_where_nobody_told_a_width() -> None:
    assert table(ROWS, Screen())[1] == "a          True   all is well, and has been for a long time"


@pytest.mark.parametrize(("text", "cells"), [("abc", 3), ("数据", 4), ("é", 1), ("\x1b[32mTrue\x1b[0m", 4), ("", 0)])
def test_cells_are_what_a_terminal_shows(text: str, cells: int) -> None:
    assert cells_of(text) == cells


@pytest.mark.parametrize(("text", "cells", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("数据集", 4, "数…")])
def test_what_is_cut_ends_with_dots(text: str, cells: int, shown: str) -> None:
    assert cut(text, cells) == shown


@pytest.mark.parametrize("text", ["a\x1b[31mb", "a\x9bb", "a\u202eb", "a\x00b", "a\u200bb"])
def test_no_control_character_of_a_cluster_reaches_a_terminal(text: str) -> None:
    assert clean(text).isprintable()


def test_a_message_of_several_lines_is_one_line() -> None:
    assert clean("one\n  two\tthree") == "one two three"


def test_colour_is_for_terminals_alone() -> None:
    assert painted("True", State.READY, Screen()) == "True"
    assert painted("True", State.READY, Screen(colour=True)) == "\x1b[32mTrue\x1b[0m"
    assert {painted("x", state, Screen(colour=True))[0] for state in State} == {"\x1b"}


def test_a_painted_cell_moves_no_column() -> None:
    plain, colour = (
        table([(painted("True", State.READY, s), "x"), ("Unknown", "y")], s) for s in (Screen(), Screen(colour=True))
    )
    assert [line.replace("\x1b[32m", "").replace("\x1b[0m", "") for line in colour] == plain


def test_a_paragraph_keeps_to_the_width_and_long_words_are_whole() -> None:
    word = "s3://bucket/" + "x" * 60
    lines = paragraph(f"it reads {word} and then some more words", Screen(width=50), "      ", "Told: ")
    assert lines[0] == "Told: it reads" and word in lines[1]
    assert paragraph("a b", Screen(), "  ", "Told: ") == ["Told: a b"]


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-01-01T11:59:30Z", "30s"),
        ("2026-01-01T11:57:30Z", "2m"),
        ("2026-01-01T02:00:00Z", "10h"),
        ("2025-12-01T12:00:00Z", "31d"),
        ("2026-01-01T13:00:00Z", "0s"),
        ("yesterday", ""),
        (None, ""),
        ("2026-01-01", ""),
    ],
)
def test_how_long_ago(moment: str | None, told: str) -> None:
    assert ago(moment, datetime(2026, 1, 1, 12, tzinfo=UTC)) == told


@pytest.mark.parametrize(
    ("many", "needed", "told"), [(3, 5, "3 of 5"), (3, None, "3"), (None, 5, "? of 5"), (None, None, "")]
)
def test_a_count_says_how_many_it_takes(many: int | None, needed: int | None, told: str) -> None:
    assert counted(many, needed) == told
