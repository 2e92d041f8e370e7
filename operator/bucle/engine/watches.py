"""kopf as the informer runtime: watches, and turns every event into a key for the queue. Nothing is decided here.

Only `on.event`: these handlers write nothing to any object (no finalizer, no annotation), are never retried, and
must therefore be too small to fail. What a watch misses is found by the queue's resync.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import aiohttp
import kopf

from bucle.contracts.names import LABEL_MANAGED_BY, MANAGED_BY
from bucle.engine.controller import Controller
from bucle.resources.addresses import GROUP, Resource

PAGE = 100
"""Objects in one answer of a first list, as the client of the engine asks for them."""
GONE = 410
IDENTITY = "bucle"
"""Without one kopf asks the password database for a user name, which a container with a numeric user does not have."""


log = logging.getLogger(__name__)


def registry(controller: Controller, children: Iterable[Resource], kubeconfig: str | None) -> kopf.OperatorRegistry:
    """A registry of our own: kopf's global one would collect whatever else is imported."""
    found = kopf.OperatorRegistry()

    # An explicit registry has no login handler; without one kopf ends with "Ran out of valid credentials".
    @kopf.on.login(registry=found)
    def login(**kwargs: Any) -> Any:
        if kubeconfig is None:
            in_pod = kopf.login_with_service_account(**kwargs)
            if in_pod is not None:
                return in_pod
        return kopf.login_with_kubeconfig(**kwargs)

    # Handlers are coroutines although they await nothing: kopf runs plain functions in threads, and a key added from
    # a thread does not wake the event loop.
    def handler(resource: Resource) -> Any:
        async def hear(body: Any, type: str | None, **_: Any) -> None:
            controller.heard(resource, body, gone=type == "DELETED")

        return hear

    ours = {room.resource for room in controller.rooms}
    for resource in sorted(ours.union(children)):
        address = (resource.group, resource.version, resource.plural)
        selected = None if resource in ours else {LABEL_MANAGED_BY: MANAGED_BY}
        kopf.on.event(*address, registry=found, id=f"hear-{resource.plural}", labels=selected)(handler(resource))
    return found


def settings(children: Iterable[Resource]) -> kopf.OperatorSettings:
    """No peering, no Events about log lines, no scanning for kinds that may come: the kinds are known."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    # Our handlers only leave a key: nothing is lost when the streams end at once, and nothing is kept for an object.
    chosen.queueing.exit_timeout = 0.1
    chosen.queueing.idle_timeout = 0.1
    # Ten thousand objects in one answer cost 200 MB that are never given back.
    chosen.watching.chunk_size = PAGE
    for resource in children:
        if resource.group != GROUP:
            # Other people's Pods and ConfigMaps stay on the server.
            address = (resource.group, resource.version, resource.plural)
            chosen.watching.label_selectors[address] = f"{LABEL_MANAGED_BY}={MANAGED_BY}"
    return chosen


class _AllOthers(Collection[Any]):
    """Every task but kopf's roots. kopf takes each task that appeared since its start for one of its own and cancels
    it in the end: that would hit runs, renewals and answers of ours in the middle.
    """

    def __contains__(self, task: object) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0


async def watch(
    found: kopf.OperatorRegistry,
    chosen: kopf.OperatorSettings,
    namespaces: tuple[str, ...],
    stop: asyncio.Event,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Runs kopf until `stop` is set or it fails. `started` is called once kopf has taken the process' signals.

    kopf replaces the handlers of SIGTERM and SIGINT and would end alone on a signal; who owns the process takes
    them back there.
    """
    while True:
        tasks = await kopf.spawn_tasks(
            registry=found,
            settings=chosen,
            namespaces=namespaces,
            clusterwide=not namespaces,
            standalone=True,
            identity=IDENTITY,  # type: ignore[arg-type]
            stop_flag=stop,
        )
        started()
        try:
            return await kopf.run_tasks(tasks, ignored=_AllOthers())
        except Exception as error:
            # A watch that expired is begun anew by kopf. A first list of which a page expired ends it: etcd was compacted
            # before the last page was asked for. Fewer and larger pages come to an end some time.
            answer = error.__cause__
            if not isinstance(answer, aiohttp.ClientResponseError) or answer.status != GONE:
                raise
            chosen.watching.chunk_size = (chosen.watching.chunk_size or PAGE) * 2
            log.warning("a first list expired between two pages; all are asked for again", extra={"error": str(error)})
