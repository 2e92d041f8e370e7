"""Certificates and kubeconfigs of one cluster run, by openssl 3: P-256 keys, one authority, valid for 90 days.

Knows the layout and openssl; made anew at each start, so nothing ever has to be renewed.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import config
from hack.cluster.layout import API_SERVICE_IP, NODE, NODE_IP, Layout
from hack.shell import run

DAYS = "90"
MASTERS = "/O=system:masters"
# The system-wide openssl.cnf would add CA:TRUE to every certificate made with -x509.
BARE_CONFIG = "[req]\ndistinguished_name=dn\n[dn]\n"


@dataclass(frozen=True)
class Leaf:
    """One certificate: file name, X.509 subject, what it may be used for, and alternative names of a server."""

    name: str
    subject: str
    usage: str = "clientAuth"
    names: tuple[str, ...] = ()


API_NAMES = tuple(
    f"DNS:{n}"
    for n in (
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
    )
)
LEAVES: tuple[Leaf, ...] = (
    Leaf(
        "apiserver",
        "/CN=kube-apiserver",
        "serverAuth",
        (*API_NAMES, "IP:127.0.0.1", f"IP:{API_SERVICE_IP}", f"IP:{NODE_IP}"),
    ),
    Leaf(
        "kubelet-server", f"/CN={NODE}", "serverAuth", (f"DNS:{NODE}", "DNS:localhost", "IP:127.0.0.1", f"IP:{NODE_IP}")
    ),
    Leaf("kubelet-client", f"{MASTERS}/CN=kube-apiserver-kubelet-client"),
    Leaf("front-proxy", "/CN=front-proxy-client"),
    Leaf("admin", f"{MASTERS}/CN=admin"),
    Leaf("controller-manager", "/CN=system:kube-controller-manager"),
    Leaf("scheduler", "/CN=system:kube-scheduler"),
    Leaf("kubelet", f"/O=system:nodes/CN=system:node:{NODE}"),
    Leaf("proxy", "/CN=system:kube-proxy"),
    Leaf("coredns", "/CN=system:coredns"),
)


def key_command(folder: Path, name: str) -> list[str]:
    """openssl arguments for a new P-256 private key."""
    return ["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", f"{folder}/{name}.key"]


def certificate_command(folder: Path, leaf: Leaf) -> list[str]:
    """openssl arguments that sign one leaf with the authority in the same folder."""
    extensions = [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        f"extendedKeyUsage={leaf.usage}",
    ]
    if leaf.names:
        extensions.append("subjectAltName=" + ",".join(leaf.names))
    signing = ["-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key"]
    return [*request(folder, leaf.name, leaf.subject), *signing, *with_extensions(extensions)]


def authority_command(folder: Path) -> list[str]:
    """openssl arguments for the self-signed authority."""
    return [
        *request(folder, "ca", f"/CN={NODE}-ca"),
        *with_extensions(
            ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
        ),
    ]


def request(folder: Path, name: str, subject: str) -> list[str]:
    """The part that authority and leaves have in common."""
    return [
        "openssl",
        "req",
        "-config",
        f"{folder}/bare.cnf",
        "-x509",
        "-new",
        "-key",
        f"{folder}/{name}.key",
        "-days",
        DAYS,
        "-subj",
        subject,
        "-out",
        f"{folder}/{name}.crt",
    ]


def with_extensions(extensions: Sequence[str]) -> list[str]:
    """Each extension as its own -addext."""
    return [argument for extension in extensions for argument in ("-addext", extension)]


def create(layout: Layout) -> None:
    """Make authority, leaves, the ServiceAccount signing key and all kubeconfigs; keys are readable by root only."""
    folder = layout.pki
    (folder / "bare.cnf").write_text(BARE_CONFIG)
    before = os.umask(0o077)
    try:
        run(key_command(folder, "ca"), "make the cluster's authority key")
        run(authority_command(folder), "make the cluster's authority")
        for leaf in LEAVES:
            run(key_command(folder, leaf.name), f"make the key of {leaf.name}")
            run(certificate_command(folder, leaf), f"sign the certificate of {leaf.name}")
        run(key_command(folder, "service-accounts"), "make the key that signs ServiceAccount tokens")
        run(
            [
                "openssl",
                "ec",
                "-in",
                f"{folder}/service-accounts.key",
                "-pubout",
                "-out",
                f"{folder}/service-accounts.pub",
            ],
            "export the ServiceAccount key",
        )
        for client in config.KUBE_CLIENTS:
            write_kubeconfig(folder, client, layout.etc / f"{client}.kubeconfig")
        write_kubeconfig(folder, "admin", layout.kubeconfig)
    finally:
        os.umask(before)


def write_kubeconfig(folder: Path, client: str, target: Path) -> None:
    """Write the kubeconfig of one client certificate, in one rename so that no reader sees half of it."""
    authority, certificate, key = (
        base64.b64encode((folder / name).read_bytes()).decode() for name in ("ca.crt", f"{client}.crt", f"{client}.key")
    )
    draft = target.with_name(f".{target.name}.new")
    draft.write_text(json.dumps(config.kubeconfig(authority, certificate, key), indent=1) + "\n")
    draft.replace(target)
