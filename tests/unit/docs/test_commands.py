"""Every command that a page tells people to type: its target, chart values, flags, files, objects and fields exist.

Charts are rendered for real. kubectl's words are checked against a grammar of what the pages use, since no cluster runs here; the
story in tests/cluster runs the installation itself.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

import pytest
from hack.cluster.layout import from_environment
from tests.support.pages import PAGES, PROGRAMS, ROOT, Block, Command, blocks, commands, is_console, lines_of

from bucle.cli.command import ONLY
from bucle.cli.command import parser as plugin
from bucle.cli.kinds import target_named
from bucle.pods.serve.app import application
from bucle.pods.serve.server import Server
from bucle.resources import KINDS
from bucle.resources.crd import crd_document, root_schema

ALL = [command for page in PAGES for command in commands(page)]
# Written by the reader, not found in the repository.
OWN_FILES = re.compile(r"^(my-|@?request|@?labels)")
CHOICES = {"CLUSTER", "KUBECONFIG", "REGISTRY"}

BUILTIN = {"pods", "jobs", "secret", "namespace", "deployment", "service", "job", "crd", "events", "configmap", "lease"}
NAMESPACED = {"--namespace", "-n"}
VERBS: Mapping[str, set[str]] = {
    "get": {"--all-namespaces", "-o", "-l"},
    "describe": set(),
    "events": {"--for"},
    "apply": {"-f", "-k", "--server-side", "--force-conflicts"},
    "kustomize": set(),
    "delete": {"-f", "--all-namespaces", "--field-selector"},
    "create": {"--from-literal"},
    "label": set(),
    "annotate": {"--overwrite"},
    "diff": set(),
    "wait": {"--for"},
    "scale": set(),
    "patch": {"--patch-file"},
    "logs": {"--tail", "-l"},
    "port-forward": set(),
}
WITH_VALUE = {
    "--namespace",
    "-n",
    "-o",
    "-l",
    "--for",
    "-f",
    "-k",
    "--field-selector",
    "--from-literal",
    "--tail",
    "--patch-file",
}


def of(program: str) -> list[Command]:
    return [command for command in ALL if command.program.startswith(program)]


def test_the_pages_are_read_at_all() -> None:
    assert {program for program in PROGRAMS if not of(program)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_is_something_that_is_checked(page: Any) -> None:
    def known(block: Block) -> bool:
        drawing = not block.label and re.search("[─▶]", block.text)
        return bool(drawing) or is_console(block) or block.label.split()[0] in ("yaml", "json", "text")

    assert [block.text for block in blocks(page) if not known(block)] == []
    typed = [line for block in blocks(page) if is_console(block) for line in lines_of(block.text)]
    assert len(typed) <= len(list(commands(page)))


def test_every_program_is_one_that_is_checked() -> None:
    unknown = [str(c) for c in ALL if not c.program.startswith(PROGRAMS)]
    assert unknown == [], "teach this test the program"


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_make(command: Command) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.M))
    plain = {word for word in command.words[1:] if "=" not in word}
    assert plain <= targets
    assert {word.partition("=")[0] for word in command.words[1:] if "=" in word} <= CHOICES


@cache
def helm_help(verb: str) -> str:
    return subprocess.run(
        [from_environment().program("helm"), verb, "--help"], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("command", of("helm"), ids=str)
def test_helm(command: Command) -> None:
    verb, rest = command.words[1], [word for word in command.words[2:] if word not in ("…", "CHART")]
    flags = {word.partition("=")[0] for word in rest if word.startswith("-")}
    assert {flag for flag in flags if not re.search(rf"(^|\s){flag}\b", helm_help(verb))} == set()
    if verb not in ("install", "upgrade", "template") or "." not in rest:
        return
    values = [word for at, word in enumerate(rest) if word == "--set" or (at and rest[at - 1] == "--set")]
    # Whoever installs has a cluster, where the store's keys are looked up; here they are given.
    keys = () if verb == "template" else ("--set", "storage.credentials.accessKey=a,storage.credentials.secretKey=b")
    rendering = [
        from_environment().program("helm"),
        "template",
        "bucle",
        str(ROOT),
        "--namespace",
        "bucle-system",
        *keys,
        *values,
    ]
    done = subprocess.run(rendering, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", of("python"), ids=str)
def test_python(command: Command) -> None:
    if command.words[1] == "-m":
        assert importlib.util.find_spec(command.words[2]) is not None
    else:
        assert (ROOT / command.words[1]).exists()


@pytest.mark.parametrize("command", of("pip"), ids=str)
def test_pip(command: Command) -> None:
    """Installs from files and extras that exist."""
    verb, *words = command.words[1:]
    assert verb == "install"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    flags = [word for word in words if word.startswith("-")]
    assert set(flags) <= {"-r", "--require-hashes", "--no-deps"}
    for word in words:
        if word not in flags:
            package, _, extra = word.rstrip("]").partition("[")
            assert not extra or extra in extras
            assert package == "bucle-operator" or (ROOT / package).exists(), word


@pytest.mark.parametrize("command", of("sed"), ids=str)
def test_sed_gives_every_image_of_the_plain_install_another_registry(command: Command) -> None:
    manifest = (ROOT / "manifests/install.yaml").read_text()
    done = subprocess.run(command.words, input=manifest, capture_output=True, text=True, check=True).stdout
    assert "localhost/" in manifest and "localhost/" not in done
    images = set(re.findall(r"registry\.example\.com/ml/bucle-([a-z]+):dev", done))
    assert images == {"operator", "worker", "serve", "mlflow", "router", "store"}


@pytest.mark.parametrize("command", of("curl"), ids=str)
def test_curl(command: Command) -> None:
    """Calls a path that model servers have, with a file that the page shows."""
    path = next(word for word in command.words if word.startswith("http")).split(":8000", 1)[1]
    routes = application(cast(Server, None)).routes
    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    assert any(route.matches(scope)[0].name == "FULL" for route in routes), path
    file = command.words[command.words.index("-d") + 1]
    assert OWN_FILES.match(file)


def kinds_by_word() -> dict[str, str]:
    """Every word kubectl takes for one of our kinds: plural, singular, short name."""
    found: dict[str, str] = {}
    for kind, type_ in KINDS.items():
        names = crd_document(type_)["spec"]["names"]
        found |= dict.fromkeys([names["plural"], names["singular"], *names["shortNames"]], kind)
    return found


@pytest.mark.parametrize("command", of("kubectl"), ids=str)
def test_kubectl(command: Command) -> None:
    if command.words[1:] == ("bucle",):
        return
    if command.words[1] == "bucle":
        options = plugin().parse_args(command.words[2:])
        assert not getattr(options, "target", None) or target_named(options.target, ONLY.get(options.command))
        return
    flags, plain = parted(command.words[1:])
    verb, objects = plain[0], plain[1:]
    assert verb in VERBS, f"teach this test what `kubectl {verb}` takes"
    assert {flag for flag, _ in flags} <= VERBS[verb] | NAMESPACED
    for flag, value in flags:
        if flag in ("-f", "-k", "--patch-file"):
            assert value == "-" or OWN_FILES.match(value) or (ROOT / value).exists(), value
        if flag == "-o" and value.startswith("jsonpath="):
            assert field_exists(kinds_by_word()[objects[0]], value), value
    if {flag for flag, _ in flags} & {"-l", "--field-selector"}:
        assert len(objects) <= 1, "kubectl takes a selector or names, not both"
    for word in kinds_named(verb, objects):
        assert word in BUILTIN or word in kinds_by_word() or word in ("bucle", "generic"), word


def parted(words: tuple[str, ...]) -> tuple[list[tuple[str, str]], list[str]]:
    """Flags with their values, and the other words."""
    flags, plain, left = [], [], list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            plain.append(word)
        elif "=" in word:
            flags.append((word.partition("=")[0], word.partition("=")[2]))
        else:
            flags.append((word, left.pop(0) if word in WITH_VALUE else ""))
    return flags, plain


def kinds_named(verb: str, objects: list[str]) -> Iterator[str]:
    """The kinds among the words: `pods,jobs`, `deployment/name`, or the word before a name."""
    if objects and verb not in ("apply", "events", "kustomize"):
        yield from objects[0].partition("/")[0].split(",")


def field_exists(kind: str, jsonpath: str) -> bool:
    """Whether the kind's schema has the field that `{.a.b}` names."""
    schema: Any = root_schema(KINDS[kind])
    for part in re.sub(r"\[.*?\]", "", jsonpath.removeprefix("jsonpath=").strip("{}'")).strip(".").split("."):
        schema = schema.get("items", schema).get("properties", {}).get(part)
        if schema is None:
            return False
    return True


def test_the_checks_themselves_can_fail() -> None:
    assert not field_exists("Dataset", "jsonpath={.status.nothing}")
    assert field_exists("ModelDeployment", "jsonpath={.status.rollout.waitingFor}")
    with pytest.raises(AssertionError, match="selector or names"):
        test_kubectl(Command(ROOT / "README.md", ("kubectl", "delete", "secret", "x", "--field-selector", "a=b")))
    with pytest.raises(AssertionError):
        test_make(Command(ROOT / "README.md", ("make", "no-such-target")))
    with pytest.raises(AssertionError):
        test_helm(Command(ROOT / "README.md", ("helm", "uninstall", "bucle", "--no-such-flag")))
    with pytest.raises(AssertionError):
        test_helm(Command(ROOT / "README.md", ("helm", "install", "bucle", ".", "--set", "no.such=value")))
