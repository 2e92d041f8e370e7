"""The command line of `kubectl bucle`: what may be typed, what is printed where, and the exit code. Never a traceback."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TextIO

from bucle import __version__
from bucle.cli import answers
from bucle.cli.cluster import Cluster, Login, connect
from bucle.cli.documents import Document, Loop, Request
from bucle.cli.errors import CliError, Exit, Usage
from bucle.cli.kinds import LOOP, Target, UnknownWord, target_named
from bucle.cli.output import FORMS, written
from bucle.cli.requests import SUBJECTS, VERBS
from bucle.cli.text import Screen, clean
from bucle.contracts.person import Outcome
from bucle.resources.addresses import DRIFT_POLICY, MODEL_DEPLOYMENT
from bucle.resources.base import parse_duration

DEBUG = "BUCLE_DEBUG"
FOR_EVER = 86_400.0
"""Seconds that a timeout of 0 stands for, as kubectl takes it."""
LOOK_EVERY = 0.5
EXITS = f"""exit codes: {Exit.SHOWN} shown; {Exit.NOT_FOUND} not there; {Exit.USAGE} wrong usage; {Exit.FORBIDDEN} not allowed, in whole or in part;
{Exit.UNREACHABLE} no answer from the API server; {Exit.REFUSED} what was asked is refused, or not answered yet; {Exit.FAULT} a mistake of this program ({DEBUG}=1 shows where)"""
COMMANDS = {
    "status": ("[KIND/NAME]", "the loop as a tree: data, experiment, rollout, drift, retrains"),
    "explain": ("KIND/NAME", "why an object is not ready: causes, cures, events, pods"),
    "gates": ("NAME", "what a ModelDeployment's gates rest on, with a chart"),
    "signals": ("NAME", "what a DriftPolicy found on its windows, with a chart"),
    **{verb: ("NAME", told) for verb, told in VERBS.items()},
    "version": ("", "the version of this program"),
}
ONLY = {"gates": MODEL_DEPLOYMENT, "signals": DRIFT_POLICY, **dict.fromkeys(VERBS, DRIFT_POLICY)}
"""Commands that are about objects of one kind, so that a name is enough."""


def run(arguments: Sequence[str]) -> int:
    """What was typed after `kubectl bucle`, answered; the exit code. SystemExit for help and for wrong usage."""
    options = parser().parse_args(arguments)
    try:
        return _shown(options)
    except CliError as error:
        _say(f"error: {error}")
        return error.code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 whatever it was, a person gets words and not our lines of code
        if os.environ.get(DEBUG):
            traceback.print_exc()
        _say(f"error: a mistake of kubectl-bucle {__version__}: {type(error).__name__}: {error}. {DEBUG}=1 shows where")
        return Exit.FAULT


def parser() -> argparse.ArgumentParser:
    kinds = ", ".join(resource.kind.lower() for resource in LOOP)
    made = argparse.ArgumentParser(
        prog="kubectl bucle",
        description="Shows what Bucle does and why, with your own rights. It changes nothing but what you ask by approve, reject, retrain and mute.",
        epilog=EXITS,
        allow_abbrev=False,
    )
    _add_common(made, None)
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (what, told) in COMMANDS.items():
        one = commands.add_parser(
            name,
            help=told,
            description=f"{told[0].upper()}{told[1:]}." if name in VERBS else f"Shows {told}.",
            epilog=EXITS,
            allow_abbrev=False,
        )
        _add_common(one, argparse.SUPPRESS)
        if what:
            many = "*" if what.startswith("[") else "+"
            one.add_argument(
                "target", nargs=many, metavar=what.strip("[]"), help=f"kinds: {kinds}, or their short names"
            )
        if name in VERBS:
            _add_request(one, name)
        if name == "status":
            one.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces")
    return made


def login_of(options: argparse.Namespace) -> Login:
    """Usage when a flag's value means nothing."""
    return Login(
        options.kubeconfig,
        options.context,
        options.namespace,
        _seconds(options.request_timeout, "--request-timeout") or FOR_EVER,
    )


