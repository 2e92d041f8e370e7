"""The pure part of hack/cluster: what is rendered, what is recognised as ours, and what would be cleaned."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hack.cluster import config, kube, network, parts, pki, processes, provider, teardown
from hack.cluster.layout import Layout, from_environment
from hack.shell import Failure
from hypothesis import given
from hypothesis import strategies as st

LAYOUT = Layout(Path("/c"))
RUN = "/c/run"


def test_every_process_has_a_command_that_names_the_run_folder_so_that_it_is_found_after_a_crash() -> None:
    commands = config.commands(LAYOUT)
    assert tuple(commands) == config.PROCESSES
    for name, command in commands.items():
        assert processes.is_ours(command, RUN), name
        assert not processes.is_ours(command, "/other/run"), name


def test_our_own_programs_are_started_by_full_path() -> None:
    assert {c[0] for n, c in config.commands(LAYOUT).items() if n != "containerd"} == {
        f"/c/bin/{n}" for n in config.PROCESSES if n != "containerd"
    }


@pytest.mark.parametrize("name", sorted(config.files(LAYOUT)))
def test_rendered_files_hold_no_path_outside_the_run_folder_but_the_plugins(name: str) -> None:
    text = config.files(LAYOUT)[name].replace("/usr/lib/cni", "")
    assert "/c/" not in text.replace(f"{RUN}/", "")
    if name.endswith((".json", ".conflist")):
        json.loads(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cgroupDriver", "cgroupfs"),
        ("failCgroupV1", False),
        ("failSwapOn", False),
        ("makeIPTablesUtilChains", False),
        ("clusterDNS", ["10.88.0.1"]),
    ],
)
def test_kubelet_settings_without_which_pods_do_not_start_or_the_host_is_changed(key: str, value: object) -> None:
    assert config.kubelet(LAYOUT)[key] == value


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("etc/containerd.toml", "restrict_oom_score_adj = true"),  # no CAP_SYS_RESOURCE: no pod would start
        ("etc/containerd.toml", 'snapshotter = "overlayfs"'),
        ("etc/kubelet.json", '"maxOpenFiles": 20000'),
        ("etc/kubelet.json", '"imageGCHighThresholdPercent": 100'),  # what is deleted cannot be pulled again
        ("etc/kube-proxy.json", '"maxPerCore": 0'),  # else it sets sysctls of the host
        ("etc/kube-proxy.json", '"minSyncPeriod": "50ms"'),  # else a Service answers a second after its pods
    ],
)
def test_settings_without_which_small_machines_fail_or_tests_wait(file: str, words: str) -> None:
    assert words in config.files(LAYOUT)[file]


@pytest.mark.parametrize(
    ("process", "flag"),
    [
        ("etcd", "--watch-progress-notify-interval=5s"),
        ("kube-apiserver", "--requestheader-allowed-names=front-proxy-client"),  # else two controllers log without end
        ("kube-controller-manager", "--kube-api-qps=300"),  # else the first ServiceAccount comes 4 s later
        ("kube-scheduler", "--kube-api-qps=300"),
    ],
)
def test_flags_that_a_trap_asks_for(process: str, flag: str) -> None:
    assert flag in config.commands(LAYOUT)[process]


def test_etcd_is_one_whose_watches_tell_their_progress() -> None:
    """Debian's 3.4 does not: an API server of today then breaks watches."""
    etcd = next(program for program in parts.PROGRAMS if program.name == "etcd")
    version = re.search(rf"{re.escape(etcd.package)} v(\d+)\.(\d+)\.", (etcd.module / "go.mod").read_text())
    assert version is not None
    assert (int(version[1]), int(version[2])) >= (3, 6)


def test_a_pod_can_reach_itself_through_its_service() -> None:
    assert config.cni(LAYOUT)["plugins"][0]["hairpinMode"] is True


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("7 (etcd) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 4242 1 2", processes.Stat("S", 4242)),
        ("7 (a ) (b) Z 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 99 1 2", processes.Stat("Z", 99)),
        ("7 (etcd) S 1 7", None),
        ("", None),
    ],
)
def test_process_state_is_read_past_any_program_name(line: str, expected: processes.Stat | None) -> None:
    assert processes.parse_stat(line) == expected


@given(
    st.lists(st.tuples(st.from_regex(r"[a-z-]{1,20}", fullmatch=True), st.integers(1, 2**22), st.integers(0, 2**40)))
)
def test_process_records_survive_a_round_trip_and_a_cut_off_last_line(rows: list[tuple[str, int, int]]) -> None:
    text = "".join(f"{n} {p} {s}\n" for n, p, s in rows)
    wanted = [processes.Process(*row) for row in rows]
    assert processes.parse_records(text) == wanted
    assert processes.parse_records(text + "kubelet 12") == wanted


@pytest.mark.parametrize(
    ("arguments", "ours"),
    [
        (
            ["/usr/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-address", f"{RUN}/mem/containerd/c.sock"],
            True,
        ),
        (["/usr/bin/containerd-shim-runc-v2", "-address", "/run/containerd/containerd.sock"], False),
        (["vim", f"{RUN}/etc/kubelet.json"], False),
        (["/c/bin/kubectl", "--kubeconfig=/c/kubeconfig"], False),
        (["kubelet", f"--config={RUN}2/etc/kubelet.json"], False),
        ([], False),
    ],
)
def test_only_our_programs_on_our_run_folder_are_ended(arguments: list[str], ours: bool) -> None:
    assert processes.is_ours(arguments, RUN) is ours


