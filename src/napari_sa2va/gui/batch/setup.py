"""What movies that are added to a batch are to be asked, and where the masks go. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_sa2va.gui.batch.opening import words_of
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.settings import RunSettings

_LONGEST = 60


@dataclass(frozen=True)
class SetUp:
    """As the panel shows it.

    Attributes
    ----------
    sentences : tuple of str
    settings : RunSettings
    opening : OpenArguments
        How movies are opened that do not say it themselves.
    kinds : tuple of str
        Formats, by the names that `napari_sa2va.writers` has.
    place : str
        Of the batch folder; empty for one beside the first movie.
    results : str
        Folder for the outputs; empty for ``results`` in the batch folder.
    pattern : str
        Name of the outputs, see `batch.planning.naming`.
    sets : tuple of tuple of str
        All that the movies of the batch on show are asked.
    """

    sentences: tuple[str, ...] = ()
    settings: RunSettings = field(default_factory=RunSettings)
    opening: OpenArguments = field(default_factory=OpenArguments)
    kinds: tuple[str, ...] = ("ome-tiff",)
    place: str = ""
    results: str = ""
    pattern: str = ""
    sets: tuple[tuple[str, ...], ...] = ()

    @property
    def words(self) -> str:
        """What is to be found, and how, in a line.

        Examples
        --------
        >>> SetUp(("the blue cell", "the green cell")).words
        'the blue cell · the green cell – sa2va-i, nano on auto'
        """
        if not self.sentences:
            if not self.sets:
                return "No sentences yet."
            return f"{len(self.sets)} sets of sentences, such as {_listed(self.sets[0])}"
        model = self.settings.model
        opened = words_of(self.opening)
        how = f"{self.settings.preset}, {model.name} on {model.device}"
        return (
            f"{_listed(self.sentences)} – {how}{f'; movies opened with {opened}' if opened else ''}"
        )


def _listed(sentences: tuple[str, ...]) -> str:
    words = " · ".join(sentences)
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1].rstrip()}…"
