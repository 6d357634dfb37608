"""The base of every settings class: frozen, strict about names, with a `kind` where it is a choice."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """A frozen group of settings.

    The command line's flags, the dock's form, the JSON record and the table in the docs are all
    read off the fields of subclasses, so each field carries a title, a description and bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
