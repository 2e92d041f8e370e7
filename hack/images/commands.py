"""`python3 -m hack images build | load | names [NAME…]`: the images of Bucle, without a Docker engine.

BUCLE_TAG sets the tag (default dev). With CLUSTER=existing KUBECONFIG=… REGISTRY=host/path, `load` pushes to that registry
(REGISTRY_INSECURE=1: without TLS). BUCLE_BASE_IMAGE names a base image to pull instead of making one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from hack.cluster import layout as cluster_layout
from hack.cluster import provider
from hack.images import delivery, store
from hack.shell import Failure
from hack.steps import Steps


def perform(command: str, wanted: Sequence[str]) -> None:
    """Run one command."""
    layout = cluster_layout.from_environment()
    chosen = provider.from_environment(os.environ)
    images = store.Images(
        layout.cache, os.environ.get("BUCLE_TAG") or "dev", os.environ.get("BUCLE_BASE_IMAGE") or store.BASE_IMAGE
    )
    targets = store.chosen_targets(wanted)
    if command == "names":
        registry = chosen.registry if isinstance(chosen, provider.Existing) else None
        print(
            json.dumps(
                {t: store.remote_name(images, t, registry) if registry else images.name(t) for t in targets}, indent=1
            )
        )
        return
    if os.geteuid() != 0:
        raise Failure("building and loading images needs root: run this again as root, for instance with sudo -E")
    steps = Steps()
    if command == "build":
        delivery.build(images, targets, steps)
    elif isinstance(chosen, provider.Existing):
        delivery.push(images, targets, chosen.registry, os.environ.get("REGISTRY_INSECURE") == "1", steps)
    else:
        delivery.load(layout, images, targets, steps)


def main(arguments: Sequence[str]) -> int:
    """Parse, run, and turn a failure into words and exit code 1."""
    parser = argparse.ArgumentParser(prog="python3 -m hack images", description=__doc__)
    parser.add_argument("command", choices=("build", "load", "names"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(store.TARGETS))
    given = parser.parse_args(arguments)
    try:
        perform(given.command, given.names)
    except Failure as failure:
        print(f"\nfailed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; run the same command again to go on", file=sys.stderr)
        return 130
    return 0
