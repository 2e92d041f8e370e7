"""Gets the programs a cluster is made of: Debian packages, Go builds, the pause image.

Knows apt, Go and the cache folder. Whatever is there in the right version is left alone, so a second run touches no network.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.layout import CNI_PLUGINS, PAUSE_IMAGE, Layout
from hack.shell import Failure, Logged, run, run_logged
from hack.steps import Steps, duration

HERE = Path(__file__).resolve().parent
KUBERNETES = "v1.35.4"
OLDEST_GO = (1, 26)
STRIPPED = "-s -w"
BUILD_MINUTES = 8
# One program of each package, or a glob of one of its files.
PACKAGES: Mapping[str, str] = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": str(CNI_PLUGINS / "bridge"),
    "nftables": "nft",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "iproute2": "ip",
    "mount": "mount",
    "openssl": "openssl",
    "procps": "ps",
    "gcc": "gcc",
    "libc6-dev": "/usr/lib/*/libc.a",
    "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
}


@dataclass(frozen=True)
class GoProgram:
    """One program built from a module of ours that pins it: folder with go.mod and go.sum, package, linker flags, build tags."""

    name: str
    module: Path
    package: str
    link: str = STRIPPED
    tags: str = ""


def kubernetes_program(name: str) -> GoProgram:
    """A program of the Kubernetes tree, told its version, which `go build` does not do by itself."""
    version = "k8s.io/component-base/version"
    major, minor = KUBERNETES.removeprefix("v").split(".")[:2]
    link = (
        f"{STRIPPED} -X {version}.gitVersion={KUBERNETES} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    )
    return GoProgram(name, HERE / "kube", f"k8s.io/kubernetes/cmd/{name}", link)


PROGRAMS: tuple[GoProgram, ...] = (
    *(
        kubernetes_program(n)
        for n in ("kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
    ),
    # Debian's etcd 3.4 breaks watches of this API server; `go install` would call the program `server`.
    GoProgram("etcd", HERE / "kube", "go.etcd.io/etcd/server/v3"),
    GoProgram("coredns", HERE / "dns", "."),
)
HELM = GoProgram("helm", HERE.parent / "tools" / "helm", "helm.sh/helm/v4/cmd/helm")
# Without the clients of every cloud: they only find targets, and would be most of what is compiled.
PROMETHEUS: tuple[GoProgram, ...] = tuple(
    GoProgram(
        name,
        HERE.parent / "tools" / "prometheus",
        f"github.com/prometheus/prometheus/cmd/{name}",
        tags="remove_all_sd,netgo",
    )
    for name in ("prometheus", "promtool")
)


def present(evidence: str) -> bool:
    """True when a program is on PATH, or, for a path, when the glob finds a file."""
    if evidence.startswith("/"):
        return any(Path("/").glob(evidence.lstrip("/")))
    return shutil.which(evidence, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def missing(packages: Mapping[str, str]) -> list[str]:
    """The packages whose evidence is not on this machine."""
    return [package for package, evidence in packages.items() if not present(evidence)]


def install_packages(packages: Mapping[str, str], logs: Path, steps: Steps) -> None:
    """apt-get install what is missing; Failure when this is no Debian, or we are not root."""
    wanted = missing(packages)
    if not wanted:
        return
    if shutil.which("apt-get") is None:
        raise Failure(
            f"these are missing and there is no apt-get to install them: {', '.join(wanted)}; install them by hand"
        )
    if os.geteuid() != 0:
        raise Failure(f"these packages are missing and installing them needs root: apt-get install {' '.join(wanted)}")
    steps.note(f"apt-get install {' '.join(wanted)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run_logged(
        ["apt-get", "update"], "refresh the package lists", Logged(logs / "apt-update.log", steps.note), env=quiet
    )
    install = ["apt-get", "install", "-y", "--no-install-recommends", *wanted]
    run_logged(install, "install Debian packages", Logged(logs / "apt-install.log", steps.note), env=quiet)


def parse_go_version(text: str) -> tuple[int, int] | None:
    """(major, minor) out of `go version`; None when it says something else."""
    match = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(match.group(1)), int(match.group(2))) if match else None


def check_go() -> None:
    """Failure when there is no Go, or an older one than the modules need."""
    advice = "install it from go.dev/dl, put its bin folder on PATH, and run this again"
    found = shutil.which("go")
    if found is None:
        raise Failure(
            f"Go {'.'.join(map(str, OLDEST_GO))} or newer is needed to build the cluster, and there is no `go` on PATH: {advice}"
        )
    said = run(["go", "version"], "ask Go for its version").strip()
    version = parse_go_version(said)
    if version is None or version < OLDEST_GO:
        raise Failure(
            f"Go {'.'.join(map(str, OLDEST_GO))} or newer is needed to build the cluster; {found} says: {said}. {advice[0].upper()}{advice[1:]}"
        )


def fingerprint(program: GoProgram) -> str:
    """Changes whenever the sources or flags of a program do: sha256 over package, flags, go.mod, go.sum and own Go files."""
    tags = f"{program.tags}\n" if program.tags else ""
    digest = hashlib.sha256(f"{program.package}\n{program.link}\n{tags}".encode())
    for file in sorted([program.module / "go.mod", program.module / "go.sum", *program.module.glob("*.go")]):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def stale(layout: Layout, programs: Iterable[GoProgram]) -> list[GoProgram]:
    """The programs that are not built yet, or were built from something else."""
    return [
        p
        for p in programs
        if not Path(layout.binary(p.name)).exists() or read(layout.stamps / p.name) != fingerprint(p)
    ]


def build(layout: Layout, programs: Sequence[GoProgram], steps: Steps) -> None:
    """Build what is stale, one program at a time; a file appears under its name only when it is complete."""
    todo = stale(layout, programs)
    if not todo:
        return
    check_go()
    for folder in (layout.binaries, layout.stamps):
        folder.mkdir(parents=True, exist_ok=True)
    steps.say(
        f"building {len(todo)} programs with Go: {', '.join(p.name for p in todo)} (the first time {BUILD_MINUTES} min on 2 cores at most)"
    )
    for number, program in enumerate(todo, 1):
        began = steps.clock()
        draft = layout.binaries / f".{program.name}.new"
        command = [
            "go",
            "build",
            "-trimpath",
            "-buildvcs=false",
            *(("-tags", program.tags) if program.tags else ()),
            "-ldflags",
            program.link,
            "-o",
            str(draft),
            program.package,
        ]
        logged = Logged(layout.logs / f"build-{program.name}.log", steps.note)
        run_logged(command, f"build {program.name}", logged, env={"CGO_ENABLED": "0"}, cwd=program.module)
        draft.replace(layout.binary(program.name))
        (layout.stamps / program.name).write_text(fingerprint(program))
        steps.note(f"built {program.name}, {number} of {len(todo)}, in {duration(steps.clock() - began)}")


def build_pause(layout: Layout) -> None:
    """Compile the program that holds a pod's namespaces, and pack it as an image archive."""
    source = HERE / "pause" / "pause.c"
    stamp = layout.stamps / "pause"
    version = hashlib.sha256(source.read_bytes() + PAUSE_IMAGE.encode()).hexdigest()
    if layout.pause_archive.exists() and read(stamp) == version:
        return
    layout.stamps.mkdir(parents=True, exist_ok=True)
    program = layout.cache / "pause"
    run(["gcc", "-O2", "-static", "-s", "-o", str(program), str(source)], "compile the pause program")
    draft = layout.pause_archive.with_suffix(".new")
    draft.write_bytes(image_archive(PAUSE_IMAGE, "pause", program.read_bytes()))
    draft.replace(layout.pause_archive)
    program.unlink()
    stamp.write_text(version)


def image_archive(tag: str, name: str, program: bytes) -> bytes:
    """A one-file image in the docker-archive format; the same input gives the same bytes."""
    layer = tar_of({name: program}, mode=0o755)
    config = json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": {"User": "65535:65535", "Entrypoint": [f"/{name}"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }).encode()  # fmt: skip
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [tag], "Layers": ["layer.tar"]}]).encode()
    return tar_of({"layer.tar": layer, config_name: config, "manifest.json": manifest}, mode=0o644)


def tar_of(files: Mapping[str, bytes], mode: int) -> bytes:
    """A tar of the given files, owned by root, dated 1970."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def read(file: Path) -> str:
    """The text of a small file, empty when it is not there."""
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def ensure(layout: Layout, steps: Steps) -> None:
    """Everything a cluster needs, installed and built."""
    layout.cache.mkdir(parents=True, exist_ok=True)
    install_packages(PACKAGES, layout.logs, steps)
    build(layout, PROGRAMS, steps)
    build_pause(layout)
