"""The bridge that is node address, gateway and name server at once, and the two kernel settings it needs.

Knows iproute2, nft and /proc/sys. Nothing depends on the machine's own interfaces, so a change of network does no harm.
"""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

from hack.cluster.layout import BRIDGE, LOOPBACK_PORTS, NODE_IP, SERVICE_CIDR, Layout
from hack.shell import Failure, run, succeeds

SYSCTL = Path("/proc/sys")
# The second makes bridged frames pass nftables: pod -> Service -> pod stays on one bridge. Absent where br_netfilter is not loaded.
WANTED = {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1"}


def ports_of(links: str) -> list[str]:
    """Interface names out of `ip -o link show master BRIDGE`; the peer after @ is cut off."""
    return [match.group(1) for match in re.finditer(r"^\d+: ([^:@\s]+)", links, re.MULTILINE)]


def owner_of_address(addresses: str, wanted: str) -> str | None:
    """The interface that carries an address, out of `ip -j -4 addr`; None when nobody does."""
    for link in json.loads(addresses or "[]"):
        if any(info.get("local") == wanted for info in link.get("addr_info", [])):
            return str(link["ifname"])
    return None


def check_free() -> None:
    """Failure when another cluster holds our address, or a stranger one of our loopback ports."""
    holder = owner_of_address(run(["ip", "-j", "-4", "addr"], "list the machine's addresses"), NODE_IP)
    if holder is not None and holder != BRIDGE:
        raise Failure(
            f"the address {NODE_IP} is on the interface {holder} already: another cluster runs here; end it first (one cluster per machine)"
        )
    for port in LOOPBACK_PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise Failure(
                    f"port 127.0.0.1:{port} is in use by another program ({error.strerror}); find it with: ss -ltnp 'sport = :{port}'"
                ) from error


def up(layout: Layout) -> None:
    """Save and set the kernel settings, make the bridge, and route Service addresses to it."""
    if not (SYSCTL / "net/bridge").exists():
        succeeds(["modprobe", "br_netfilter"])
    saved = {key: (SYSCTL / key).read_text().strip() for key in WANTED if (SYSCTL / key).exists()}
    layout.saved_sysctls.write_text(json.dumps(saved))
    for key in saved:
        (SYSCTL / key).write_text(WANTED[key])
    run(["ip", "link", "add", BRIDGE, "type", "bridge"], f"make the bridge {BRIDGE}")
    run(["ip", "addr", "add", f"{NODE_IP}/16", "dev", BRIDGE], f"give {BRIDGE} the address {NODE_IP}")
    run(["ip", "link", "set", BRIDGE, "up"], f"switch {BRIDGE} on")
    # Without this route a call from the machine to a ClusterIP would leave with the wrong source address, or not at all.
    run(["ip", "route", "add", SERVICE_CIDR, "dev", BRIDGE], f"route {SERVICE_CIDR} to {BRIDGE}")


def down(layout: Layout) -> None:
    """Remove kube-proxy's rules, the pods' interfaces and the bridge (its routes go with it); restore the kernel settings."""
    for family in ("ip", "ip6"):
        succeeds(["nft", "delete", "table", family, "kube-proxy"])
    if exists():
        for link in ports_of(run(["ip", "-o", "link", "show", "master", BRIDGE], f"list what hangs on {BRIDGE}")):
            succeeds(["ip", "link", "del", link])
        succeeds(["ip", "link", "del", BRIDGE])
    try:
        saved = json.loads(layout.saved_sysctls.read_text())
    except (FileNotFoundError, ValueError):
        return
    for key, value in saved.items():
        if key in WANTED and (SYSCTL / key).exists():
            (SYSCTL / key).write_text(str(value))


def exists() -> bool:
    """True while the bridge is there."""
    return (Path("/sys/class/net") / BRIDGE).exists()
