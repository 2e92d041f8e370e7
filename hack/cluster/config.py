"""Renders every configuration file and command line of the cluster. Pure: values in, text out.

JSON is written where a program reads YAML, since every JSON document is one.
"""

from __future__ import annotations

import json
from typing import Any

from hack.cluster.layout import (
    API_SERVER,
    BRIDGE,
    CNI_PLUGINS,
    DNS_READY,
    ETCD_CLIENT,
    ETCD_PEER,
    FIRST_POD_IP,
    NETWORK,
    NODE,
    NODE_IP,
    PAUSE_IMAGE,
    POD_CIDR,
    SERVICE_CIDR,
    Layout,
)

Json = dict[str, Any]
KUBE_CLIENTS = ("controller-manager", "scheduler", "kubelet", "proxy", "coredns")
# Start order: the second group needs an API server that answers.
FIRST = ("etcd", "containerd", "kube-apiserver")
SECOND = ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns")
PROCESSES = FIRST + SECOND


def containerd(layout: Layout) -> str:
    """containerd.toml (1.6): everything under the run folder, CRI with runc and our CNI folder."""
    state = layout.mem / "containerd"
    unused = [f"io.containerd.snapshotter.v1.{name}" for name in ("aufs", "btrfs", "zfs", "devmapper")]
    unused += ["io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    # restrict_oom_score_adj: a machine without CAP_SYS_RESOURCE refuses a lower score than its own, and no pod would start.
    return f"""version = 2
root = "{state}/root"
state = "{state}/state"
disabled_plugins = {json.dumps(unused)}
[grpc]
  address = "{layout.containerd_socket}"
[ttrpc]
  address = "{state}/t.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{layout.run}/opt"
[{cri}]
  sandbox_image = "{PAUSE_IMAGE}"
  stream_server_address = "127.0.0.1"
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true
[{cri}.containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[{cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[{cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
  Root = "{layout.mem}/runc"
[{cri}.cni]
  bin_dir = "{CNI_PLUGINS}"
  conf_dir = "{layout.cni}"
"""


def cni(layout: Layout) -> Json:
    """The pod network: one bridge that is also node address and gateway; hairpin lets a pod reach itself through its Service."""
    addresses = {
        "type": "host-local",
        "dataDir": f"{layout.run}/cni-ipam",
        "routes": [{"dst": "0.0.0.0/0"}],
        "ranges": [[{"subnet": POD_CIDR, "rangeStart": FIRST_POD_IP, "gateway": NODE_IP}]],
    }
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": addresses,
    }
    return {
        "cniVersion": "0.4.0",
        "name": NETWORK,
        "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }


def kubelet(layout: Layout) -> Json:
    """KubeletConfiguration: works on cgroup v1 and v2, makes no iptables rule, never collects images that could not be pulled again."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "port": 10250,
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{layout.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{layout.pki}/kubelet-server.crt",
        "tlsPrivateKeyFile": f"{layout.pki}/kubelet-server.key",
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDomain": "cluster.local",
        "clusterDNS": [NODE_IP],
        "resolvConf": f"{layout.etc}/resolv.conf",
        "podLogsDir": f"{layout.run}/pod-logs",
        "volumePluginDir": f"{layout.run}/volume-plugins",
        "makeIPTablesUtilChains": False,
        "maxPods": 200,
        "maxOpenFiles": 20000,
        "registryPullQPS": 0,
        "serializeImagePulls": False,
        "evictionHard": {
            "memory.available": "100Mi",
            **{
                f"{where}.{what}": "1%"
                for where, what in (
                    ("nodefs", "available"),
                    ("nodefs", "inodesFree"),
                    ("imagefs", "available"),
                    ("imagefs", "inodesFree"),
                )
            },
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "syncFrequency": "10s",
        "nodeStatusUpdateFrequency": "5s",
    }


def kube_proxy(layout: Layout) -> Json:
    """KubeProxyConfiguration: nftables, rules within 50 ms; conntrack zeros keep it from setting sysctls of the host."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": f"{layout.etc}/proxy.kubeconfig"},
        "clusterCIDR": POD_CIDR,
        "hostnameOverride": NODE,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "nftables": {"minSyncPeriod": "50ms"},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def corefile(layout: Layout) -> str:
    """Cluster names only: a name outside the cluster fails at once instead of leaving the machine."""
    return f""".:53 {{
  bind {NODE_IP}
  errors
  ready {DNS_READY.removeprefix("http://").removesuffix("/ready")}
  kubernetes cluster.local in-addr.arpa ip6.arpa {{
    kubeconfig {layout.etc}/coredns.kubeconfig {NODE}
    pods insecure
    ttl 5
  }}
  cache 5
}}
"""


