"""Keys of the viewer that are a review's for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.viewer import Viewer


class ReviewKeys:
    """Binds keys on the viewer while they are wanted, and puts back what they did before.

    A layer that is active comes before the viewer, so keys that Labels or Image layers have never
    get here: such are 1 to 7, B, C, E, F, L, M, O, P, X, Y, Z and brackets.

    Parameters
    ----------
    viewer : napari.Viewer
    actions : mapping of str to callable
        By key, as napari names keys.
    are_wanted : callable
        Whether the keys are the review's now. Nobody tells when that changes: see `look`.
    """

    def __init__(
        self,
        viewer: Viewer,
        actions: Mapping[str, Callable[[], object]],
        are_wanted: Callable[[], bool],
    ) -> None:
        self._viewer = viewer
        self._actions = actions
        self._are_wanted = are_wanted
        self._before: dict[str, Any] | None = None

    @property
    def are_taken(self) -> bool:
        """Whether the keys are the review's."""
        return self._before is not None

    def look(self) -> None:
        """Bind the keys, or give them back, as they are wanted now; to be called often."""
        if self.are_taken and not self._are_wanted():
            self.give_back()
        elif not self.are_taken and self._are_wanted():
            self._take()

    def give_back(self) -> None:
        """Let the keys do what they did before."""
        before, self._before = self._before, None
        for key, action in (before or {}).items():
            self._viewer.bind_key(key, None)
            if action is not None:
                self._viewer.bind_key(key, action)

    def _take(self) -> None:
        self._before = {}
        for key, action in self._actions.items():
            self._before[key] = self._viewer.bind_key(key, None, overwrite=True)
            self._viewer.bind_key(key, self._if_wanted(action))

    def _if_wanted(self, action: Callable[[], object]) -> Callable[[Any], None]:
        def call(viewer: Any) -> None:
            if self._are_wanted():  # a key may be faster than the next look
                action()

        return call
