"""What is said of a format that is written: it decides what is warned about, and fills the docs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WriteFormat:
    """Facts of a writer.

    Attributes
    ----------
    kind : str
        Its name on the command line, such as "coco".
    title : str
        What people call it, and in brackets what of it is written: "DAVIS (indexed PNG)". It stands
        in lists and within sentences, so it begins with a name and is singular.
    suffixes : tuple of str
        Endings in lower case, with their dots. The first is given to a name that has none; an empty
        tuple means a folder.
    keeps : str
        What of names, scores, parents, physical sizes ... is in the file.
    read_back_by : str
        The other program with which the tests read it.
    overlaps : bool
        Whether objects may overlap in it.
    most_ids : int
        The largest object id it can hold, 0 without a limit.
    planes : bool
        Whether it can hold several z planes over time.
    parents : bool
        Whether it says which objects divided or merged into others.
    place : bool
        Whether it says where a cropped clip lies in the frames of its source.
    shows_movie : bool
        Whether it is a picture of the movie, and cannot be written without its pixels.
    is_folder : bool
        Whether what is written is a folder.
    files : str
        Of a folder: a regular expression of the paths in it, with slashes, that the writer makes.
        When a folder is replaced, all other files that are in it stay.
    in_place : bool
        Whether the writer adds to what is there, and itself takes care that it is never half there.
    extra : str
        The extra of this package that it needs, if any.
    packages : tuple of str
        The modules that this extra brings and the writer imports.
    """

    kind: str
    title: str
    suffixes: tuple[str, ...]
    keeps: str
    read_back_by: str
    overlaps: bool = False
    most_ids: int = 0
    planes: bool = False
    parents: bool = False
    place: bool = False
    shows_movie: bool = False
    is_folder: bool = False
    files: str = ""
    in_place: bool = False
    extra: str = ""
    packages: tuple[str, ...] = ()
