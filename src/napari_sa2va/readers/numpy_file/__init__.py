"""NumPy's own files: .npy and uncompressed .npz plane by plane, compressed .npz array by array."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.damage import as_clip_error
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.layer import axes_of_shape
from napari_sa2va.readers.lazy import lazy_planes
from napari_sa2va.readers.numpy_file.header import ArrayHeader, read_header
from napari_sa2va.readers.numpy_file.planes import PackedPlanes, StoredPlanes, check_memory
from napari_sa2va.readers.series import choose

EXTENSIONS = (".npy", ".npz")
FORMAT = ReadFormat(
    title="NumPy",
    extensions=EXTENSIONS,
    axes="TYX, TYXS; others are asked for",
    magic=((0, b"\x93NUMPY"),),
    facts="nothing",
    lazy="one plane; a compressed array as a whole, with its first frame",
    tested_with="NumPy's writer",
)
# The most that deflate can pack: a larger promise is a lie.
_MOST_PACKED = 1032


def accepts(path: Path) -> bool:
    """Whether the name says NumPy, or the file begins with its magic."""
    return FORMAT.fits(path)


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open an array; reads its header.

    Parameters
    ----------
    path : Path
    series : int or str, optional
        Name or position of the array in an .npz with several.

    Returns
    -------
    Recording
        With guessed axes; where they cannot be guessed, letters that must be named by the user.

    Raises
    ------
    SeriesError
        If there are several images and none was chosen.
    ClipError
        If the file is damaged, or holds no numbers in two dimensions or more. Python objects
        (pickles) are never loaded.
    """
    hint = "Is it complete, and was it written by numpy.save or numpy.savez?"
    with as_clip_error(path, "read as a NumPy file", hint), path.open("rb") as file:
        source, header = (
            _array_of_zip(path, file, series)
            if path.suffix.lower() == ".npz"
            else _whole_file(path, file, series)
        )
    return Recording(
        lazy_planes(source, header.shape, header.dtype.newbyteorder("="), source.num_lead, "numpy"),
        axes_of_shape(header.shape),
        name=path.stem,
        source=str(path),
    )


def _num_lead(header: ArrayHeader) -> int:
    axes = axes_of_shape(header.shape)
    return min(axes.index("Y"), axes.index("X"))


def _whole_file(
    path: Path, file: BinaryIO, series: int | str | None
) -> tuple[StoredPlanes, ArrayHeader]:
    choose(path, [(0, "the array")], series, noun="arrays")
    header = read_header(file)
    if not header.is_image:
        raise ClipError(
            f"{path} holds {_said(header)}, not an image.",
            "Give numbers in two dimensions or more.",
        )
    size = file.seek(0, 2)
    if header.num_bytes > size:
        raise ClipError(
            f"{path} is truncated: it has {size} bytes of {header.num_bytes} that its header promises.",
            "Copy the file again.",
        )
    return StoredPlanes(str(path), 0, header, _num_lead(header)), header


def _array_of_zip(
    path: Path, file: BinaryIO, series: int | str | None
) -> tuple[StoredPlanes | PackedPlanes, ArrayHeader]:
    with ZipFile(file) as archive:
        images: list[tuple[str, ZipInfo, ArrayHeader]] = []
        for member in archive.infolist():
            if member.flag_bits & 1:
                raise ClipError(f"{path} is encrypted.", "Write it anew without a password.")
            if member.filename.endswith(".npy"):
                with archive.open(member) as packed:
                    header = read_header(packed)  # type: ignore[arg-type]
                if header.is_image:
                    images.append((member.filename.removesuffix(".npy"), member, header))
    choices: list[tuple[int | str, str]] = [(n, f"{n}: {_said(h)}") for n, _, h in images]
    _, member, header = images[choose(path, choices, series, noun="arrays")]
    held = min(member.file_size, _MOST_PACKED * member.compress_size)
    if member.compress_type == ZIP_STORED:
        held = member.compress_size
    if header.num_bytes > held:
        raise ClipError(
            f"{path}: {member.filename} holds {held} bytes at most, and its header promises "
            f"{header.num_bytes}.",
            "The file is damaged: copy it again.",
        )
    if member.compress_type == ZIP_STORED:
        begin = _begin_of_member(file, member)
        if begin + header.num_bytes > file.seek(0, 2):
            raise ClipError(f"{path} is truncated in {member.filename}.", "Copy the file again.")
        return StoredPlanes(str(path), begin, header, _num_lead(header)), header
    check_memory(str(path), header)
    return PackedPlanes(str(path), member.filename, header, _num_lead(header)), header


def _begin_of_member(file: BinaryIO, member: ZipInfo) -> int:
    """Where the bytes of a member begin: behind its local header, whose name and extra may differ."""
    file.seek(member.header_offset)
    local = file.read(30)
    if len(local) < 30 or local[:4] != b"PK\x03\x04":
        raise BadZipFile(f"no member begins at byte {member.header_offset}")
    lengths = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    return member.header_offset + 30 + lengths


def _said(header: ArrayHeader) -> str:
    return f"{' x '.join(str(n) for n in header.shape) or 'one value'}, {header.dtype}"
