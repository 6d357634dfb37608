"""OME-TIFF as its writers leave it: sets of files, descriptions beside them, pyramids, colours."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ome_types import OME
from ome_types.model import Channel, Image, Pixels, TiffData

from napari_sa2va._tests.movies import open_files
from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.readers.open import open_clip, read_recording

RNG = np.random.default_rng(0)
MOVIE = RNG.integers(0, 4000, (3, 2, 12, 16)).astype(np.uint16)  # (T, C, Y, X)
COMPANION_UUID = "urn:uuid:00000000-0000-0000-0000-0000000000ff"


def uuid_of(t: int) -> str:
    return f"urn:uuid:00000000-0000-0000-0000-{t:012d}"


def described(name: str, files: dict[str, int], place: int = 0) -> Image:
    """An image like MOVIE; each file holds both channels of the frame given with it."""
    blocks = [
        TiffData(
            ifd=2 * place + c, first_c=c, first_t=t, plane_count=1,
            uuid=TiffData.UUID(value=uuid_of(t), file_name=file),
        )
        for file, t in files.items()
        for c in range(2)
    ]  # fmt: skip
    pixels = Pixels(
        dimension_order="XYCZT", type="uint16", size_x=16, size_y=12, size_z=1, size_c=2, size_t=3,
        tiff_data_blocks=blocks, physical_size_x=0.65, physical_size_y=0.5, time_increment=2.0,
        channels=[Channel(name="DAPI", color="blue"), Channel(name="GFP", color="#00ff00")],
    )  # fmt: skip
    return Image(name=name, pixels=pixels)


def write_pages(path: Path, *pages: np.ndarray, xml: str | None = None) -> None:
    with tifffile.TiffWriter(path) as tif:
        for i, page in enumerate(pages):
            text = xml.encode() if xml and i == 0 else None
            tif.write(page, description=text, metadata=None, contiguous=False)


FILES = {f"run_t{t}.ome.tif": t for t in range(3)}


def write_set(folder: Path, companion: bool) -> Path:
    """One file per frame, each with a description of all; or one that lies beside them."""
    ome = OME(images=[described("run", FILES)])
    for name, t in FILES.items():
        ome.uuid = uuid_of(t)
        xml = ome.to_xml()
        if companion:
            xml = OME(
                uuid=uuid_of(t),
                binary_only=OME.BinaryOnly(metadata_file="run.companion.ome", uuid=COMPANION_UUID),
            ).to_xml()
        write_pages(folder / name, *MOVIE[t], xml=xml)
    if not companion:
        return folder / "run_t0.ome.tif"
    ome.uuid = COMPANION_UUID
    (folder / "run.companion.ome").write_text(ome.to_xml(), encoding="utf-8")
    return folder / "run.companion.ome"


@pytest.mark.parametrize("companion", [False, True])
@pytest.mark.parametrize("opened", ["first", "last", "description"])
def test_a_set_of_files_is_one_movie_whichever_is_opened(
    companion: bool, opened: str, tmp_path: Path
) -> None:
    described_in = write_set(tmp_path, companion)
    path = {"first": tmp_path / "run_t0.ome.tif", "last": tmp_path / "run_t2.ome.tif"}.get(
        opened, described_in
    )
    recording = read_recording(path)
    assert recording.axes == "TCYX"
    np.testing.assert_array_equal(recording.data.compute(), MOVIE)
    assert recording.source == str(path)
    assert recording.pixel_size_um == (0.5, 0.65)
    assert recording.frame_interval_s == 2
    assert recording.channel_names == ("DAPI", "GFP")
    assert recording.channel_colors == ("#0000ff", "#00ff00")
    assert recording.window == ()
    assert recording.notes == ()
    assert recording.data.chunks[:2] == ((1,) * 3, (1,) * 2)
    again = pickle.loads(pickle.dumps(recording.data))
    np.testing.assert_array_equal(again[2, 1].compute(), MOVIE[2, 1])
    assert open_files(tmp_path) == []


def test_a_companion_opened_as_a_clip_is_called_after_its_stem(tmp_path: Path) -> None:
    clip = open_clip(write_set(tmp_path, companion=True), channels=[0, 1], colors="file")
    assert clip.name == "run"
    assert clip.tints == ("#0000ff", "#00ff00")


@pytest.mark.parametrize("companion", [False, True])
def test_a_file_that_is_not_beside_the_others_is_named(companion: bool, tmp_path: Path) -> None:
    path = write_set(tmp_path, companion)
    (tmp_path / "run_t1.ome.tif").unlink()
    with pytest.raises(ClipError, match=r"run_t1\.ome\.tif is not beside it") as caught:
        read_recording(path)
    assert "one folder" in caught.value.hint
    recording = read_recording(path, growing=True)
    np.testing.assert_array_equal(recording.data.compute(), MOVIE[:1])
    assert "1 of the 3 frames" in recording.notes[0]


def test_a_file_whose_set_is_described_elsewhere_plays_alone_and_says_so(tmp_path: Path) -> None:
    write_set(tmp_path, companion=True).unlink()
    recording = read_recording(tmp_path / "run_t1.ome.tif")
    np.testing.assert_array_equal(recording.data.compute(), MOVIE[1])
    assert "what describes the set is not beside it" in recording.notes[0]


@pytest.mark.parametrize(
    "name", ["../secret.tif", "/etc/secret.tif", "C:\\secret.tif", "..\\a.tif"]
)
@pytest.mark.parametrize("companion", [False, True])
def test_no_file_of_another_folder_is_opened(name: str, companion: bool, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    write_pages(tmp_path / "secret.tif", *MOVIE[1])
    xml = OME(images=[described("run", {"own.ome.tif": 0, name: 1})], uuid=uuid_of(0)).to_xml()
    write_pages(folder / "own.ome.tif", *MOVIE[0], xml=xml)
    (folder / "own.companion.ome").write_text(xml, encoding="utf-8")
    with pytest.raises(ClipError, match="outside of its folder") as caught:
        read_recording(folder / ("own.companion.ome" if companion else "own.ome.tif"))
    assert "secret" in caught.value.message or "a.tif" in caught.value.message


def test_a_description_is_not_looked_for_in_another_folder(tmp_path: Path) -> None:
    pointer = OME.BinaryOnly(metadata_file="../run.companion.ome", uuid=COMPANION_UUID)
    write_pages(tmp_path / "a.ome.tif", *MOVIE[0], xml=OME(binary_only=pointer).to_xml())
    with pytest.raises(ClipError, match="outside of its folder"):
        read_recording(tmp_path / "a.ome.tif")


@pytest.mark.parametrize("has_own_uuid", [False, True])
def test_a_single_file_may_be_renamed(has_own_uuid: bool, tmp_path: Path) -> None:
    image = described("run", {"before.ome.tif": 0})
    image.pixels.size_t = 1
    xml = OME(images=[image], uuid=uuid_of(0) if has_own_uuid else None).to_xml()
    write_pages(tmp_path / "after.ome.tif", *MOVIE[0], xml=xml)
    recording = read_recording(tmp_path / "after.ome.tif")
    assert recording.axes == "CYX"
    np.testing.assert_array_equal(recording.data.compute(), MOVIE[0])


def test_positions_of_a_set_are_asked_for_and_only_the_files_of_one_are_needed(
    tmp_path: Path,
) -> None:
    """Position A lies in frames 0 to 2, position B in files of which one is missing."""
    files = {f"a{t}.ome.tif": t for t in range(3)}
    others = {f"b{t}.ome.tif": t + 3 for t in range(3)}
    second = described("B", others)
    for block in second.pixels.tiff_data_blocks:
        block.first_t -= 3
    ome = OME(images=[described("A", files), second])
    for name, t in files.items():
        ome.uuid = uuid_of(t)
        write_pages(tmp_path / name, *MOVIE[t], xml=ome.to_xml())
    with pytest.raises(SeriesError, match="2 series") as caught:
        read_recording(tmp_path / "a1.ome.tif")
    assert [key for key, _ in caught.value.choices] == [0, 1]
    assert caught.value.choices[1][1] == "B: T=3, C=2, Y=12, X=16"
    recording = read_recording(tmp_path / "a1.ome.tif", series="A")
    np.testing.assert_array_equal(recording.data.compute(), MOVIE)
    with pytest.raises(ClipError, match=r"b0\.ome\.tif, b1\.ome\.tif, b2\.ome\.tif are not"):
        read_recording(tmp_path / "a1.ome.tif", series=1)


@pytest.mark.parametrize("bigtiff", [False, True])
def test_lower_resolutions_come_along(bigtiff: bool, tmp_path: Path) -> None:
    """Three levels of 64 x 96 px in SubIFDs: every second pixel of the one before."""
    movie = RNG.integers(0, 4000, (2, 64, 96)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", bigtiff=bigtiff) as tif:
        how = {"tile": (32, 32), "compression": "zlib"}
        tif.write(movie, subifds=2, metadata={"axes": "TYX"}, **how)
        for step in (2, 4):
            tif.write(movie[:, ::step, ::step], subfiletype=1, **how)
    recording = read_recording(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(recording.data.compute(), movie)
    assert [level.shape for level in recording.pyramid] == [(2, 32, 48), (2, 16, 24)]
    for level, step in zip(recording.pyramid, (2, 4), strict=True):
        assert level.chunks[0] == (1, 1)
        np.testing.assert_array_equal(level.compute(), movie[:, ::step, ::step])


def test_what_bioio_writes_is_read_with_sizes_names_and_colours(tmp_path: Path) -> None:
    from bioio_base.types import PhysicalPixelSizes
    from bioio_ome_tiff.writers import OmeTiffWriter

    movie = RNG.integers(0, 255, (3, 2, 4, 12, 16)).astype(np.uint8)
    OmeTiffWriter.save(
        movie, tmp_path / "a.ome.tiff", dim_order="TCZYX", image_name="cells",
        channel_names=["membrane", "nuclei"], channel_colors=[(255, 0, 255), (0, 255, 255)],
        physical_pixel_sizes=PhysicalPixelSizes(Z=2.0, Y=0.5, X=0.25),
    )  # fmt: skip
    recording = read_recording(tmp_path / "a.ome.tiff")
    assert recording.axes == "TCZYX"
    np.testing.assert_array_equal(recording.data.compute(), movie)
    assert recording.channel_names == ("membrane", "nuclei")
    assert recording.channel_colors == ("#ff00ff", "#00ffff")
    assert (recording.pixel_size_um, recording.z_step_um) == ((0.5, 0.25), 2.0)


def test_white_of_all_channels_is_no_colour_that_was_chosen(tmp_path: Path) -> None:
    image = described("run", FILES)
    for channel in image.pixels.channels:
        channel.color = "white"
    write_set(tmp_path, companion=False)
    xml = OME(images=[image], uuid=uuid_of(0)).to_xml()
    write_pages(tmp_path / "run_t0.ome.tif", *MOVIE[0], xml=xml)
    assert read_recording(tmp_path / "run_t0.ome.tif").channel_colors == ()


def test_a_description_that_does_not_fit_the_pages_is_told(tmp_path: Path) -> None:
    image = described("run", {"a.ome.tif": 0})
    image.pixels.size_x = 99
    write_pages(tmp_path / "a.ome.tif", *MOVIE[0], xml=OME(images=[image]).to_xml())
    recording = read_recording(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(recording.data.compute(), MOVIE[0])
    assert "does not fit the pages" in recording.notes[0]


def test_a_set_whose_files_are_links_to_other_folders_is_found_by_their_names(
    tmp_path: Path,
) -> None:
    """As git-annex and DataLad keep large files."""
    write_set(tmp_path, companion=False)
    folder = tmp_path / "linked"
    folder.mkdir()
    for i, name in enumerate(FILES):
        store = tmp_path / f"store{i}"
        store.mkdir()
        (tmp_path / name).rename(store / "content.tif")
        (folder / name).symlink_to(store / "content.tif")
    recording = read_recording(folder / "run_t1.ome.tif")
    np.testing.assert_array_equal(recording.data.compute(), MOVIE)


def test_a_colour_picture_is_one_channel_whose_name_is_of_no_sample(tmp_path: Path) -> None:
    movie = RNG.integers(0, 255, (3, 12, 16, 3)).astype(np.uint8)
    about = {"axes": "TYXS", "Channel": {"Name": "Brightfield"}}
    tifffile.imwrite(tmp_path / "a.ome.tif", movie, metadata=about, photometric="rgb")
    recording = read_recording(tmp_path / "a.ome.tif")
    assert recording.axes == "TYXS"
    assert recording.channel_names == ()
    np.testing.assert_array_equal(recording.data.compute(), movie)


@pytest.mark.parametrize("companion", [False, True])
def test_a_folder_of_a_set_is_the_movie_that_the_set_describes(
    companion: bool, tmp_path: Path
) -> None:
    write_set(tmp_path, companion)
    recording = read_recording(tmp_path)
    assert recording.axes == "TCYX"
    assert recording.source == str(tmp_path)
    np.testing.assert_array_equal(recording.data.compute(), MOVIE)
