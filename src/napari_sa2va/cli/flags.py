"""Command-line flags, read off the settings: one flag per field, its help the field's description.

A field that is a choice of rules (key frames, direction) becomes one flag for the rule, named
after the field, and one flag for each parameter that any of the rules has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import click

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.params import Params
from napari_sa2va.presets import DEFAULT_PRESET, DESCRIPTIONS, PRESETS
from napari_sa2va.settings import RunSettings
from napari_sa2va.settings_fields import (
    SettingsField,
    fields_of,
    frame_numbers,
    settings_fields,
    with_values,
)

preset_flag = click.option(
    "--preset", "preset_name", default=DEFAULT_PRESET, show_default=True,
    type=click.Choice(list(PRESETS)),
    help=" ".join(f"{name}: {text}" for name, text in DESCRIPTIONS.items()),
)  # fmt: skip


@dataclass(frozen=True)
class Flag:
    """One flag.

    Attributes
    ----------
    field : SettingsField
        What it changes.
    option : click.Option
    """

    field: SettingsField
    option: click.Option

    @property
    def path(self) -> str:
        """Where its value goes, such as "sampling.interval"."""
        return self.field.path

    @property
    def variable(self) -> str:
        """Name under which click hands over the value."""
        return str(self.option.name)


class _FrameList(click.ParamType):
    """Frame numbers such as 0,12,30."""

    name = "t,t,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return frame_numbers(str(value))
        except RequestError as error:
            self.fail(error.message, param, ctx)


def _click_type(field: SettingsField) -> Any:
    """Turn a field's type into click's; bounds are checked by the settings themselves."""
    if field.choices:
        return click.Choice(list(field.choices))
    return _FrameList() if field.is_frame_list else field.about.annotation


def _flag(field: SettingsField) -> Flag:
    kwargs: dict[str, Any] = {"default": None, "help": field.text}
    if field.about.annotation is bool:
        return Flag(field, click.Option([f"--{field.name}/--no-{field.name}"], **kwargs))
    return Flag(field, click.Option([f"--{field.name}"], type=_click_type(field), **kwargs))


def flags_of(group: type[Params]) -> list[Flag]:
    """Return one flag per field of a settings class without rules."""
    return [_flag(field) for field in fields_of(group)]


def settings_flags(*without: str) -> list[Flag]:
    """Return one flag per settings field, in the order of the fields.

    Parameters
    ----------
    *without : str
        Fields, or groups of them, that a command has no use for: "sampling", "output.overlap".
    """
    flags = [_flag(field) for field in settings_fields()]
    return [flag for flag in flags if not _is_among(flag, without)]


def given_flags(values: dict[str, Any], *fields: str) -> list[str]:
    """The flags of these fields, or groups of them, that were given, as one types them."""
    return [
        flag.option.opts[0]
        for flag in settings_flags()
        if _is_among(flag, fields) and values.get(flag.variable) is not None
    ]


def _is_among(flag: Flag, fields: Iterable[str]) -> bool:
    return any(flag.path == field or flag.path.startswith(f"{field}.") for field in fields)


def apply_flags(settings: RunSettings, values: dict[str, Any]) -> RunSettings:
    """Change a preset's settings by the flags that were given.

    Parameters
    ----------
    settings : RunSettings
    values : dict
        What click parsed, by variable name; None means that the flag was not given. Given flags
        are taken out of the dict, and so are the others of the settings.

    Raises
    ------
    RequestError
        If a value is out of bounds, or a parameter was given that the chosen rule does not have.
    """
    asked = {flag.path: values.pop(flag.variable, None) for flag in settings_flags()}
    return with_values(settings, {path: v for path, v in asked.items() if v is not None})
