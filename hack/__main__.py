"""`python3 -m hack <what> …`, from the root of the checkout: everything the Makefile does, one word for each room.

Knows the words and nothing else: a room is imported when its word is said, because `environment`, `cluster` and
`images` run on a bare machine, where only the standard library is there.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

ROOMS = {
    "environment": ("hack.environment", "the development environment .venv, from the hashed lock"),
    "cluster": ("hack.cluster.commands", "up, down, status, kubeconfig, tools, helm: a one-node Kubernetes"),
    "images": ("hack.images.commands", "build, load, names: the images of Bucle"),
    "demo": ("hack.demo.commands", "up, down: the story on real flights"),
    "check": ("hack.check", "static checks and tests"),
    "generate": ("hack.generate", "every generated file, or --check which are behind"),
    "bench": ("hack.bench.commands", "how fast drift is seen, beside Evidently's preset"),
    "judgement": ("hack.judgement.commands", "run, flights, page: what the rules of judging are worth, by simulation"),
    "lock": ("hack.lock", "requirements/ from all.txt and pyproject.toml"),
}


def main(arguments: Sequence[str]) -> int:
    """Hand the rest of the command line to the room that the first word names."""
    width = max(map(len, ROOMS))
    rooms = "\n".join(f"  {word:<{width}}  {what}" for word, (_, what) in ROOMS.items())
    parser = argparse.ArgumentParser(
        prog="python3 -m hack", epilog=rooms, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("room", choices=ROOMS, metavar="|".join(ROOMS))
    chosen = parser.parse_args(arguments[:1]).room
    return int(importlib.import_module(ROOMS[chosen][0]).main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
