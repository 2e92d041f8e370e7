"""Makes or refreshes the development environment `.venv` from the hashed lock. Runs with the system's Python, before anything is installed.

Knows apt, venv, pip and uv. uv itself is installed by hash into the cache folder.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hack.cluster.layout import Layout, from_environment
from hack.cluster.parts import install_packages, read
from hack.shell import Failure, Logged, run_logged, succeeds
from hack.steps import Steps

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
LOCK = ROOT / "requirements" / "dev.txt"
UV_LOCK = ROOT / "requirements" / "uv.txt"
ENVIRONMENT = ROOT / ".venv"


def with_sources() -> dict[str, str]:
    """The environment of what is started: our sources are importable, as pytest has them."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "operator")}


def stamp_of(*files: Path) -> str:
    """Changes when one of the files or the Python does."""
    return hashlib.sha256(sys.version.encode() + b"".join(f.read_bytes() for f in files)).hexdigest()


def ensure_uv(layout: Layout, steps: Steps) -> Path:
    """The path of the pinned uv, installed when it is not there."""
    folder = layout.cache / "uv-tool"
    stamp = folder / "stamp"
    wanted = stamp_of(UV_LOCK)
    if read(stamp) == wanted:
        return folder / "bin" / "uv"
    if not succeeds([sys.executable, "-c", "import venv, ensurepip"]):
        install_packages({"python3-venv": "/nonexistent/python3-venv"}, layout.logs, steps)
    logged = Logged(layout.logs / "uv.log", steps.note)
    run_logged([sys.executable, "-m", "venv", "--clear", str(folder)], "make an environment for uv", logged)
    install = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "-r",
        str(UV_LOCK),
    ]
    run_logged(install, "install uv", logged)
    stamp.write_text(wanted)
    return folder / "bin" / "uv"


def ensure_environment(layout: Layout, steps: Steps) -> None:
    """`.venv` holds exactly what the lock says; nothing is done when it did last time."""
    stamp = ENVIRONMENT / "bucle-stamp"
    wanted = stamp_of(LOCK)
    if read(stamp) == wanted:
        return
    with steps.step("Python environment .venv", 120):
        uv = str(ensure_uv(layout, steps))
        logged = Logged(layout.logs / "venv.log", steps.note)
        cache = {"UV_CACHE_DIR": str(layout.cache / "uv"), "UV_LINK_MODE": "copy", "VIRTUAL_ENV": str(ENVIRONMENT)}
        if not (ENVIRONMENT / "bin" / "python").exists():
            run_logged([uv, "venv", "--python", sys.executable, str(ENVIRONMENT)], "make .venv", logged, env=cache)
        run_logged(
            [uv, "pip", "sync", "--require-hashes", str(LOCK)],
            "install the locked packages into .venv",
            logged,
            env=cache,
        )
        stamp.write_text(wanted)


def main(_: Sequence[str]) -> int:
    """Refresh the environment; a failure is words and exit code 1."""
    if sys.version_info < OLDEST_PYTHON:
        print(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]} ({sys.executable})", file=sys.stderr)
        return 1
    try:
        ensure_environment(from_environment(), Steps())
    except Failure as failure:
        print(f"\nfailed: {failure}", file=sys.stderr)
        return 1
    return 0
