"""The commands: what each asks the API server for, and the document it makes of the answers.

Asks as little as it needs. What may not be read is told and left out; only where nothing at all may be read is there no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from bucle.cli.cluster import EVENT, POD
from bucle.cli.documents import Explanation, Gates, Loop, Node, Request, Signals
from bucle.cli.errors import Forbidden, NotFound
from bucle.cli.explanation import explain
from bucle.cli.gates import gates_of
from bucle.cli.kinds import LOOP, Target
from bucle.cli.loop import around, tree
from bucle.cli.objects import Seen
from bucle.cli.requests import answer_to, request_of
from bucle.cli.signals import signals_of
from bucle.contracts.names import ANNOTATION_ACTION, LABEL_KIND, LABEL_NAME, LABEL_UID
from bucle.resources.addresses import Resource

Json = Mapping[str, Any]
T = TypeVar("T")


class Asked(Protocol):
    """What answers need of a cluster."""

    @property
    def namespace(self) -> str: ...
    def get(self, resource: Resource, namespace: str, name: str) -> Json: ...
    def list_all(
        self,
        resource: Resource,
        namespace: str | None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[Json]: ...


class Asking(Asked, Protocol):
    """What a person's requests need besides."""

    def annotate(self, resource: Resource, namespace: str, name: str, annotation: str, value: str) -> Json: ...


class _All(NamedTuple):
    """All objects that may be read, the kinds that may not, and why."""

    objects: list[Seen]
    hidden: dict[Resource, Forbidden]

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(str(error) for error in self.hidden.values())


def status(cluster: Asked, target: Target | None, *, everywhere: bool) -> Loop:
    """The loop of the namespace or of all of them; with a target what leads to it and what follows from it."""
    found = _all(cluster, None if everywhere else cluster.namespace)
    nodes = tree(found.objects, found.hidden)
    if target is not None:
        _refuse_if_hidden(found, target)
        nodes = around(nodes, target)
        if not nodes:
            where = "any namespace" if everywhere else f"namespace {cluster.namespace}"
            raise NotFound(f"{target} does not exist: looked for it in {where}. See `kubectl bucle status`")
    if not nodes and not found.hidden:
        where = "any namespace" if everywhere else f"namespace {cluster.namespace}"
        return Loop(empty=f"no Dataset, Experiment, ModelDeployment or DriftPolicy in {where}")
    return Loop(items=nodes, notes=found.notes)


def explanation(cluster: Asked, target: Target) -> Explanation:
    """Pods, Events and what it is made from are told where they may be read."""
    seen = _one(cluster, target)
    notes: list[str] = []
    sources = _if_allowed(lambda: _sources(cluster, target, notes), notes)
    # By uid: a deleted namesake's pods may still be ending.
    labels = {LABEL_KIND: seen.kind, LABEL_NAME: seen.name, **({LABEL_UID: seen.uid} if seen.uid else {})}
    fields = {"involvedObject.kind": seen.kind, "involvedObject.name": seen.name}
    pods = _if_allowed(lambda: cluster.list_all(POD, cluster.namespace, labels=labels), notes)
    events = _if_allowed(lambda: cluster.list_all(EVENT, cluster.namespace, fields=fields), notes)
    return explain(seen, sources, pods, events, tuple(notes))


def gates(cluster: Asked, target: Target) -> Gates:
    return gates_of(_one(cluster, target))


def signals(cluster: Asked, target: Target) -> Signals:
    return signals_of(_one(cluster, target))


def request(cluster: Asking, target: Target, verb: str, subject: str | None, nonce: str) -> Request:
    """Writes what is asked; the operator has not answered yet."""
    seen = _one(cluster, target)
    wanted = request_of(verb, seen, subject, nonce)
    cluster.annotate(target.resource, cluster.namespace, target.name, ANNOTATION_ACTION, wanted)
    return answer_to(seen, wanted)


def answer(cluster: Asked, target: Target, wanted: str) -> Request:
    """What came of it so far."""
    return answer_to(_one(cluster, target), wanted)


def _one(cluster: Asked, target: Target) -> Seen:
    return Seen(target.resource, cluster.get(target.resource, cluster.namespace, target.name))


def _all(cluster: Asked, namespace: str | None) -> _All:
    objects: list[Seen] = []
    hidden: dict[Resource, Forbidden] = {}
    for resource in LOOP:
        try:
            objects += [Seen(resource, raw) for raw in cluster.list_all(resource, namespace)]
        except Forbidden as error:
            hidden[resource] = error
    if len(hidden) == len(LOOP):
        raise hidden[LOOP[0]]
    return _All(objects, hidden)


def _refuse_if_hidden(found: _All, target: Target) -> None:
    if target.resource in found.hidden:
        raise found.hidden[target.resource]


def _sources(cluster: Asked, target: Target, notes: list[str]) -> list[Node]:
    """What stands above that object, from the beginning; Forbidden where whoever may read the object may list nothing."""
    found = _all(cluster, cluster.namespace)
    notes += found.notes
    chain: list[Node] = []
    way = around(tree(found.objects, found.hidden), target)
    while way and (way[0].kind, way[0].name) != (target.resource.kind, target.name):
        chain.append(way[0].model_copy(update={"children": ()}))
        way = way[0].children
    return chain


def _if_allowed(ask: Callable[[], list[T]], notes: list[str]) -> list[T]:
    try:
        return ask()
    except Forbidden as error:
        notes.append(str(error))
        return []
