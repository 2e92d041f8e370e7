"""The loop as lines of a terminal: one object a line, what is made from it below. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from bucle.cli.documents import Loop, Node
from bucle.cli.objects import State
from bucle.cli.text import Screen, clean, painted, table
from bucle.resources.addresses import DRIFT_POLICY

_Row = tuple[str, str, str, str]
HEAD: _Row = ("OBJECT", "READY", "REASON", "MESSAGE")


RETRAINS_TOLD = 3
"""So many of a policy's last retrains stand in the tree of everything; asked about the policy, all do."""


class _Branch(NamedTuple):
    fork: str
    last: str
    through: str
    nothing: str


_UNICODE = _Branch("├─ ", "└─ ", "│  ", "   ")
_ASCII = _Branch("|- ", "`- ", "|  ", "   ")


def loop_lines(loop: Loop, screen: Screen, *, namespaces: bool, whole: bool = True) -> list[str]:
    """`namespaces`: several are told apart by a title. `whole`: with all retrains of the past."""
    if not namespaces:
        return _tree(loop.items, screen, whole)
    lines: list[str] = []
    for namespace, nodes in groupby(loop.items, key=lambda node: node.namespace):
        lines += [*([""] if lines else []), f"Namespace {clean(namespace)}", *_tree(tuple(nodes), screen, whole)]
    return lines


def ready_of(node: Node) -> str:
    """Whether it is ready; in brackets what Ready alone does not say."""
    if node.ready is None:
        return node.state
    plain = node.state in (State.READY, State.NOT_READY)
    return node.ready if plain else f"{node.ready} ({node.state.lower()})"


def _tree(nodes: Sequence[Node], screen: Screen, whole: bool) -> list[str]:
    branch = _UNICODE if screen.unicode else _ASCII
    rows = [HEAD]
    for node in nodes:
        rows += [_row("", node, screen), *_below(node, "", branch, screen, whole)]
    return table(rows, screen)


def _below(node: Node, before: str, branch: _Branch, screen: Screen, whole: bool) -> Iterator[_Row]:
    children = node.children if whole else _without_the_past(node)
    left_out = len(node.children) - len(children)
    if left_out:
        told = f"`kubectl bucle status {node.kind.lower()}/{clean(node.name)}` shows them"
        yield f"{before}{branch.fork}{left_out} earlier retrains", "", "", told
    for index, child in enumerate(children):
        last = index == len(children) - 1
        yield _row(before + (branch.last if last else branch.fork), child, screen)
        yield from _below(child, before + (branch.nothing if last else branch.through), branch, screen, whole)


def _without_the_past(node: Node) -> tuple[Node, ...]:
    """A policy's last retrains, and those with something that is not ready; of all other kinds everything."""
    if node.kind != DRIFT_POLICY.kind:
        return node.children
    earlier, last = node.children[:-RETRAINS_TOLD], node.children[-RETRAINS_TOLD:]
    return (*(child for child in earlier if not _is_well(child)), *last)


def _is_well(node: Node) -> bool:
    return node.ready == "True" and all(map(_is_well, node.children))


def _row(prefix: str, node: Node, screen: Screen) -> _Row:
    name = prefix + clean(str(node))
    if node.repeated:
        return name, "", "", "(stands elsewhere in this tree)"
    return name, painted(ready_of(node), node.state, screen), clean(node.reason or ""), clean(node.message or "")
