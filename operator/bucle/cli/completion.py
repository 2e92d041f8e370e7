"""What the shell offers next: kubectl runs `kubectl_complete-bucle` with the words typed so far, the last one unfinished.

The answer is that of cobra, kubectl's own library: a candidate a line, then `:` and what the shell should do with them. A
cluster that does not answer soon, or forbids it, offers nothing and says nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

from bucle.cli.cluster import NAMESPACE, Login, connect, contexts
from bucle.cli.command import COMMANDS, ONLY
from bucle.cli.errors import CliError
from bucle.cli.kinds import LOOP, UnknownWord, kind_named
from bucle.cli.output import FORMS
from bucle.resources.addresses import Resource

NO_FILES = 4
NO_SPACE_NO_FILES = 6
PATIENCE = 3.0
"""Seconds; a person waits with the key pressed."""
FLAGS = {
    "--namespace": "namespace",
    "--context": "context of the kubeconfig",
    "--kubeconfig": "kubeconfig file",
    "--request-timeout": "longest wait for one answer",
    "--output": "table, json or yaml",
}
OF_REQUESTS = ("--retrain", "--signal", "--wait")
"""Flags of single commands whose value is no argument."""
SHORT = {"-n": "--namespace", "-o": "--output"}


class Wanted(NamedTuple):
    """What may come next. `what`: commands, flags, kinds, names (of `kind`), namespaces, contexts, forms, or nothing."""

    what: str
    prefix: str = ""
    kind: Resource | None = None
    before: str = ""
    """What each candidate begins with: `dataset/`, or `--namespace=`."""
    login: Login = Login(timeout=PATIENCE)


def wanted(words: Sequence[str]) -> Wanted:
    """`words`: all that was typed after `kubectl bucle`; the last one is what the cursor stands in, perhaps empty."""
    *done, current = words or [""]
    values, plain, open_flag = _read(done)
    login = Login(values.get("--kubeconfig"), values.get("--context"), values.get("--namespace"), PATIENCE)
    if open_flag:
        return _value_of(open_flag, current, "", login)
    if current.startswith("--") and "=" in current:
        flag, _, begun = current.partition("=")
        return _value_of(flag, begun, f"{flag}=", login)
    if current.startswith("-"):
        return Wanted("flags", current)
    if not plain:
        return Wanted("commands", current)
    return _argument(plain, current, login)


def offer(want: Wanted) -> tuple[list[str], int]:
    """Candidates, each perhaps with a tabulator and a description; and what the shell should do."""
    directive = NO_FILES
    match want.what:
        case "commands":
            found = [f"{name}\t{told}" for name, (_, told) in COMMANDS.items()]
        case "flags":
            found = [f"{flag}\t{told}" for flag, told in FLAGS.items()] + ["--all-namespaces\tall namespaces"]
        case "kinds":
            found, directive = [f"{resource.kind.lower()}/" for resource in LOOP], NO_SPACE_NO_FILES
        case "forms":
            found = list(FORMS)
        case "contexts":
            found = contexts(want.login)
        case "names" | "namespaces":
            found = _names(want)
        case "files":
            return [], 0
        case _:
            found = []
    return [want.before + one for one in found if one.startswith(want.prefix)], directive


def run(words: Sequence[str]) -> int:
    """What was typed after `kubectl bucle`; always 0."""
    try:
        found, directive = offer(wanted(words))
    except Exception:  # noqa: BLE001 nothing may be written into the line that a person is typing
        found, directive = [], NO_FILES
    sys.stdout.write("".join(f"{line}\n" for line in [*found, f":{directive}"]))
    return 0


def _read(done: Sequence[str]) -> tuple[dict[str, str], list[str], str]:
    """Values of flags, words that are no flags, and the flag whose value is being typed."""
    values: dict[str, str] = {}
    plain: list[str] = []
    waiting = ""
    for word in done:
        if waiting:
            values[waiting], waiting = word, ""
        elif word.startswith("-"):
            flag, equals, value = word.partition("=")
            flag = SHORT.get(flag, flag)
            if equals:
                values[flag] = value
            elif flag in FLAGS or flag in OF_REQUESTS:
                waiting = flag
        else:
            plain.append(word)
    return values, plain, waiting


def _value_of(flag: str, begun: str, before: str, login: Login) -> Wanted:
    what = {"--namespace": "namespaces", "--context": "contexts", "--output": "forms", "--kubeconfig": "files"}
    return Wanted(what.get(flag, "nothing"), begun, before=before, login=login)


def _argument(plain: Sequence[str], current: str, login: Login) -> Wanted:
    command, given = plain[0], plain[1:]
    only = ONLY.get(command)
    if only is not None and not given:
        return Wanted("names", current, only, login=login)
    if command not in ("status", "explain") or len(given) > 1:
        return Wanted("nothing")
    kind, slash, begun = current.partition("/")
    try:
        if given:
            return Wanted("names", current, kind_named(given[0]), login=login)
        return Wanted("names", begun, kind_named(kind), f"{kind}/", login) if slash else Wanted("kinds", current)
    except UnknownWord:
        return Wanted("nothing")


def _names(want: Wanted) -> list[str]:
    try:
        with connect(want.login) as cluster:
            items = cluster.list_all(want.kind or NAMESPACE, None if want.kind is None else cluster.namespace)
    except CliError:
        return []
    return sorted(str(item["metadata"]["name"]) for item in items)
