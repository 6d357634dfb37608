"""OME-TIFF: the images of a set of files, and that no file outside of its folder is opened.

tifffile puts the planes of an image in order. It is given the description of one image at a time,
after what the description promises and names has been looked at here: it would believe both.
"""

from __future__ import annotations

import copy
import math
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from xml.etree import ElementTree

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.series import choose
from napari_sa2va.readers.tiff import ome_xml
from napari_sa2va.readers.tiff.chain import MOST_PAGES, Measured, follow_chain

COMPANION = ".companion.ome"
# What slide scanners put beside the image; Bio-Formats names them so.
BESIDE = re.compile(r"\b(label|macro|thumbnail|overview)\b", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class OmeImage:
    """One Image of an OME document.

    Attributes
    ----------
    path : Path
        The file that was opened, for messages; others are looked for beside it.
    root : Element
        The OME document.
    element, pixels : Element
    """

    path: Path
    root: ElementTree.Element
    element: ElementTree.Element
    pixels: ElementTree.Element

    @property
    def name(self) -> str:
        """Its name, else its ID."""
        return self.element.get("Name") or self.element.get("ID") or "without a name"

    @property
    def is_beside(self) -> bool:
        """Whether it is a picture of a slide's label, or of the whole slide."""
        return bool(BESIDE.search(self.element.get("Name") or ""))

    def size(self, axis: str) -> int:
        """Positions along an axis."""
        text = self.pixels.get(f"Size{axis}", "")
        if not text.isdecimal() or not 0 < int(text) < 2**31:
            raise ClipError(
                f"The OME-XML of {self.path} says Size{axis}={text!r} of image {self.name!r}.",
                "It must be a number above 0.",
            )
        return int(text)

    def describe(self) -> str:
        """Name and sizes, for people."""
        sizes = {a: self.size(a) for a in "TCZYX"}
        said = ", ".join(f"{a}={n}" for a, n in sizes.items() if n > 1 or a in "YX")
        return f"{self.name}: {said}"

    def files(self) -> list[str]:
        """Names of the other files that hold its planes, each once, in their order.

        Raises
        ------
        ClipError
            If one lies outside of the folder.
        """
        own = self.root.get("UUID")
        uuids = self.pixels.iterfind("{*}TiffData/{*}UUID")
        named = (u.get("FileName", "") for u in uuids if own is None or u.text != own)
        others = (name for name in dict.fromkeys(named) if name and name != self.path.name)
        return [inside(self.path, name) for name in others]

    def missing(self) -> list[str]:
        """Those of its files that are not there."""
        return [name for name in self.files() if not self.path.with_name(name).is_file()]

    def is_renamed(self) -> bool:
        """Whether all planes lie in this file, which had another name when it was written."""
        is_tiff = self.path.suffix.lower() not in (".ome", ".xml")
        return is_tiff and len(self.files()) == 1 and bool(self.missing())

    def alone(self) -> str:
        """A document of this image only, for tifffile.

        Raises
        ------
        ClipError
            If it promises more planes than can be.
        """
        num_planes = math.prod(self.size(a) for a in "TCZ")
        entries = self.pixels.findall("{*}TiffData")
        named = sum(_count(e, num_planes) for e in entries)
        # Each plane is named once; where files are cropped by ImageJ, some are named too often.
        if num_planes > MOST_PAGES or named > 4 * max(num_planes, len(entries)):
            raise ClipError(
                f"The OME-XML of {self.path} promises {num_planes} planes and names {named}.",
                "The description is damaged: save the file anew with the program it comes from.",
            )
        # Without the annotations: a Modulo would have axes that have no name here.
        root = ElementTree.Element(self.root.tag, self.root.attrib)
        root.append(self.element)
        if self.is_renamed():
            root = copy.deepcopy(root)
            for entry in root.iterfind("{*}Image/{*}Pixels/{*}TiffData"):
                for uuid in entry.findall("{*}UUID"):
                    entry.remove(uuid)
        return ElementTree.tostring(root, encoding="unicode")


def _count(entry: ElementTree.Element, num_planes: int) -> int:
    text = entry.get("PlaneCount") or entry.get("NumPlanes")
    if text is None:
        return 1 if "IFD" in entry.attrib else num_planes
    return int(text) if text.isdecimal() else num_planes


def inside(path: Path, name: str) -> str:
    """A file name that leads to no other folder than that of `path`, or into one within.

    Raises
    ------
    ClipError
        If it leads out.
    """
    for kind in (PurePosixPath, PureWindowsPath):
        pure = kind(name)
        if pure.is_absolute() or pure.drive or pure.root or ".." in pure.parts:
            raise ClipError(
                f"{path} says that a part of it lies in {name!r}, which is outside of its folder.",
                "Files of a set lie beside each other, and are named without a folder.",
            )
    return name


def whole_document(
    path: Path, root: ElementTree.Element
) -> tuple[Path, ElementTree.Element] | None:
    """The document of the set to which a file belongs: its own, or the one that it points to.

    Returns
    -------
    (Path, Element) or None
        Where the document lies, and its root. None if the one it points to is not there.

    Raises
    ------
    ClipError
        If it points to a file outside of the folder.
    """
    pointer = root.find("{*}BinaryOnly")
    if pointer is None:
        return path, root
    target = path.with_name(inside(path, pointer.get("MetadataFile") or path.name))
    if target == path or not target.is_file():
        return None
    if target.suffix.lower() in (".ome", ".xml"):
        found = ome_xml.parse(target.read_bytes(), str(target))
    else:
        from tifffile import TiffFile

        follow_chain(target)
        with Measured(target) as opened, TiffFile(opened) as tif:
            found = ome_xml.parse(tif.ome_metadata or "", str(target))
    if found is None or found.find("{*}BinaryOnly") is not None:
        return None
    return target, found


def images_of(path: Path, root: ElementTree.Element) -> list[OmeImage]:
    """All images of a document that have pixels."""
    found = []
    for element in root.iterfind("{*}Image"):
        pixels = element.find("{*}Pixels")
        if pixels is not None:
            found.append(OmeImage(path, root, element, pixels))
    return found


def choose_ome(path: Path, images: list[OmeImage], wanted: int | str | None) -> OmeImage:
    """The image that is meant; those of a slide's label do not count unless they are asked for.

    Raises
    ------
    SeriesError
        If there are several and none was chosen, or there is no such one.
    """
    choices = [(i, image.describe()) for i, image in enumerate(images)]
    if wanted is not None:
        names = [image.name for image in images]
        named = names.index(wanted) if isinstance(wanted, str) and wanted in names else wanted
        return images[choose(path, choices, named)]
    main = [c for c, image in zip(choices, images, strict=True) if not image.is_beside]
    kept = main or choices
    return images[kept[choose(path, kept, None)][0]]
