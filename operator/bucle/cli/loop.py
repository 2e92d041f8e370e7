"""The loop as a tree: data, experiment, rollout, drift, and below a policy what it retrained. Pure.

Each object stands once, under the first thing it is made from; the references are those of the specs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from bucle.cli.documents import Node
from bucle.cli.kinds import LOOP, Target
from bucle.cli.objects import Seen, State, references, state_of
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT, Resource


class Place(NamedTuple):
    """The address of an object that is there, or that others refer to."""

    namespace: str
    resource: Resource
    name: str


class _Origins(NamedTuple):
    """`first` is where it stands; the others repeat it in a line."""

    first: Place | None
    others: tuple[Place, ...] = ()


def tree(objects: Iterable[Seen], hidden: Collection[Resource] = ()) -> tuple[Node, ...]:
    """All objects, namespace by namespace. `hidden`: kinds that may not be read, so that absence says nothing."""
    known = {Place(seen.namespace, seen.resource, seen.name): seen for seen in objects}
    origins = {place: _origins(place, seen, known) for place, seen in known.items()}
    below: dict[Place, list[Place]] = {}
    roots: set[Place] = set()
    for place, (first, _) in origins.items():
        if first is None:
            roots.add(place)
        else:
            below.setdefault(first, []).append(place)
            roots |= {first} - known.keys()
    again: dict[Place, list[Place]] = {}
    for place, (_, others) in origins.items():
        for other in others:
            again.setdefault(other, []).append(place)
    grown = _Growing(known, below, again, hidden)
    nodes = [grown.node(root) for root in sorted(roots, key=grown.order)]
    # Data may be made from itself, or two from each other: such a ring has no beginning.
    nodes += [grown.node(place) for place in sorted(known, key=grown.order) if place not in grown.standing]
    return tuple(sorted(nodes, key=lambda node: node.namespace))


def around(nodes: Iterable[Node], target: Target) -> tuple[Node, ...]:
    """The way from the roots to that object, and all that follows from it; empty when it is nowhere."""
    found = []
    for node in nodes:
        if (node.kind, node.name) == (target.resource.kind, target.name) and not node.repeated:
            found.append(node)
        elif inner := around(node.children, target):
            found.append(node.model_copy(update={"children": inner}))
    return tuple(found)


def node_of(seen: Seen, children: tuple[Node, ...] = (), *, repeated: bool = False) -> Node:
    state, ready = state_of(seen), seen.condition("Ready")
    if ready is None:
        return Node(
            kind=seen.kind,
            name=seen.name,
            namespace=seen.namespace,
            state=state,
            message="the operator has not said anything about it yet",
            repeated=repeated,
            children=children,
        )
    late = "; its spec was edited since, and the operator has not looked at it yet" if seen.behind else ""
    return Node(
        kind=seen.kind,
        name=seen.name,
        namespace=seen.namespace,
        state=state,
        ready=ready.status,
        reason=ready.reason,
        message=ready.message + late,
        since=ready.since or None,
        repeated=repeated,
        children=children,
    )


class _Growing:
    """Nodes from the roots on; `standing` are those that have their place."""

    def __init__(
        self,
        known: Mapping[Place, Seen],
        below: Mapping[Place, list[Place]],
        again: Mapping[Place, list[Place]],
        hidden: Collection[Resource],
    ) -> None:
        self.standing: set[Place] = set()
        self._known, self._below, self._again, self._hidden = known, below, again, hidden

    def order(self, place: Place) -> tuple[int, str, str]:
        seen = self._known.get(place)
        made = seen.text("metadata", "creationTimestamp") if seen and _policy_of(seen) else ""
        # Retrains have hashes for names: they are told in the order in which they were made.
        return LOOP.index(place.resource), made, place.name

    def node(self, place: Place) -> Node:
        self.standing.add(place)
        children = [self.node(p) for p in sorted(self._below.get(place, ()), key=self.order) if p not in self.standing]
        children += [node_of(self._known[p], repeated=True) for p in sorted(self._again.get(place, ()), key=self.order)]
        seen = self._known.get(place)
        if seen is not None:
            return node_of(seen, tuple(children))
        hidden = place.resource in self._hidden
        told = "its kind may not be read" if hidden else "it does not exist, and others refer to it"
        return Node(
            kind=place.resource.kind,
            name=place.name,
            namespace=place.namespace,
            state=State.HIDDEN if hidden else State.MISSING,
            message=told,
            children=tuple(children),
        )


def _origins(place: Place, seen: Seen, known: Mapping[Place, Seen]) -> _Origins:
    def named(resource: Resource, name: str) -> Place | None:
        return Place(place.namespace, resource, name) if name else None

    policy = _policy_of(seen)
    if seen.resource == DATASET:
        from_others = (source.get("dataset") for source in seen.items("spec", "sources"))
        names = [s["name"] for s in from_others if isinstance(s, Mapping) and isinstance(s.get("name"), str)]
        origin = named(DRIFT_POLICY, policy) or next((named(DATASET, n) for n in names if n != seen.name), None)
        return _Origins(origin)
    if seen.resource == EXPERIMENT:
        data = named(DATASET, seen.text("spec", "dataset", "name"))
        # A retrain whose Dataset is gone still belongs to its policy.
        return _Origins(named(DRIFT_POLICY, policy) if policy and data not in known else data)
    if seen.resource == DRIFT_POLICY:
        return _Origins(named(MODEL_DEPLOYMENT, seen.text("spec", "target", "modelDeployment")))
    makers = _makers(seen, known)
    return _Origins(makers[0], tuple(makers[1:])) if makers else _Origins(None)


def _makers(deployment: Seen, known: Mapping[Place, Seen]) -> list[Place]:
    """Experiments that register the model it serves: the one of the version that serves, then those that set the alias it
    follows, then all others. Those of retrains stand below the policy that watches it, and would close the ring."""
    model = deployment.text("spec", "model", "registered", "name")
    alias = deployment.text("spec", "model", "registered", "alias")
    serves = deployment.text("status", "stable", "model", "digest")
    found = []
    for place, seen in known.items():
        same = place.namespace == deployment.namespace and seen.resource == EXPERIMENT and model
        if same and seen.text("spec", "register", "model") == model and not _policy_of(seen):
            made = bool(serves) and seen.text("status", "final", "model", "digest") == serves
            follows = (seen.text("spec", "register", "alias") or "challenger") == alias
            found.append((not made, not follows, place.name, place))
    return [place for *_, place in sorted(found)]


def _policy_of(seen: Seen) -> str:
    """The policy that made it for a retrain; empty when a person wrote it."""
    return next(references(seen, DRIFT_POLICY.kind), "")
