"""The fields of the settings one by one, under the names that people give them.

The flags of the command line and the columns of a table of movies are read off the same list. A
field that is a choice of rules (key frames, direction) is one entry for the rule, named after the
field, and one entry for each parameter that any of the rules has.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.flag_names import flag_name
from napari_sa2va.core.params import Params
from napari_sa2va.settings import (
    MemorySettings,
    ModelSettings,
    OutputSettings,
    RunSettings,
    TrackingSettings,
)

P = TypeVar("P", bound=Params)
Value = str | int | float | bool | tuple[int, ...]
"""What a field that is no rule can be; of a rule, its kind."""
_ANSWERS = "Write one of true, false, yes, no, 1, 0."


@dataclass(frozen=True)
class SettingsField:
    """One field.

    Attributes
    ----------
    path : str
        Where its value goes, such as "sampling.interval".
    about : FieldInfo
        Its type, bounds, title and description.
    owners : tuple of str
        For a parameter of a rule, the kinds of rule that have it; empty otherwise.
    choices : tuple of str
        What it can be, where it is a choice.
    """

    path: str
    about: FieldInfo
    owners: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What people call it: its flag without dashes."""
        return flag_name(self.path)

    @property
    def text(self) -> str:
        """What it is, in a sentence or two."""
        said = str(self.about.description or self.about.title or "")
        return f"{said.rstrip('.')} (for {', '.join(self.owners)})." if self.owners else said

    @property
    def is_frame_list(self) -> bool:
        """Whether it is several frame numbers."""
        return typing.get_origin(self.about.annotation) is tuple

    @cached_property
    def _adapter(self) -> TypeAdapter[Value]:
        about = self.about
        if not about.metadata:
            return TypeAdapter(about.annotation)
        return TypeAdapter(Annotated[about.annotation, *about.metadata])

    def value_of(self, text: str) -> Value:
        """Read what people write into a table.

        Raises
        ------
        RequestError
            If it is none of the choices, out of bounds or of another kind.
        """
        text = text.strip()
        if self.choices and text not in self.choices:
            raise RequestError(
                f"{text!r} is no {self.name}.", f"Write one of {', '.join(self.choices)}."
            )
        if _rules(self.about.annotation):
            return text
        try:
            given = frame_numbers(text) if self.is_frame_list else text
            value: Value = self._adapter.validate_python(given)
        except ValidationError as error:
            wrong = error.errors()[0]
            if wrong["type"] == "bool_parsing":
                raise RequestError(f"{text!r} is no {self.name}.", _ANSWERS) from None
            raise RequestError(f"{text!r}: {wrong['msg']}.", self.text) from None
        return value


def frame_numbers(text: str) -> tuple[int, ...]:
    """Frame numbers that are written as 0,12,30.

    Raises
    ------
    RequestError
        If they are not.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise RequestError(
            f"{text!r} is no list of frame numbers such as 0,12,30.", "Write numbers and commas."
        ) from None


def _rules(annotation: object) -> list[type[Params]]:
    """The settings classes of a union; none of a plain field."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [a for a in typing.get_args(annotation) if isinstance(a, type)]
    return []


def fields_of(group: type[Params], prefix: str = "") -> Iterator[SettingsField]:
    """The fields of a settings class, each rule followed by its parameters.

    Parameters
    ----------
    group : type
    prefix : str
        Path of the group, such as "model".
    """
    for name, about in group.model_fields.items():
        yield from _entries(f"{prefix}.{name}" if prefix else name, about)


def _entries(path: str, about: FieldInfo) -> Iterator[SettingsField]:
    rules = {rule.model_fields["kind"].default: rule for rule in _rules(about.annotation)}
    if not rules:
        is_choice = typing.get_origin(about.annotation) is Literal
        choices = typing.get_args(about.annotation) if is_choice else ()
        yield SettingsField(path, about, choices=choices)
        return
    yield SettingsField(path, about, choices=tuple(rules))
    parameters: dict[str, list[str]] = {}
    for kind, rule in rules.items():
        for name in rule.model_fields:
            if name != "kind":
                parameters.setdefault(name, []).append(kind)
    for name, owners in parameters.items():
        (entry,) = _entries(f"{path}.{name}", rules[owners[0]].model_fields[name])
        yield SettingsField(entry.path, entry.about, tuple(owners), entry.choices)


@cache
def settings_fields() -> tuple[SettingsField, ...]:
    """All fields of `RunSettings` but the preset, in their order."""
    fields = RunSettings.model_fields
    return (
        *fields_of(ModelSettings, "model"),
        *_entries("sampling", fields["sampling"]),
        *_entries("view", fields["view"]),
        *fields_of(TrackingSettings, "tracking"),
        *fields_of(MemorySettings, "memory"),
        *fields_of(OutputSettings, "output"),
    )


def with_values(
    settings: RunSettings, values: Mapping[str, Value], *, said: str = "--{}"
) -> RunSettings:
    """Change settings by the fields that were given.

    Parameters
    ----------
    settings : RunSettings
    values : mapping
        By path. A rule is given by its kind; a new one keeps the number of key frames.
    said : str
        What a field is called where it was given, for messages.

    Raises
    ------
    RequestError
        If a value is out of bounds, or a parameter was given that the chosen rule does not have.
    """
    if not values:
        return settings
    tree = settings.model_dump()
    given = [field for field in settings_fields() if field.path in values]
    # The rule first, so that its parameters meet the right one.
    for field in sorted(given, key=lambda field: len(field.owners)):
        value = values[field.path]
        *parents, leaf = field.path.split(".")
        node = tree
        for parent in parents:
            node = node[parent]
        if field.owners and node["kind"] not in field.owners:
            raise RequestError(
                f"{said.format(field.name)} was given, but the rule in use is {node['kind']!r}.",
                f"It is for {', '.join(field.owners)}.",
            )
        if isinstance(node.get(leaf), dict):  # a rule, chosen by its kind
            kept = node[leaf].get("num_key_frames") if value != "manual" else None
            node[leaf] = {"kind": value, **({"num_key_frames": kept} if kept else {})}
        else:
            node[leaf] = value
    return validated(RunSettings, tree)


def validated(group: type[P], values: Mapping[str, object]) -> P:
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
            "See what is allowed (--help).",
        ) from None


def differences(usual: RunSettings, chosen: RunSettings) -> dict[str, Value]:
    """What of settings differs from usual ones, by path, as `with_values` takes it."""
    return dict(_differences("", usual, chosen))


def _differences(path: str, usual: BaseModel, chosen: BaseModel) -> Iterable[tuple[str, Value]]:
    for name in type(chosen).model_fields:
        if name in ("preset", "kind"):
            continue
        here = f"{path}.{name}" if path else name
        a, b = getattr(usual, name, None), getattr(chosen, name)
        if isinstance(a, BaseModel) and isinstance(b, BaseModel):
            if type(a) is type(b):
                yield from _differences(here, a, b)
            else:
                yield here, b.model_dump()["kind"]
                yield from _of_rule(here, a, b)
        elif a != b:
            yield here, b


def _of_rule(path: str, usual: BaseModel, rule: BaseModel) -> Iterable[tuple[str, Value]]:
    """The parameters of a rule that was chosen instead of the usual one."""
    kind = rule.model_dump()["kind"]
    for name, field in type(rule).model_fields.items():
        if name == "kind":
            continue
        default = field.default
        # Whoever names another rule for key frames keeps their number.
        if name == "num_key_frames" and kind != "manual":
            default = getattr(usual, name, None) or default
        if getattr(rule, name) != default:
            yield f"{path}.{name}", getattr(rule, name)