def _add_common(to: argparse.ArgumentParser, default: object) -> None:
    """kubectl takes these before and after the command; what stands after it must not undo what stood before."""
    to.add_argument("-n", "--namespace", default=default, help="namespace; left out: that of the context")
    to.add_argument("--context", default=default, help="context of the kubeconfig")
    to.add_argument("--kubeconfig", default=default, help="kubeconfig file; left out: $KUBECONFIG or ~/.kube/config")
    to.add_argument("--request-timeout", default=default or "30s", help="longest wait for one answer, such as 10s")
    to.add_argument("-o", "--output", choices=FORMS, default=default or "table", help="form of the answer")


def _add_request(to: argparse.ArgumentParser, verb: str) -> None:
    flag = SUBJECTS.get(verb)
    to.set_defaults(subject=None)
    if flag is not None:
        to.add_argument(f"--{flag}", dest="subject", help=f"name of the {flag}; left out: the only one that it can be")
    to.add_argument("--wait", default="30s", help="longest wait for the operator's answer, such as 10s; 0s: none")


def _shown(options: argparse.Namespace) -> int:
    if options.command == "version":
        sys.stdout.write(f"kubectl-bucle {__version__}\n")
        return Exit.SHOWN
    everywhere = bool(getattr(options, "all_namespaces", False))
    document = _answer(options, everywhere=everywhere)
    whole = bool(getattr(options, "target", None))
    now, screen = datetime.now(UTC), _screen(sys.stdout)
    text = written(document, options.output, screen, now, namespaces=everywhere, whole=whole)
    sys.stdout.write(text)
    sys.stdout.flush()
    if isinstance(document, Loop) and document.empty:
        _say(document.empty)
    for note in document.notes:
        _say(f"note: {note}")
    if isinstance(document, Request):
        return Exit.SHOWN if document.outcome == Outcome.DONE else Exit.REFUSED
    # A tree with holes must not look whole to a script.
    return Exit.FORBIDDEN if document.notes and isinstance(document, Loop) else Exit.SHOWN


def _answer(options: argparse.Namespace, *, everywhere: bool) -> Document:
    try:
        target = target_named(options.target, ONLY.get(options.command)) if options.target else None
    except UnknownWord as error:
        raise Usage(str(error)) from error
    with connect(login_of(options)) as cluster:
        if options.command == "status":
            return answers.status(cluster, target, everywhere=everywhere)
        assert target is not None, "argparse asks for one"
        if options.command in VERBS:
            return _asked(cluster, target, options)
        return _OF_ONE[options.command](cluster, target)


def _asked(cluster: Cluster, target: Target, options: argparse.Namespace) -> Request:
    """Asks once, and looks for the answer until it is there or the wait is over."""
    patience = _seconds(options.wait, "--wait")
    given_up = time.monotonic() + patience
    # Two that a person asks within a second are two.
    nonce = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    found = answers.request(cluster, target, options.command, options.subject, nonce)
    while found.outcome is None and time.monotonic() < given_up:
        time.sleep(LOOK_EVERY)
        found = answers.answer(cluster, target, found.request)
    return found


_OF_ONE: dict[str, Callable[[Cluster, Target], Document]] = {
    "explain": answers.explanation,
    "gates": answers.gates,
    "signals": answers.signals,
}


def _seconds(text: str, flag: str) -> float:
    """`30s`, or a number of seconds, as kubectl takes it."""
    try:
        return float(text) if text.isdigit() else parse_duration(text).total_seconds()
    except ValueError as error:
        raise Usage(f"{flag}: {error}") from error


def _screen(stream: TextIO) -> Screen:
    """A terminal tells its width; `COLUMNS` does for whoever wants lines cut without one."""
    terminal = stream.isatty()
    columns = os.environ.get("COLUMNS", "")
    width = shutil.get_terminal_size().columns if terminal else int(columns) if columns.isdigit() else None
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") not in ("", "dumb")
    encoding = (stream.encoding or "ascii").lower()
    return Screen(width or None, colour, encoding.startswith("utf"))


def _say(text: str) -> None:
    sys.stderr.write(clean(text) + "\n")
