"""The loop as lines of a terminal: one object a line, what is made from it below. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from bucle.cli.documents import Loop, Node
from bucle.cli.objects import State
from bucle.cli.text import Screen, clean, painted, table

HEAD = ("OBJECT", "READY", "REASON", "MESSAGE")


class _Branch(NamedTuple):
    fork: str
    last: str
    through: str
    nothing: str


_UNICODE = _Branch("├─ ", "└─ ", "│  ", "   ")
_ASCII = _Branch("|- ", "`- ", "|  ", "   ")


def loop_lines(loop: Loop, screen: Screen, *, namespaces: bool) -> list[str]:
    """`namespaces`: several are told apart by a title."""
    if not namespaces:
        return _tree(loop.items, screen)
    lines: list[str] = []
    for namespace, nodes in groupby(loop.items, key=lambda node: node.namespace):
        lines += [*([""] if lines else []), f"Namespace {namespace}", *_tree(tuple(nodes), screen)]
    return lines


def ready_of(node: Node) -> str:
    """Whether it is ready; in brackets what Ready alone does not say."""
    if node.ready is None:
        return node.state
    plain = {"True": State.READY, "False": State.NOT_READY}.get(node.ready)
    return node.ready if node.state is plain else f"{node.ready} ({node.state.lower()})"


def _tree(nodes: Sequence[Node], screen: Screen) -> list[str]:
    branch = _UNICODE if screen.unicode else _ASCII
    rows = [HEAD, *(_row(prefix, node, screen) for prefix, node in _walk(nodes, branch))]
    return table(rows, screen)


def _walk(nodes: Iterable[Node], branch: _Branch) -> Iterator[tuple[str, Node]]:
    for node in nodes:
        yield "", node
        yield from _below(node, "", branch)


def _below(node: Node, before: str, branch: _Branch) -> Iterator[tuple[str, Node]]:
    for index, child in enumerate(node.children):
        last = index == len(node.children) - 1
        yield before + (branch.last if last else branch.fork), child
        yield from _below(child, before + (branch.nothing if last else branch.through), branch)


def _row(prefix: str, node: Node, screen: Screen) -> tuple[str, ...]:
    name = prefix + clean(str(node))
    if node.repeated:
        return name, "", "", "(stands elsewhere in this tree)"
    return name, painted(ready_of(node), node.state, screen), clean(node.reason or ""), clean(node.message or "")
