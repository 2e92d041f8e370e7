"""Makes the base image, a small Debian 12 with Python 3.11, without a registry. Knows debootstrap, tar and buildah."""

from __future__ import annotations

import shutil
from pathlib import Path

from hack.images.store import BASE_IMAGE, Images, image_id
from hack.shell import Logged, run, run_logged
from hack.steps import Steps

PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
SUITE = "bookworm"
# Raise it when the recipe below changes: images made by an older one are then made anew.
RECIPE = "1"
DOCKERFILE = f"""FROM scratch
ADD rootfs.tar /
LABEL dev.bucle.base-recipe="{RECIPE}"
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
CMD ["python3"]
"""
# Never read in a container; a third of the size.
UNUSED = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "etc/apt/sources.list.d",
)


def ensure(images: Images, steps: Steps) -> None:
    """Make the base image when it is not in the store; the packed root file system is kept, so that only the first time is slow."""
    if images.base != BASE_IMAGE or image_id(images, BASE_IMAGE) is not None:
        return
    folder = images.folder / "base"
    folder.mkdir(parents=True, exist_ok=True)
    packed = folder / "rootfs.tar"
    if not packed.exists():
        with steps.step("Debian root file system with Python", 180):
            pack(folder / "rootfs", packed, Logged(images.cache / "log" / "debootstrap.log", steps.note))
    with steps.step("base image", 60):
        (folder / "Dockerfile").write_text(DOCKERFILE)
        command = images.buildah(
            "bud", "--isolation", "chroot", "--pull-never", "--timestamp", "0", "-t", BASE_IMAGE, str(folder)
        )
        run_logged(command, "build the base image", Logged(images.cache / "log" / "image-base.log", steps.note))


def pack(root: Path, packed: Path, logged: Logged) -> None:
    """Install the packages into `root`, trim it, pack it with stable order and dates, and remove it."""
    shutil.rmtree(root, ignore_errors=True)
    run_logged(
        ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)],
        "install Debian into a folder",
        logged,
    )
    trim(root)
    draft = packed.with_suffix(".new")
    run(
        ["tar", "--sort=name", "--mtime=@0", "--numeric-owner", "-C", str(root), "-cf", str(draft), "."],
        "pack the root file system",
    )
    draft.replace(packed)
    shutil.rmtree(root, ignore_errors=True)


def trim(root: Path) -> None:
    """Remove what no container reads, and whatever would carry this machine's settings into an image."""
    for name in UNUSED:
        for entry in (root / name).glob("*"):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    for log in (root / "var/log").glob("*.log"):
        log.unlink()
    # Debian's mark against pip outside a virtual environment: here the image is the environment.
    (root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink(missing_ok=True)
    for name in ("python", "python3"):
        link = root / "usr/local/bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to("/usr/bin/python3")
    (root / "etc/apt/sources.list").write_text("")
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.write_text("")
