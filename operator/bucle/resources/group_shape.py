"""What groups look like beside their mean and spread, as a status tells it."""

from __future__ import annotations

from pydantic import Field

from bucle.resources.base import DecimalString, Model


class GroupShape(Model):
    """Of the groups that a mean was taken over; left out by an older release."""

    lag: DecimalString | None = Field(default=None, description="How much neighbours are alike, freed of its bias.")
    skew: DecimalString | None = Field(default=None, description="To which side the groups scatter.")
    kish: DecimalString | None = Field(default=None, description="Groups of equal size that would weigh the same.")
