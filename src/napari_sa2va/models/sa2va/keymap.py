"""Published tensor names <-> names in our network, as a list of rules that reads both ways.

A rule is a pair of name templates and, where one published tensor holds several of ours, a
transform. No tensor is loaded here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from napari_sa2va.core.errors import CheckpointError

if TYPE_CHECKING:
    import torch

    Shape = tuple[int, ...]

_FIELD = re.compile(r"\{(\w+)\}")
# `{n}` is a layer number; any other field stands for the remaining part of the name.
_PATTERNS = {"n": r"\d+"}


class Transform(Protocol):
    """How one published tensor is cut into several of ours, and put together again."""

    def split(self, published: torch.Tensor) -> list[torch.Tensor]:
        """Cut the published tensor; one tensor per native name of the rule."""

    def join(self, native: list[torch.Tensor]) -> torch.Tensor:
        """The inverse of `split`."""

    def joined_shape(self, native: list[Shape]) -> Shape:
        """Shape of the published tensor, from the shapes of ours."""


@dataclass(frozen=True)
class Same:
    """One tensor under another name."""

    def split(self, published: torch.Tensor) -> list[torch.Tensor]:
        return [published]

    def join(self, native: list[torch.Tensor]) -> torch.Tensor:
        return native[0]

    def joined_shape(self, native: list[Shape]) -> Shape:
        return native[0]


@dataclass(frozen=True)
class Stacked:
    """Tensors of equal size stacked along the first axis, e.g. q, k, v in one matrix."""

    parts: int

    def split(self, published: torch.Tensor) -> list[torch.Tensor]:
        return list(published.chunk(self.parts, dim=0))

    def join(self, native: list[torch.Tensor]) -> torch.Tensor:
        import torch

        return torch.cat(native, dim=0)

    def joined_shape(self, native: list[Shape]) -> Shape:
        return (sum(shape[0] for shape in native), *native[0][1:])


@dataclass(frozen=True)
class GroupedQkv:
    """q, k, v of grouped-query attention, interleaved per key-value head.

    The rows are, for each key-value head, `queries` heads of q, one of k and one of v. This is
    not three blocks: reading it as `Stacked` gives a model that runs and talks nonsense.
    """

    kv_heads: int
    queries: int
    head_dim: int

    def split(self, published: torch.Tensor) -> list[torch.Tensor]:
        rest = published.shape[1:]
        groups = published.view(self.kv_heads, self.queries + 2, self.head_dim, *rest)
        q, k, v = groups[:, : self.queries], groups[:, -2], groups[:, -1]
        return [part.reshape(-1, *rest) for part in (q, k, v)]

    def join(self, native: list[torch.Tensor]) -> torch.Tensor:
        import torch

        rest = native[0].shape[1:]
        q, k, v = (t.reshape(self.kv_heads, -1, self.head_dim, *rest) for t in native)
        return torch.cat([q, k, v], dim=1).reshape(-1, *rest)

    def joined_shape(self, native: list[Shape]) -> Shape:
        return (sum(shape[0] for shape in native), *native[0][1:])


@dataclass(frozen=True)
class Rule:
    """`published` is called `native` in our network.

    Attributes
    ----------
    published : str
        Template of the name in a published checkpoint, e.g. `"mlp1.0.{rest}"`.
    native : tuple of str
        Templates of our name or names, with the same fields.
    transform : Transform
        How the tensor is cut if there are several native names.
    """

    published: str
    native: tuple[str, ...]
    transform: Transform = field(default_factory=Same)

    @cached_property
    def published_pattern(self) -> re.Pattern[str]:
        return _pattern(self.published)

    @cached_property
    def native_patterns(self) -> tuple[re.Pattern[str], ...]:
        return tuple(_pattern(template) for template in self.native)


def _pattern(template: str) -> re.Pattern[str]:
    parts, end = [], 0
    for found in _FIELD.finditer(template):
        parts.append(re.escape(template[end : found.start()]))
        parts.append(f"(?P<{found[1]}>{_PATTERNS.get(found[1], '.+')})")
        end = found.end()
    return re.compile("".join(parts) + re.escape(template[end:]))


@dataclass(frozen=True)
class Target:
    """Where one published tensor goes."""

    native: tuple[str, ...]
    transform: Transform


@dataclass(frozen=True)
class KeyMap:
    """An ordered list of rules; the first that matches a name decides.

    Examples
    --------
    >>> keys = KeyMap((Rule("norm{n}.{rest}", ("block.{n}.norm.{rest}",)),))
    >>> keys.to_native("norm3.weight").native
    ('block.3.norm.weight',)
    """

    rules: tuple[Rule, ...]

    def to_native(self, published: str) -> Target | None:
        """Where a published tensor goes, or None if no rule knows it."""
        for rule in self.rules:
            found = rule.published_pattern.fullmatch(published)
            if found:
                names = tuple(template.format(**found.groupdict()) for template in rule.native)
                return Target(names, rule.transform)
        return None

    def published_shapes(self, native: Mapping[str, Shape]) -> dict[str, Shape]:
        """Names and shapes of the published checkpoint that holds tensors of these shapes."""
        return {
            name: transform.joined_shape([native[part] for part in parts])
            for name, (parts, transform) in self._grouped(native).items()
        }

    def to_published(self, native: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Give our tensors their published names and layout.

        Raises
        ------
        CheckpointError
            If a tensor has no published name, or a part of a joined one is missing.
        """
        return {
            name: transform.join([native[part] for part in parts])
            for name, (parts, transform) in self._grouped(native).items()
        }

    def _grouped(self, native: Iterable[str]) -> dict[str, tuple[list[str], Transform]]:
        """Published name -> our names in the order of the rule, and its transform."""
        slots: dict[str, dict[int, str]] = defaultdict(dict)
        rules: dict[str, Rule] = {}
        for name in native:
            published, slot, rule = self._publish(name)
            slots[published][slot] = name
            rules[published] = rule
        grouped = {}
        for published, parts in slots.items():
            rule = rules[published]
            if len(parts) != len(rule.native):
                raise CheckpointError(
                    f"{published} needs {len(rule.native)} tensors, but only "
                    f"{sorted(parts.values())} are there."
                )
            grouped[published] = ([parts[i] for i in range(len(parts))], rule.transform)
        return grouped

    def _publish(self, native: str) -> tuple[str, int, Rule]:
        for rule in self.rules:
            for slot, pattern in enumerate(rule.native_patterns):
                found = pattern.fullmatch(native)
                if found:
                    return rule.published.format(**found.groupdict()), slot, rule
        raise CheckpointError(f"The tensor {native} has no published name.")
