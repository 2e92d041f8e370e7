"""The CRD files of the repository: plain documents for `kubectl apply`, and the same ones as chart templates.

Makes text only; who writes or compares it is the command line.
"""

from __future__ import annotations

from typing import Any

import yaml

from bucle.resources.crd import crd_document
from bucle.resources.documents import KINDS

_HEADER = "# Made by `python -m bucle crds` from operator/bucle/resources; do not edit.\n"


def plain_files() -> dict[str, str]:
    """File name → text of each CRD, the same bytes every time."""
    return {f"{kind.plural}.yaml": _HEADER + _dump(crd_document(kind)) for kind in sorted(KINDS.values(), key=_plural)}


def template_files() -> dict[str, str]:
    """The same documents as chart templates, behind the chart's switch and never deleted with the release."""
    files = {}
    for kind in sorted(KINDS.values(), key=_plural):
        document = crd_document(kind)
        document["metadata"]["annotations"]["helm.sh/resource-policy"] = "keep"
        body = _escaped(_HEADER + _dump(document))
        files[f"{kind.plural}.yaml"] = "{{- if .Values.crds.enabled }}\n" + body + "{{- end }}\n"
    return files


def _plural(kind: Any) -> str:
    return str(kind.plural)


class _InFull(yaml.SafeDumper):
    """No anchors: a part that stands twice is written twice, and every tool that reads YAML can read it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _dump(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_InFull, sort_keys=False, allow_unicode=True, width=110)


def _escaped(text: str) -> str:
    """A `{{` inside a description would be read by the template engine."""
    return text.replace("{{", '{{ "{{" }}')
