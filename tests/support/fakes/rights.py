"""What the chart allows the operator, read from the plain install: the API server in memory refuses everything else."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from bucle.resources.addresses import Resource

INSTALL = Path(__file__).resolve().parents[3] / "manifests/install.yaml"
VERBS = {
    "apply": "patch",
    "merge": "patch",
    "patch_annotations": "patch",
    "replace": "update",
    "replace_status": "update",
}
"""How RBAC calls what the client does; the other verbs have one name."""

Right = tuple[str, str, str]
"""Group, resource (with its subresource), verb."""


class NotGranted(BaseException):
    """Not an Exception: an engine that treats it as one more refusal would let the test pass."""


def granted(component: str) -> frozenset[Right]:
    """All rights of that component's ServiceAccount; the roles of people are another component's."""
    documents = yaml.load_all(INSTALL.read_text(), Loader=yaml.CSafeLoader)
    roles = [thing for thing in documents if thing and thing["kind"].endswith("Role")]
    own = [role for role in roles if role["metadata"]["labels"]["app.kubernetes.io/component"] == component]
    return frozenset(
        (group, resource, verb)
        for role in own
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )


OF_THE_OPERATOR = granted("operator")


@cache
def needed(verb: str, resource: Resource) -> Right:
    """The right that one call of the client needs."""
    subresource = "/status" if verb == "replace_status" else ""
    return resource.group, resource.plural + subresource, VERBS.get(verb, verb)
