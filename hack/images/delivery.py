"""Builds images when their inputs changed, and brings them to the cluster: into its containerd, or to a registry.

Knows the cluster's layout, buildah and ctr. What is loaded is remembered in the cluster's run folder, so a new cluster starts empty.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hack.cluster import parts, processes
from hack.cluster.layout import Layout
from hack.images import base
from hack.images.store import (
    AUTHORITIES,
    Images,
    build_command,
    export_command,
    image_id,
    push_command,
    remote_name,
)
from hack.shell import Failure, Logged, run, run_logged
from hack.steps import Steps

ROOT = Path(__file__).resolve().parents[2]
PACKAGES: Mapping[str, str] = {
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "ca-certificates": str(AUTHORITIES),
    "tar": "tar",
}
# Everything that a target may copy; a file outside these changes no image.
INPUTS = ("Dockerfile", ".dockerignore", "requirements", "operator/bucle")
BUDGET_SECONDS: Mapping[str, float] = {
    "operator": 120,
    "worker": 240,
    "serve": 60,
    "mlflow": 240,
    "router": 60,
    "store": 60,
}


def input_files(root: Path) -> list[Path]:
    """Every file that can change an image, without what Python leaves behind."""
    found: list[Path] = []
    for name in INPUTS:
        path = root / name
        found += sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path] if path.exists() else []
    return [f for f in found if "__pycache__" not in f.parts]


def fingerprint(root: Path, files: Iterable[Path], extra: Sequence[str]) -> str:
    """sha256 over names and contents of the inputs and over what else decides the result."""
    digest = hashlib.sha256("\0".join(extra).encode())
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(root)}\0{content}\n".encode())
    return digest.hexdigest()


def build(images: Images, targets: Sequence[str], steps: Steps) -> None:
    """Build the targets whose inputs changed since they were built under this tag."""
    parts.install_packages(PACKAGES, images.cache / "log", steps)
    base.ensure(images, steps)
    if not (ROOT / "Dockerfile").exists():
        raise Failure(f"there is no {ROOT / 'Dockerfile'} to build images from")
    images.uv_cache.mkdir(parents=True, exist_ok=True)
    wanted = fingerprint(ROOT, input_files(ROOT), [images.base, image_id(images, images.base) or ""])
    for target in targets:
        stamp = images.cache / "stamps" / f"image-{target}-{images.tag}"
        if parts.read(stamp) == f"{wanted} {image_id(images, images.name(target))}":
            steps.say(f"      image {target}: unchanged")
            continue
        with steps.step(f"build image {target}", BUDGET_SECONDS.get(target)):
            command = build_command(images, target, ROOT, AUTHORITIES if AUTHORITIES.exists() else None)
            run_logged(
                command, f"build the image {target}", Logged(images.cache / "log" / f"image-{target}.log", steps.note)
            )
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(f"{wanted} {image_id(images, images.name(target))}")


def load(layout: Layout, images: Images, targets: Sequence[str], steps: Steps) -> None:
    """Import the targets that this cluster run does not hold yet in this very version."""
    if "containerd" not in processes.running(layout):
        raise Failure("no cluster runs to load images into; start it with: make cluster-up")
    for target in targets:
        name = images.name(target)
        identity = required_id(images, target)
        if loaded(layout).get(name) == identity:
            steps.say(f"      image {target}: loaded already")
            continue
        with steps.step(f"load image {target}", 60):
            archive = images.folder / f"{target}.tar"
            # An archive that exists would be appended to.
            archive.unlink(missing_ok=True)
            try:
                run(export_command(images, target, archive), f"export {name}")
                run(
                    ["ctr", "-a", str(layout.containerd_socket), "-n", "k8s.io", "images", "import", str(archive)],
                    f"import {name} into the cluster",
                )
            finally:
                archive.unlink(missing_ok=True)
        remember(layout, {**loaded(layout), name: identity})


def push(images: Images, targets: Sequence[str], registry: str, insecure: bool, steps: Steps) -> None:
    """Push the targets to the registry of an existing cluster; the registry itself skips layers that it has."""
    for target in targets:
        required_id(images, target)
        with steps.step(f"push {remote_name(images, target, registry)}", 300):
            command = push_command(images, target, registry, insecure)
            run_logged(
                command,
                f"push the image {target} to {registry}",
                Logged(images.cache / "log" / f"push-{target}.log", steps.note),
            )


def required_id(images: Images, target: str) -> str:
    """The id of a built image; Failure when it was not built."""
    identity = image_id(images, images.name(target)) if shutil.which("buildah") else None
    if identity is None:
        raise Failure(
            f"the image {images.name(target)} is not built; build it with: python3 -m hack images build {target}"
        )
    return identity


def loaded(layout: Layout) -> dict[str, str]:
    """Image ids by name that this cluster run holds."""
    text = parts.read(layout.run / "loaded.json")
    return {str(k): str(v) for k, v in json.loads(text).items()} if text else {}


def remember(layout: Layout, images: Mapping[str, str]) -> None:
    """Write down what is loaded, in one rename."""
    draft = layout.run / ".loaded.new"
    draft.write_text(json.dumps(dict(images), indent=1))
    draft.replace(layout.run / "loaded.json")