def test_a_process_that_has_ended_and_one_whose_pid_was_used_again_are_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    stat = processes.stat_of(child.pid)
    assert stat is not None
    process = processes.Process("child", child.pid, stat.started)
    assert processes.alive(process)
    assert not processes.alive(processes.Process("other", child.pid, stat.started + 1))
    child.kill()
    # Killed but not yet reaped: a zombie, which kill -0 would still find.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.alive(process)
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait() == -signal.SIGKILL


def test_mounts_are_undone_latest_first_and_only_ours() -> None:
    mounts = (
        "proc /proc proc rw 0 0\nbucle /c/run/mem tmpfs rw 0 0\noverlay /c/run/mem/a\\040b overlay rw 0 0\n"
        "x /c/run2/mem tmpfs rw 0 0\n/dev/vda /c/run ext4 rw 0 0\n"
    )
    assert teardown.mounts_below(mounts, "/c/run") == ["/c/run", "/c/run/mem/a b", "/c/run/mem"]


def test_sockets_that_somebody_listens_on_are_left_alone() -> None:
    listening = "Num RefCount Protocol Flags Type St Inode Path\n0: 2 0 10000 1 1 99 /run/containerd/s/live\n"
    files = [Path("/run/containerd/s/live"), Path("/run/containerd/s/dead")]
    assert teardown.dead_sockets(files, listening) == [Path("/run/containerd/s/dead")]


def test_cni_results_of_other_networks_are_left_alone() -> None:
    names = ["bucle-aa11-eth0", "cni-loopback-aa11-lo", "cni-loopback-bb22-lo", "podman-bb22-eth0"]
    assert teardown.own_results(names) == ["bucle-aa11-eth0", "cni-loopback-aa11-lo"]


def test_interfaces_are_named_without_their_peer() -> None:
    links = "7: veth12ab@if2: <UP> mtu 1500\n9: veth34cd@eth0: <UP>\n11: dummy0: <UP>\n"
    assert network.ports_of(links) == ["veth12ab", "veth34cd", "dummy0"]


def test_the_holder_of_the_node_address_is_found() -> None:
    addresses = json.dumps(
        [
            {"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}]},
            {"ifname": "x0", "addr_info": [{"local": "10.88.0.1"}]},
        ]
    )
    assert network.owner_of_address(addresses, "10.88.0.1") == "x0"
    assert network.owner_of_address(addresses, "10.0.0.1") is None
    assert network.owner_of_address("", "10.0.0.1") is None


def test_volumes_without_a_claim_any_more_are_made_again_and_used_ones_kept() -> None:
    phases = dict.fromkeys(kube.volume_names(), "Available") | {  # type: ignore[attr-defined]  # a folder beside it has its name
        "bucle-1": "Bound",
        "bucle-2": "Released",
        "bucle-3": "Failed",
    }
    del phases["bucle-5"]
    assert kube.volumes_to_renew(phases) == ["bucle-2", "bucle-3", "bucle-5"]  # type: ignore[attr-defined]
    assert kube.volumes_to_renew({}) == kube.volume_names()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26)), ("go version devel go1.27-abc", (1, 27)), ("gccgo", None)],
)
def test_go_versions(text: str, version: tuple[int, int] | None) -> None:
    assert parts.parse_go_version(text) == version


def test_the_pause_image_is_a_loadable_archive_and_always_the_same() -> None:
    first = parts.image_archive("localhost/x:1", "pause", b"program")
    assert first == parts.image_archive("localhost/x:1", "pause", b"program")
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert manifest[0]["RepoTags"] == ["localhost/x:1"]
        assert {manifest[0]["Config"], *manifest[0]["Layers"]} <= set(archive.getnames())


def test_only_servers_carry_names_and_every_client_of_the_configs_has_a_certificate() -> None:
    assert {leaf.name for leaf in pki.LEAVES if leaf.usage == "serverAuth"} == {
        leaf.name for leaf in pki.LEAVES if leaf.names
    }
    assert {*config.KUBE_CLIENTS, "admin"} <= {leaf.name for leaf in pki.LEAVES}


def test_a_leaf_is_signed_by_the_authority_and_is_none_itself() -> None:
    command = pki.certificate_command(Path("/p"), pki.LEAVES[0])
    assert command[command.index("-CA") + 1] == "/p/ca.crt"
    assert "basicConstraints=critical,CA:FALSE" in command
    assert any(argument.startswith("subjectAltName=") and "IP:10.88.0.1" in argument for argument in command)


@pytest.mark.parametrize(
    "environment", [{}, {"CLUSTER": ""}, {"CLUSTER": "parts"}, {"KUBECONFIG": "/k", "REGISTRY": "r"}]
)
def test_a_kubeconfig_that_happens_to_be_exported_is_never_used(environment: dict[str, str]) -> None:
    assert provider.from_environment(environment) == provider.Parts()


def test_an_existing_cluster_is_used_when_it_is_asked_for() -> None:
    asked = {"CLUSTER": "existing", "KUBECONFIG": "/k", "REGISTRY": "host/path/"}
    assert provider.from_environment(asked) == provider.Existing(Path("/k"), "host/path")


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"CLUSTER": "kind"}, "CLUSTER=kind"),
        ({"CLUSTER": "existing"}, "KUBECONFIG and REGISTRY"),
        ({"CLUSTER": "existing", "KUBECONFIG": "/k"}, "needs REGISTRY"),
    ],
)
def test_a_wrong_choice_of_cluster_says_what_is_missing(environment: dict[str, str], says: str) -> None:
    with pytest.raises(Failure, match=says):
        provider.from_environment(environment)


def test_a_cache_folder_too_deep_for_sockets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCLE_CACHE", "/" + "x" * 70)
    with pytest.raises(Failure, match="BUCLE_CACHE"):
        from_environment()
