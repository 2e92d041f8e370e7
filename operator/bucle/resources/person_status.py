"""What people asked of an object by its annotation, and what came of it: the same in the status of every kind."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bucle.resources.base import ListType, Model, Short, Text, Timestamp


class PersonAction(Model):
    """One request."""

    verb: Short = Field(default="", description="What was asked; empty when the annotation could not be read.")
    subject: Short = Field(default="", description="About what.")
    nonce: Short = Field(default="", description="The person's own word, which makes the request one of its own.")
    outcome: Short | None = Field(default=None, description="Done or Refused.")
    message: Text | None = Field(default=None, description="What was done, or why not.")
    by: Short | None = Field(
        default=None, description="Which program set the annotation, by metadata.managedFields: a note, no identity."
    )
    asked_at: Timestamp | None = Field(default=None, description="When that program wrote, by metadata.managedFields.")
    at: Timestamp | None = Field(default=None, description="When it was done or refused.")


PersonActions = Annotated[tuple[PersonAction, ...], ListType(), Field(max_length=20)]
