"""The image store in the cache folder, and the buildah command lines that work on it. Knows buildah; the renderers are pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.shell import Failure, run, succeeds

TARGETS = ("operator", "worker", "serve", "mlflow", "router", "store")
BASE_IMAGE = "docker.io/library/python:3.11-slim-bookworm"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Images:
    """Where images are built and under which tag: `cache` is the cluster's cache folder."""

    cache: Path
    tag: str
    base: str = BASE_IMAGE

    @property
    def folder(self) -> Path:
        return self.cache / "img"

    @property
    def uv_cache(self) -> Path:
        return self.cache / "uv"

    def name(self, target: str) -> str:
        """The full local name of a target's image."""
        return f"localhost/bucle-{target}:{self.tag}"

    def buildah(self, *arguments: str) -> list[str]:
        """A buildah command on our own store: the default one would make /var/lib/containers."""
        return [
            "buildah",
            "--storage-driver",
            "overlay",
            "--root",
            f"{self.folder}/store",
            "--runroot",
            f"{self.folder}/storerun",
            *arguments,
        ]


def build_command(images: Images, target: str, context: Path, authorities: Path | None) -> list[str]:
    """buildah arguments for one target of the Dockerfile.

    The package cache is mounted, so that a changed lock downloads only what changed; so are the machine's certificate
    authorities, which a machine behind a proxy needs and which must not get into an image.
    """
    mounts = ["-v", f"{images.uv_cache}:/root/.cache/uv"]
    if authorities is not None:
        mounts += ["-v", f"{authorities}:{authorities}:ro"]
    pull = "--pull-never" if images.base == BASE_IMAGE else "--pull"
    what = ["--build-arg", f"BASE_IMAGE={images.base}", "--target", target, "-t", images.name(target)]
    return images.buildah("bud", "--isolation", "chroot", "--layers", pull, *mounts, *what, str(context))


def export_command(images: Images, target: str, archive: Path) -> list[str]:
    """buildah arguments that write an image as an archive for containerd; zstd imports four times as fast as gzip."""
    name = images.name(target)
    return images.buildah(
        "push", "-q", "--compression-format", "zstd", "--compression-level", "1", name, f"oci-archive:{archive}:{name}"
    )


def push_command(images: Images, target: str, registry: str, insecure: bool) -> list[str]:
    """buildah arguments that push an image to a registry (`host/path`)."""
    verify = ["--tls-verify=false"] if insecure else []
    return images.buildah("push", *verify, images.name(target), f"docker://{remote_name(images, target, registry)}")


def remote_name(images: Images, target: str, registry: str) -> str:
    """The name of an image in a registry."""
    return f"{registry}/bucle-{target}:{images.tag}"


def image_id(images: Images, name: str) -> str | None:
    """The content id of a local image; None when there is none of that name."""
    if not succeeds(images.buildah("inspect", "--type", "image", name)):
        return None
    return run(
        images.buildah("inspect", "--type", "image", "--format", "{{.FromImageID}}", name), f"read the id of {name}"
    ).strip()


def chosen_targets(wanted: Sequence[str]) -> tuple[str, ...]:
    """The targets asked for, all when none is named; Failure for an unknown one."""
    unknown = sorted(set(wanted) - set(TARGETS))
    if unknown:
        raise Failure(f"there is no image {', '.join(unknown)}; there are: {', '.join(TARGETS)}")
    return tuple(t for t in TARGETS if t in wanted) if wanted else TARGETS