def kubeconfig(authority: str, certificate: str, key: str) -> Json:
    """A kubeconfig with everything embedded; the three arguments are base64 of PEM."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NODE, "cluster": {"server": API_SERVER, "certificate-authority-data": authority}}],
        "users": [{"name": NODE, "user": {"client-certificate-data": certificate, "client-key-data": key}}],
        "contexts": [{"name": NODE, "context": {"cluster": NODE, "user": NODE}}],
        "current-context": NODE,
    }


def files(layout: Layout) -> dict[str, str]:
    """Every rendered file by its path below the run folder."""
    return {
        "etc/containerd.toml": containerd(layout),
        "etc/kubelet.json": json.dumps(kubelet(layout), indent=1),
        "etc/kube-proxy.json": json.dumps(kube_proxy(layout), indent=1),
        "etc/Corefile": corefile(layout),
        "etc/resolv.conf": "",
        f"cni/10-{NETWORK}.conflist": json.dumps(cni(layout), indent=1),
    }


def commands(layout: Layout) -> dict[str, list[str]]:
    """The command line of every process by name, in start order."""
    built = {
        "etcd": etcd_flags(layout),
        "containerd": ["--config", f"{layout.etc}/containerd.toml"],
        "kube-apiserver": apiserver_flags(layout),
        "kube-controller-manager": controller_manager_flags(layout),
        "kube-scheduler": [
            *client_flags(layout, "scheduler"),
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            *FAST_CLIENT,
        ],
        "kubelet": [
            f"--config={layout.etc}/kubelet.json",
            f"--kubeconfig={layout.etc}/kubelet.kubeconfig",
            f"--root-dir={layout.run}/kubelet",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_IP}",
        ],
        "kube-proxy": [f"--config={layout.etc}/kube-proxy.json"],
        "coredns": ["-conf", f"{layout.etc}/Corefile"],
    }
    return {name: [name if name == "containerd" else layout.binary(name), *flags] for name, flags in built.items()}


# With the default 20 requests a second the controller manager needs 4 s more to make the first ServiceAccounts.
FAST_CLIENT = ("--kube-api-qps=300", "--kube-api-burst=600")


def client_flags(layout: Layout, client: str) -> list[str]:
    """The three kubeconfig flags that controller manager and scheduler share."""
    return [f"--{use}kubeconfig={layout.etc}/{client}.kubeconfig" for use in ("", "authentication-", "authorization-")]


def etcd_flags(layout: Layout) -> list[str]:
    """A single member on loopback; no fsync, since its data ends with the cluster."""
    return [
        f"--name={NODE}",
        f"--data-dir={layout.mem}/etcd",
        f"--listen-client-urls={ETCD_CLIENT}",
        f"--advertise-client-urls={ETCD_CLIENT}",
        f"--listen-peer-urls={ETCD_PEER}",
        f"--initial-advertise-peer-urls={ETCD_PEER}",
        f"--initial-cluster={NODE}={ETCD_PEER}",
        "--unsafe-no-fsync",
        "--watch-progress-notify-interval=5s",
    ]


def apiserver_flags(layout: Layout) -> list[str]:
    """The API server on the bridge address; the requestheader flags keep two controllers from logging without end."""
    pki = layout.pki
    return [
        f"--etcd-servers={ETCD_CLIENT}",
        f"--bind-address={NODE_IP}",
        f"--advertise-address={NODE_IP}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={pki}/ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki}/front-proxy.crt",
        f"--proxy-client-key-file={pki}/front-proxy.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
    ]


def controller_manager_flags(layout: Layout) -> list[str]:
    """All controllers, each with its own ServiceAccount, pod addresses left to CNI."""
    pki = layout.pki
    return [
        *client_flags(layout, "controller-manager"),
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--root-ca-file={pki}/ca.crt",
        f"--service-account-private-key-file={pki}/service-accounts.key",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        "--allocate-node-cidrs=false",
        f"--flex-volume-plugin-dir={layout.run}/volume-plugins",
        *FAST_CLIENT,
    ]
