"""`kubectl bucle` in a shell: what is offered next, kubectl itself with the plugin on its PATH, and a terminal."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import tomllib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from hack.cluster.layout import from_environment
from tests.support.builders.loop_objects import RETRAIN, written
from tests.support.fakes.apiserver import KUBECONFIG
from tests.support.fakes.people import NAMESPACES, PATIENCE, ROOT, Scene, Told, before_a_loop, typed
from tests.support.worlds.training import FLIGHTS

from bucle.cli.kinds import LOOP
from bucle.resources.addresses import DATASET

WIDTH = 90


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the two programs that pip would install, made from pyproject.toml's own words."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name, entry in scripts.items():
        module, _, function = entry.partition(":")
        program = tmp_path / name
        program.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
        program.chmod(0o755)
    return tmp_path


@pytest.fixture
async def person(tmp_path: Path) -> AsyncIterator[Scene]:
    async with before_a_loop(tmp_path) as scene:
        yield scene


COMPLETED = [
    (("",), ["status", "explain", "gates", "signals", "approve", "reject", "retrain", "mute", "version"], 4),
    (("ex",), ["explain"], 4),
    (("status", ""), ["dataset/", "experiment/", "modeldeployment/", "driftpolicy/"], 6),
    (("status", "-n", "ml", "mlds/fl"), ["mlds/flights", f"mlds/{RETRAIN}"], 4),
    (("-n", "ml", "explain", "experiment", "l"), ["late"], 4),
    (("gates", "--namespace=ml", ""), ["flights"], 4),
    (("signals", "-n", "ml", ""), ["flights-drift"], 4),
    (("status", "-n", ""), ["ml", "shop"], 4),
    (("status", "--namespace=s"), ["--namespace=shop"], 4),
    (("status", "--context", ""), ["fake"], 4),
    (("status", "-o", ""), ["table", "json", "yaml"], 4),
    (("status", "--kubeconfig", ""), [], 0),
    (("gates", "flights", ""), [], 4),
    (("status", "pods/"), [], 4),
    (("status", "--all"), ["--all-namespaces"], 4),
]


@pytest.mark.parametrize(
    ("words", "offered", "directive"),
    COMPLETED,
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
async def test_the_shell_is_offered_what_may_come_next(
    person: Scene, words: tuple[str, ...], offered: list[str], directive: int
) -> None:
    for name in ("ml", "shop"):
        person.kube.put(NAMESPACES, written(NAMESPACES, name, {}, ""))
    told = await person.complete(*words)
    *found, last = told.out.splitlines()
    assert ([line.split("\t")[0] for line in found], last) == (offered, f":{directive}")
    assert (told.code, told.err) == (0, "")


async def test_completion_says_nothing_where_nothing_answers_or_may_be_read(person: Scene, programs: Path) -> None:
    person.server.denied = {("list", kind.plural) for kind in LOOP}
    assert (await person.complete("gates", "")).out == ":4\n"
    told = await typed("gates", "", kubeconfig=None, program=str(programs / "kubectl_complete-bucle"))
    assert told == Told(0, ":4\n", "")


async def test_kubectl_finds_the_plugin_and_completes_for_it(person: Scene, programs: Path) -> None:
    path = os.pathsep.join((str(programs), os.environ["PATH"]))
    kubectl = from_environment().program("kubectl")

    async def asked(*words: str) -> Told:
        return await typed(*words, kubeconfig=person.kubeconfig, program=kubectl, PATH=path)

    listed = await asked("plugin", "list")
    assert "/kubectl-bucle" in listed.out
    shown = await asked("bucle", "status", "-n", "ml")
    assert (shown.code, "Dataset/flights" in shown.out) == (0, True)
    assert (await asked("bucle", "status", "mlds/nope", "-n", "ml")).code == 1
    completed = await asked("__complete", "bucle", "gates", "-n", "ml", "")
    assert completed.out.splitlines() == ["flights", ":4"]


# --- what only a terminal shows -----------------------------------------------------------------------------


def on_a_terminal(kubeconfig: str, *words: str, **environment: str) -> str:
    """What `kubectl bucle` writes to a terminal of `WIDTH`."""
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
    settings = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator"), "TERM": "xterm", "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "bucle.cli", *words, "--kubeconfig", kubeconfig]
    process = subprocess.Popen(command, stdout=follower, stdin=follower, env={**settings, **environment})
    os.close(follower)
    text = b""
    with suppress(OSError):  # the terminal is gone once the process is
        while part := os.read(leader, 65536):
            text += part
    os.close(leader)
    assert process.wait(PATIENCE) == 0
    return text.decode()


async def test_a_terminal_gets_colour_and_lines_that_fit_unless_it_wants_none(person: Scene) -> None:
    shown = await asyncio.to_thread(on_a_terminal, person.kubeconfig, "status", "-n", "ml")
    assert "\x1b[32mTrue\x1b[0m" in shown and "\x1b[31mFalse (stalled)\x1b[0m" in shown
    plain = [line.rstrip("\r") for line in re.sub(r"\x1b\[\d+m", "", shown).splitlines()]
    head = plain[0].index("MESSAGE")
    assert all(len(line) <= max(WIDTH, head + 40) for line in plain) and any(line.endswith("…") for line in plain)


@pytest.mark.thorough
@pytest.mark.parametrize("unwanted", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
async def test_no_colour_where_none_is_wanted(person: Scene, unwanted: dict[str, str]) -> None:
    def show() -> str:
        return on_a_terminal(person.kubeconfig, "status", "-n", "ml", **unwanted)

    assert "\x1b" not in await asyncio.to_thread(show)


@pytest.mark.thorough
async def test_a_reader_that_has_seen_enough_ends_it_without_words(person: Scene) -> None:
    for number in range(3000):
        person.kube.put(DATASET, written(DATASET, f"d{number}", FLIGHTS["spec"], "many"))
    shell = f"{sys.executable} -m bucle.cli status -n many --kubeconfig {person.kubeconfig} | head -1"
    told = await typed("-c", shell, kubeconfig=None, program="/bin/sh")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("OBJECT")


@pytest.mark.thorough
async def test_whoever_gives_up_waiting_sees_no_traceback(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(PATIENCE)
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "kubeconfig").write_text(KUBECONFIG.format(address=address))

        def give_up() -> tuple[int, bytes, bytes]:
            command = [sys.executable, "-m", "bucle.cli", "status", "--kubeconfig", str(tmp_path / "kubeconfig")]
            settings = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator")}
            with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                connection, _ = silent.accept()
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=PATIENCE)
                connection.close()
            return process.returncode, out, err

        assert await asyncio.to_thread(give_up) == (-signal.SIGINT, b"", b"")
