"""What came and counts for nothing, as ModelDeployment and DriftPolicy report it."""

from __future__ import annotations

from pydantic import Field

from bucle.resources.base import Model


class UncountedStatus(Model):
    """Rows and labels that came and count for nothing, by reason; a reason without any is left out."""

    ungrouped: int | None = Field(default=None, description="Labelled rows without a group.")
    misdated: int | None = Field(default=None, description="Labelled rows dated long after they were received.")
    unjoined: int | None = Field(default=None, description="Labels that belong to no answer.")
    unreadable: int | None = Field(default=None, description="Labels of no class, or answers that cannot be read.")
