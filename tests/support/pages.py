"""What stands in the pages: fenced blocks, commands, words in backticks. Reading only; nothing is judged here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PROGRAMS = ("make", "helm", "kubectl", "python", "pip", "curl", "sed")
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
_WORD = re.compile(r"`([^`\n]+)`")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True)
class Block:
    """One fenced block: the page, the words behind its fence, its text."""

    page: Path
    label: str
    text: str


@dataclass(frozen=True)
class Command:
    """One command of a page: program and arguments; assignments before the program are left out."""

    page: Path
    words: tuple[str, ...]

    @property
    def program(self) -> str:
        return Path(self.words[0]).name

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {' '.join(self.words)}"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    return [Block(page, label.strip(), text) for label, text in _FENCE.findall(page.read_text())]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def words(page: Path) -> list[str]:
    """Everything in backticks outside of blocks."""
    return _WORD.findall(prose(page))


def commands(page: Path) -> Iterator[Command]:
    """Every command of a page: lines of `console` blocks, and what begins with a program's name in backticks."""
    lines = [line for block in blocks(page) if is_console(block) for line in lines_of(block.text)]
    lines += [word for word in words(page) if word.split()[0] in PROGRAMS and " " in word]
    for line in lines:
        split = shlex.split(line, comments=True)
        while "|" in split:
            yield Command(page, tuple(split[: split.index("|")]))
            split = split[split.index("|") + 1 :]
        while split and _ASSIGNMENT.match(split[0]):
            split.pop(0)
        if split:
            yield Command(page, tuple(split))


def is_console(block: Block) -> bool:
    """A block to type in; one without a label is told by its first word."""
    first = block.text.split()[0] if block.text.split() else ""
    return block.label == "console" or (not block.label and first in PROGRAMS)


def lines_of(text: str) -> list[str]:
    """The lines of a block, continued ones joined."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
