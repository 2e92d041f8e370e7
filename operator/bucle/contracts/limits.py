"""The largest request, for the server that refuses it and the router that must let it through to be refused. Pure."""

from __future__ import annotations

BODY_LIMIT_BYTES = 8 * 1024 * 1024
"""Of the body of a request as a model server reads it; what has more is answered 413 (docs/limits.md says so)."""

ROUTER_BODY_LIMIT_BYTES = BODY_LIMIT_BYTES + 1024 * 1024
"""A little above the server's own limit, so that the server and not the router says 413 and why."""
