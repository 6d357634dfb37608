"""Command-line flags, read off the settings: one flag per field, its help the field's description.

A field that is a choice of rules (key frames, direction) becomes one flag for the rule, named
after the field, and one flag for each parameter that any of the rules has.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.flag_names import flag_name
from napari_sa2va.core.params import Params
from napari_sa2va.presets import DEFAULT_PRESET, DESCRIPTIONS, PRESETS
from napari_sa2va.settings import (
    MemorySettings,
    ModelSettings,
    OutputSettings,
    RunSettings,
    TrackingSettings,
)

P = TypeVar("P", bound=Params)

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
    path : str
        Where its value goes, such as "sampling.interval".
    owners : tuple of str
        For a parameter of a rule, the kinds of rule that have it; empty otherwise.
    option : click.Option
    """

    path: str
    owners: tuple[str, ...]
    option: click.Option

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
            return tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of frame numbers such as 0,12,30", param, ctx)


def _click_type(annotation: Any) -> Any:
    """Turn a field's type into click's; bounds are checked by the settings themselves."""
    if typing.get_origin(annotation) is Literal:
        return click.Choice(list(typing.get_args(annotation)))
    if typing.get_origin(annotation) is tuple:
        return _FrameList()
    return annotation


def _make(path: str, field: FieldInfo, owners: tuple[str, ...], choices: list[str]) -> Flag:
    name = flag_name(path)
    text = str(field.description or field.title or "")
    if owners:
        text = f"{text.rstrip('.')} (for {', '.join(owners)})."
    kwargs: dict[str, Any] = {"default": None, "help": text}
    if field.annotation is bool:
        return Flag(path, owners, click.Option([f"--{name}/--no-{name}"], **kwargs))
    kind = click.Choice(choices) if choices else _click_type(field.annotation)
    return Flag(path, owners, click.Option([f"--{name}"], type=kind, **kwargs))


def _rules(annotation: Any) -> list[type[Params]]:
    """Return the settings classes of a union, or nothing for a plain field."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [a for a in typing.get_args(annotation) if isinstance(a, type)]
    return []


def _flags_of(prefix: str, group: type[Params]) -> Iterable[Flag]:
    for field_name, field in group.model_fields.items():
        path = f"{prefix}.{field_name}" if prefix else field_name
        rules = _rules(field.annotation)
        if rules:
            yield from _flags_of_rules(path, field, rules)
        else:
            yield _make(path, field, (), [])


def _flags_of_rules(path: str, field: FieldInfo, rules: list[type[Params]]) -> Iterable[Flag]:
    kinds = {rule.model_fields["kind"].default: rule for rule in rules}
    yield _make(path, field, (), list(kinds))
    parameters: dict[str, list[str]] = {}
    for kind, rule in kinds.items():
        for name in rule.model_fields:
            if name != "kind":
                parameters.setdefault(name, []).append(kind)
    for name, owners in parameters.items():
        yield _make(f"{path}.{name}", kinds[owners[0]].model_fields[name], tuple(owners), [])


def flags_of(group: type[Params]) -> list[Flag]:
    """Return one flag per field of a settings class without rules."""
    return list(_flags_of("", group))


def settings_flags(*without: str) -> list[Flag]:
    """Return one flag per settings field, in the order of the fields.

    Parameters
    ----------
    *without : str
        Fields, or groups of them, that a command has no use for: "sampling", "output.overlap".
    """
    sampling = RunSettings.model_fields["sampling"]
    flags = [
        *_flags_of("model", ModelSettings),
        *_flags_of_rules("sampling", sampling, _rules(sampling.annotation)),
        _make("view", RunSettings.model_fields["view"], (), []),
        *_flags_of("tracking", TrackingSettings),
        *_flags_of("memory", MemorySettings),
        *_flags_of("output", OutputSettings),
    ]
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
    tree = settings.model_dump()
    given: list[tuple[Flag, Any]] = []
    for flag in settings_flags():
        value = values.pop(flag.variable, None)
        if value is not None:
            given.append((flag, value))
    # The rule first, so that its parameters meet the right one.
    for flag, value in sorted(given, key=lambda item: len(item[0].owners)):
        *parents, leaf = flag.path.split(".")
        node = tree
        for parent in parents:
            node = node[parent]
        if flag.owners and node["kind"] not in flag.owners:
            raise RequestError(
                f"{flag.option.opts[0]} was given, but the rule in use is {node['kind']!r}.",
                f"It is for {', '.join(flag.owners)}.",
            )
        if isinstance(node.get(leaf), dict):  # a rule, chosen by its kind
            kept = node[leaf].get("num_key_frames") if value != "manual" else None
            node[leaf] = {"kind": value, **({"num_key_frames": kept} if kept else {})}
        else:
            node[leaf] = value
    return validated(RunSettings, tree)


def validated(group: type[P], values: dict[str, Any]) -> P:
    """Make settings of values, or say which value is wrong.

    Raises
    ------
    RequestError
        If a value is out of bounds.
    """
    try:
        return group.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(
            f"{'.'.join(str(p) for p in first['loc'])} = {first['input']!r}: {first['msg']}.",
            "See --help for what is allowed.",
        ) from None
