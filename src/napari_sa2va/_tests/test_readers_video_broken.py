"""Movies that are cut, lie about themselves, or would have other files opened."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from napari_sa2va._tests.movies import number_of, write_movie
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.open import open_clip, read_recording

NUM_FRAMES = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broken")


def _numbers(clip: Clip) -> list[int]:
    """Numbers of all frames, read in any order."""
    order = list(range(clip.num_frames))
    random.Random(1).shuffle(order)
    seen = {t: number_of(clip.rgb(t)) for t in order}
    return [seen[t] for t in sorted(seen)]


def _renamed(path: Path, old: bytes, new: bytes) -> Path:
    """A copy in which a part of the container is no longer found."""
    data = path.read_bytes()
    assert old in data, f"there is no {old!r}, so this tests nothing"
    copy = path.with_name(f"renamed_{path.name}")
    copy.write_bytes(data.replace(old, new))
    return copy


@pytest.mark.parametrize(
    ("name", "old", "new", "how"),
    [
        # Without this list every frame claims to be a key frame.
        ("no_stss.mp4", b"stss", b"free", {"gop": 10}),
        ("no_stss_mpeg4.mp4", b"stss", b"free", {"gop": 10, "codec": "mpeg4", "options": {}}),
        ("no_idx1.avi", b"idx1", b"JUNK", {"gop": 10, "codec": "mpeg4", "options": {}}),
        ("no_idx1_jpeg.avi", b"idx1", b"JUNK", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        # The cues, and where the seek head says that they are; void is skipped.
        ("no_cues.mkv", b"\x1c\x53\xbb\x6b", b"\x1c\x53\xbb\x6c", {"gop": 10}),
    ],
)
def test_a_movie_without_its_index_is_read_frame_by_frame(
    name: str, old: bytes, new: bytes, how: dict[str, Any], folder: Path
) -> None:
    path = _renamed(write_movie(folder / name, NUM_FRAMES, **how), old, new)
    assert _numbers(open_clip(path)) == list(range(NUM_FRAMES))


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_a_broadcast_begins_with_its_first_whole_picture(codec: str, folder: Path) -> None:
    options = {"bf": "2", "sc_threshold": "0"} if codec == "libx264" else {"bf": "2"}
    path = write_movie(folder / f"{codec}.ts", NUM_FRAMES, codec=codec, gop=10, options=options)
    data = path.read_bytes()
    # Packets of a transport stream have 188 bytes; a fifth of them is left away in front.
    begin = len(data) // 188 // 5 * 188
    tuned_in = folder / f"tuned_in_{codec}.ts"
    tuned_in.write_bytes(data[begin:])
    numbers = _numbers(open_clip(tuned_in))
    assert 0 < numbers[0] < 20
    assert numbers == list(range(numbers[0], NUM_FRAMES))


def test_a_broadcast_that_is_still_being_written_is_read_as_far_as_it_is(folder: Path) -> None:
    data = write_movie(folder / "live.ts", NUM_FRAMES, gop=10).read_bytes()
    growing = folder / "growing.ts"
    seen = []
    for share in (0.5, 0.75, 1.0):
        growing.write_bytes(data[: int(len(data) * share)])
        seen.append(_numbers(open_clip(growing)))
    assert 0 < len(seen[0]) < len(seen[1]) < len(seen[2]) == NUM_FRAMES
    # The last frame of a cut file may be incomplete; those before it are right.
    assert all(numbers[:-1] == list(range(len(numbers) - 1)) for numbers in seen)


@pytest.mark.parametrize(
    ("name", "options", "part"),
    [
        ("live.mkv", {"live": "1", "cluster_time_limit": "200"}, b"\x1f\x43\xb6\x75"),
        ("fragments.mp4", {"movflags": "frag_keyframe+empty_moov"}, b"mdat"),
    ],
)
def test_a_recording_without_a_promised_length_can_be_read_while_it_grows(
    name: str, options: dict[str, str], part: bytes, folder: Path
) -> None:
    whole = write_movie(folder / f"whole_{name}", NUM_FRAMES, gop=5, options={"bf": "0"})
    path = folder / name
    with av.open(str(whole)) as source, av.open(str(path), "w", options=options) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    data = path.read_bytes()
    parts = [m.start() for m in re.finditer(re.escape(part), data)]
    assert len(parts) > 5, "it must be written in parts, or this tests nothing"
    seen = []
    for end in (parts[2] + 40, parts[-1] + 40, len(data)):
        growing = folder / f"growing_{name}"
        growing.write_bytes(data[:end])
        seen.append(_numbers(open_clip(growing)))
    assert 0 < len(seen[0]) < len(seen[1]) < len(seen[2]) == NUM_FRAMES
    assert all(numbers == list(range(len(numbers))) for numbers in seen)


CONTAINERS = {
    "a.mp4": {"gop": 10},
    "a.mkv": {"gop": 10},
    "a.avi": {"gop": 10, "codec": "mpeg4", "options": {}},
    "a.mpg": {"gop": 10, "codec": "mpeg1video", "options": {"bf": "2"}},
    "a.wmv": {"gop": 10, "codec": "wmv2"},
    "a.flv": {"gop": 10, "codec": "flv"},
    "a.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "a.webm": {"gop": 10, "codec": "libvpx", "options": {"cpu-used": "8"}},
}


def _read_all(path: Path) -> int:
    """Open and read what there is; every complaint must be ours."""
    num_frames, complaint = 0, path.name
    try:
        frames = read_recording(path).data
        num_frames = len(frames)
        for t in (0, num_frames // 2, num_frames - 1):
            frames[t].compute()
    except ClipError as error:
        complaint = str(error)
    assert path.name in complaint
    return num_frames


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_movie_cut_anywhere_is_refused_or_read_as_far_as_it_is(name: str, folder: Path) -> None:
    data = write_movie(folder / name, 12, **CONTAINERS[name]).read_bytes()
    for length in np.linspace(1, len(data) - 1, 25).astype(int):
        path = folder / f"cut_{name}"
        path.write_bytes(data[:length])
        assert _read_all(path) <= 12


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_movie_with_wrong_bytes_is_refused_or_read(name: str, folder: Path) -> None:
    data = write_movie(folder / f"right_{name}", 12, **CONTAINERS[name]).read_bytes()
    chance = np.random.default_rng(7)
    for _ in range(15):
        wrong = bytearray(data)
        # Half of them in the header, where lengths and counts are.
        for at in chance.integers(0, min(len(wrong), 600), 3):
            wrong[at] = chance.choice([0, 255, int(chance.integers(256))])
        for at in chance.integers(0, len(wrong), 3):
            wrong[at] = int(chance.integers(256))
        path = folder / f"wrong_{name}"
        path.write_bytes(bytes(wrong))
        begin = time.monotonic()
        _read_all(path)
        assert time.monotonic() - begin < 10


def _playlist(target: Path) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n"


def _session(target: Path) -> str:
    return "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"


@pytest.mark.parametrize("name", ["list.ts", "list.mp4", "list.m4v", "list.gif"])
@pytest.mark.parametrize(
    "text",
    [_playlist, lambda target: f"ffconcat version 1.0\nfile '{target}'\n", _session],
    ids=["HLS", "concat", "SDP"],
)
def test_a_playlist_opens_no_other_file(
    text: Callable[[Path], str], name: str, folder: Path
) -> None:
    path = folder / name
    path.write_text(text(write_movie(folder / "secret.ts", 3)))
    with pytest.raises(ClipError, match="cannot be read as a movie"):
        open_clip(path)


def test_ffmpeg_would_follow_a_playlist_that_is_not_kept_from_it(folder: Path) -> None:
    """Or the test above would test nothing."""
    path = folder / "followed.ffconcat"
    path.write_text(f"ffconcat version 1.0\nfile '{write_movie(folder / 'followed.ts', 3).name}'\n")
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3


@pytest.mark.parametrize(
    "name", ["concat:a.ts|b.ts", "subfile,,start,0,end,9,,:a.ts", "http:a.ts", "pipe:0"]
)
def test_a_name_that_looks_like_a_protocol_is_the_name_of_a_file(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "named").mkdir(exist_ok=True)
    monkeypatch.chdir(folder / "named")
    with pytest.raises(ClipError, match="There is no file"):
        open_clip(name)
    Path("there.ts").write_bytes(write_movie(folder / "named.ts", 3).read_bytes())
    Path("there.ts").rename(name)
    if not name.endswith(".ts"):
        return
    assert open_clip(name).num_frames == 3


@pytest.mark.parametrize(("height", "width"), [(65535, 65535), (20000, 20000)])
def test_a_small_file_that_claims_huge_frames_is_refused(
    height: int, width: int, folder: Path
) -> None:
    path = write_movie(folder / "small.gif", 2, codec="gif", pix_fmt="rgb8")
    data = bytearray(path.read_bytes())
    data[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    huge = folder / f"huge_{height}.gif"
    huge.write_bytes(bytes(data))
    with pytest.raises(ClipError, match=huge.name):
        open_clip(huge)


def test_a_table_that_claims_more_frames_than_there_are_bytes_is_refused(folder: Path) -> None:
    """All samples of one size, 16 million of them: the table of FFmpeg would be full of them."""
    path = write_movie(folder / "many.mp4", 4)
    data = bytearray(path.read_bytes())
    at = data.index(b"stsz") + 8
    data[at : at + 8] = (1).to_bytes(4, "big") + (1 << 24).to_bytes(4, "big")
    lying = folder / "lying.mp4"
    lying.write_bytes(bytes(data))
    begin = time.monotonic()
    with pytest.raises(ClipError, match=r"lying\.mp4"):
        open_clip(lying)
    assert time.monotonic() - begin < 10


def test_time_stamps_that_jump_by_decades_are_no_reason_to_fail(folder: Path) -> None:
    times = [0, 40, 80, 2**40, 2**40 + 40]
    clip = open_clip(write_movie(folder / "jump.mkv", 5, times_ms=times))
    assert _numbers(clip) == [0, 1, 2, 3, 4]
    assert clip.variable_rate
    assert clip.frame_interval_s == pytest.approx(0.04)
