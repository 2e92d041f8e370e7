"""Who points to what: wakes an object when something it names changes, so manifests may come in any order. In memory only."""

from __future__ import annotations

from collections import defaultdict

from bucle.engine.kind import Ref
from bucle.engine.objects import ObjectKey


class RefMap:
    """Rebuilt by the first run of each object after a start; nothing to persist."""

    def __init__(self) -> None:
        self._by_key: dict[ObjectKey, frozenset[Ref]] = {}
        self._by_ref: defaultdict[Ref, set[ObjectKey]] = defaultdict(set)

    def set(self, key: ObjectKey, refs: frozenset[Ref]) -> None:
        """What `key` points to from now on."""
        before = self._by_key.get(key, frozenset())
        for gone in before - refs:
            self._by_ref[gone].discard(key)
            if not self._by_ref[gone]:
                del self._by_ref[gone]
        for new in refs - before:
            self._by_ref[new].add(key)
        if refs:
            self._by_key[key] = refs
        else:
            self._by_key.pop(key, None)

    def forget(self, key: ObjectKey) -> None:
        self.set(key, frozenset())

    def pointing_at(self, ref: Ref) -> frozenset[ObjectKey]:
        return frozenset(self._by_ref.get(ref, ()))
