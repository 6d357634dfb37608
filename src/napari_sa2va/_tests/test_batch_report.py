"""The report of a batch, read as a browser reads it: folders made by hand, pages parsed."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from napari_sa2va._tests.finished_batches import HEADER, add_unit, end, made_batch
from napari_sa2va.analysis.timeline import Lane
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.outcome import ObjectOutcome
from napari_sa2va.batch.report import write_report
from napari_sa2va.batch.report.numbers import Numbers, read_numbers
from napari_sa2va.batch.report.pictures import Pictures
from napari_sa2va.batch.report.plots import area_plot, progress_plot
from napari_sa2va.batch.unit import Output
from napari_sa2va.batch.verdicts import Verdicts

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """What is in a page: its texts, its tags with their attributes, and whether tags are closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.said: list[str] = []
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("style", "script"):
            return
        self.said.append(data)
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())

    def row(self, movie: str) -> list[str]:
        """The row of the table of all movies."""
        (found,) = [row for row in self.rows if len(row) > 4 and row[0] == movie]
        return found

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def report_of(folder: BatchFolder) -> Page:
    path = write_report(folder)
    assert path == folder.path / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def table_of(areas: list[float], score: float = 0.9, header: str = HEADER) -> str:
    rows = [
        f"1,cell,the cell,{t},{t * 10},{a},1,2,{score},{int(a > 0)}" for t, a in enumerate(areas)
    ]
    return "\n".join([header, *rows, ""])


def found(sentence: str = "the cell", *, frames: int = 4, score: float = 0.9) -> ObjectOutcome:
    return ObjectOutcome(
        object_id=1,
        name=sentence,
        sentence=sentence,
        found=frames > 0,
        frames_present=frames,
        mean_score=score,
    )


@pytest.fixture
def folder(tmp_path: Path) -> BatchFolder:
    return made_batch(tmp_path / "night", versions={"python": "3.11.7", "torch": "2.6.0"})


def test_a_batch_without_movies_has_a_page(folder) -> None:
    assert "There is no movie in this batch yet." in report_of(folder).text


def test_states_are_counted_and_every_movie_has_a_row(folder) -> None:
    seen = {"began": "2026-03-01T02:00:00+00:00", "ended": "2026-03-01T02:01:15+00:00"}
    end(
        folder, add_unit(folder, "0001-a"), table=table_of([5, 6, 6, 6]), objects=[found()],
        frames=4, seconds=75, **seen,
    )  # fmt: skip
    end(folder, add_unit(folder, "0002-b"), "nothing", objects=[found(frames=0)], frames=4)
    end(folder, add_unit(folder, "0003-c"), "failed", certain=True, cause="It is cut off.")
    add_unit(folder, "0004-d")
    page = report_of(folder)
    assert "4 movies: 1 done, 1 nothing found, 1 waiting, 1 failed." in page.text
    assert page.row("a") == ["a", "done", "1 of 1", "4", "0.90", "–", "1 min 15 s"]
    assert page.row("b")[1:3] == ["nothing found", "0 of 1"]
    assert page.row("c")[1:3] == ["failed", ""]
    assert page.row("d")[1] == "waiting"


def test_the_table_of_movies_carries_what_the_user_said_of_them(folder) -> None:
    end(folder, add_unit(folder, "0001-a", annotations={"meta.dose": "5 mg"}), table=table_of([5]))
    page = report_of(folder)
    assert ["Movie", "dose", "State"] in [row[:3] for row in page.rows]
    assert page.row("a")[1] == "5 mg"


def test_failures_of_one_cause_are_told_once_with_their_movies_and_what_to_do(folder) -> None:
    for name, size in (("a", 100), ("b", 250)):
        unit = add_unit(folder, f"0001-{name}")
        cause = f"{unit.path} is truncated: it has {size} bytes."
        end(folder, unit, "failed", certain=True, cause=cause, hint="Copy it again.")
    end(folder, add_unit(folder, "0002-c"), "unfit", cause="It needs 90 GB.", certain=True)
    page = report_of(folder)
    assert page.text.count("[movie] is truncated: it has") == 1
    assert page.text.count("Copy it again.") == 1
    assert "2 movies: a (0001-a), b (0001-b)" in page.text
    assert "(and alike, with other numbers)" in page.text
    assert "It needs 90 GB." in page.text
    assert "/data/a.tif" not in page.text


def test_a_failure_that_is_alone_names_its_file(folder) -> None:
    unit = add_unit(folder, "0001-a")
    end(folder, unit, "failed", certain=True, cause=f"{unit.path} is no movie.")
    assert "/data/a.tif is no movie." in report_of(folder).text


def test_what_failed_and_will_be_tried_again_is_not_among_the_failures(tmp_path) -> None:
    folder = made_batch(tmp_path / "night", attempts=3)
    end(folder, add_unit(folder, "0001-a"), "failed", cause="The drive is away.")
    page = report_of(folder)
    assert "1 movie: 1 waiting." in page.text
    assert "Went wrong, and will be tried again The drive is away." in page.text


def test_texts_from_outside_are_texts(folder) -> None:
    evil = '<script>alert("x")</script><img src=x onerror=alert(1)>\x00\x1b'
    unit = add_unit(folder, "0001-a", movie=evil, annotations={f"meta.{evil}": evil})
    end(
        folder, unit, table=table_of([5, 5]), objects=[found(evil, frames=2)], frames=2,
        warnings=(evil,), worker=evil, host=evil, device=evil, seconds=1,
    )  # fmt: skip
    bad = add_unit(folder, "0002-b", movie=evil)
    end(folder, bad, "failed", certain=True, cause=evil, hint=evil, seconds=1)
    Verdicts(folder).set("0001-a", "accept", evil, who=evil)
    folder.change_head(command=evil, versions={evil: evil}, weights={evil: {evil: evil}})
    page = report_of(folder)
    assert len(page.all("script")) == 1
    assert not [attributes for attributes in page.all("img") if "onerror" in attributes]
    assert page.text.count('<script>alert("x")</script>') >= 12
    assert not re.search("[\x00-\x08\x1b]", (folder.path / "report.html").read_text("utf-8"))


def test_the_page_loads_nothing_and_lets_no_other_script_run(folder) -> None:
    end(folder, add_unit(folder, "0001-a"), table=table_of([5, 5]), objects=[found()])
    page = report_of(folder)
    assert not page.all("link") + page.all("iframe") + page.all("object")
    (script,) = page.all("script")
    assert "src" not in script
    assert all(i["src"].startswith("data:image/jpeg;base64,") for i in page.all("img"))
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src 'sha256-" in policy
    text = (folder.path / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r"https?://|url\(|@import", text)


def test_a_contact_sheet_is_in_the_page_and_leads_to_the_large_one(folder) -> None:
    unit = add_unit(folder, "0001-a")
    end(folder, unit, table=table_of([5, 5]), objects=[found()])
    Image.new("RGB", (2000, 1000), (200, 30, 30)).save(folder.work_of("0001-a") / "sheet.png")
    page = report_of(folder)
    (image,) = page.all("img")
    with Image.open(BytesIO(base64.b64decode(image["src"].partition(",")[2]))) as shown:
        assert shown.size == (960, 480)
    assert {"href": "work/0001-a/sheet.png"} in page.all("a")


def test_pictures_get_smaller_where_there_are_many_and_those_without_room_are_counted(
    tmp_path,
) -> None:
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (600, 1200, 3), np.uint8)).save(tmp_path / "s.png")
    wide = Pictures(1).embedded(tmp_path / "s.png")
    pictures = Pictures(4, most_bytes=len(wide))
    several = [pictures.embedded(tmp_path / "s.png") for _ in range(4)]
    assert all(several)
    assert sum(map(len, several)) <= len(wide)
    assert pictures.left_out == 0
    none = Pictures(2, most_bytes=1000)
    assert [none.embedded(tmp_path / "s.png") for _ in range(2)] == ["", ""]
    assert none.left_out == 2


def test_a_picture_that_is_gone_or_damaged_is_none(tmp_path) -> None:
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    pictures = Pictures(2)
    assert pictures.embedded(tmp_path / "bad.png") == ""
    assert pictures.embedded(tmp_path / "gone.png") == ""
    assert pictures.left_out == 0


def test_a_picture_for_which_there_is_no_room_is_named(folder, monkeypatch) -> None:
    monkeypatch.setattr("napari_sa2va.batch.report.pictures._SIZES", ((400, 70),))
    monkeypatch.setattr("napari_sa2va.batch.report.Pictures", lambda number: Pictures(number, 100))
    end(folder, add_unit(folder, "0001-a"), table=table_of([5, 5]), objects=[found()])
    Image.new("RGB", (2000, 1000), (200, 30, 30)).save(folder.work_of("0001-a") / "sheet.png")
    text = report_of(folder).text
    assert "Left out for the size of this page: work/0001-a/sheet.png" in text
    assert "1 pictures were left out" in text


def test_doubtful_frames_are_told_with_their_reasons(folder) -> None:
    # 20 px, then 60 at once: an area jump on frame 3. Gone on frame 5, and never back.
    table = table_of([20, 20, 20, 60, 60, 0])
    end(folder, add_unit(folder, "0001-a"), table=table, objects=[found(frames=5)], frames=6)
    page = report_of(folder)
    assert page.row("a")[5] == "2"
    assert "area jump 1×, vanishes 1×; frame 3, 5" in page.text
    assert "it was not calibrated on your movies" in page.text


def test_masks_that_outputs_do_not_have_are_told_of_before_all_else(folder) -> None:
    end(folder, add_unit(folder, "0001-apart"), objects=[found()])
    coco = Output(path="/out/whole.coco.json", kind="coco")
    end(folder, add_unit(folder, "0002-whole", outputs=(coco,)), overlap_frames=4)
    page = report_of(folder)
    assert "one object per pixel" not in page.text
    assert "masks cover each other on 4 frames" in page.text
    end(folder, add_unit(folder, "0003-lost"), overlap_frames=2)
    page = report_of(folder)
    said = (
        "In 1 of 3 units masks cover each other, and OME-TIFF (labels) holds one object per pixel"
    )
    assert page.text.index(said) < page.text.index("All movies")


def test_a_verdict_is_shown_as_long_as_it_is_about_the_result_that_is_there(folder) -> None:
    unit = add_unit(folder, "0001-a")
    end(folder, unit, table=table_of([5]), objects=[found()], ended="2026-03-01T02:00:00+00:00")
    Verdicts(folder).set("0001-a", "redo", "one cell too many", who="Ada")
    assert "Ada" in report_of(folder).text
    end(folder, unit, table=table_of([5]), objects=[found()], ended="2026-03-01T02:00:00+00:00")
    assert "Ada" not in report_of(folder).text


@pytest.mark.parametrize("said", ["0001-a,perhaps\n", '0001-a,"' + "x" * 200_000])
def test_broken_verdicts_and_settings_that_are_gone_leave_the_rest_of_the_page(
    folder, said
) -> None:
    end(folder, add_unit(folder, "0001-a"), table=table_of([5]), objects=[found()])
    (folder.path / "verdicts.csv").write_text(f"unit,verdict\n{said}")
    for settings in (folder.path / "settings").iterdir():
        settings.unlink()
    page = report_of(BatchFolder.open(folder.path))
    assert page.row("a")[1] == "done"
    assert "The settings of 0001-a" in page.text


def test_a_movie_that_was_gone_on_with_says_so(folder) -> None:
    unit = add_unit(folder, "0001-a")
    end(folder, unit, table=table_of([5] * 9), objects=[found()], frames=9, resumed_at=4)
    assert "gone on with after 4 frames" in report_of(folder).text


def test_parts_of_a_movie_that_was_split_are_told_as_one_movie(folder) -> None:
    whole = add_unit(folder, "0001-a", parts=("0001-a-part1", "0001-a-part2"))
    for n in (1, 2):
        part = add_unit(folder, f"0001-a-part{n}", part={"first_frame": 4 * n, "last_frame": 9 * n})
        end(folder, part, table=table_of([5]), objects=[found()])
    end(folder, whole)
    assert "1 movie: all done" in report_of(folder).text


def test_times_are_those_of_the_workers(folder) -> None:
    for n, (worker, seconds) in enumerate((("w1", 60), ("w2", 120), ("w1", 60)), start=1):
        end(
            folder, add_unit(folder, f"000{n}-m{n}"), table=table_of([5]), objects=[found()],
            worker=worker, host="box/4026531836", device="cuda:0", frames=12, seconds=seconds,
            began="2026-03-01T02:00:00+00:00", ended=f"2026-03-01T02:0{2 * n}:00+00:00",
            peak_bytes=2_000_000_000,
        )  # fmt: skip
    page = report_of(folder)
    assert "Workers were busy for 4 min in all." in page.text
    assert "3 movies in 6 min from the first beginning to the last end" in page.text
    assert "30 per hour" in page.text
    assert ["Worker", "Machine", "Device", "Units begun", "Busy", "Frames/s", "Memory"] in page.rows
    assert ["w1", "box", "cuda:0", "2", "2 min", "0.2", "2.0 GB"] in page.rows
    assert ["m2", "2 min", "12", "10 s", "2.0 GB", "w2"] in page.rows


def test_versions_weights_and_commands_are_those_of_the_batch(folder) -> None:
    folder.change_head(
        command="napari-sa2va batch movies -p 'the cell'",
        directory="/data",
        weights={"nano": {"a.bin": "0f3c"}},
    )
    add_unit(folder, "0001-a", sentences=("the cell",))
    page = report_of(folder)
    said = "The command of this batch, in /data: napari-sa2va batch movies -p 'the cell'"
    assert said in page.text
    assert "uv pip install --python 3.11.7 torch==2.6.0" in page.text
    assert f"napari-sa2va batch {folder.path}/repeat.csv -p 'the cell'" in page.text
    assert ["nano", "a.bin", "0f3c"] in page.rows


def test_what_a_dicom_file_says_of_a_person_is_in_no_word_of_the_page(tmp_path) -> None:
    from pydicom import dcmread
    from pydicom.examples import get_path

    source = dcmread(get_path("ybr_color"))
    source.PatientName = "Xavier^Quintessa"
    path = tmp_path / "Quintessa_Xavier_1.dcm"
    source.save_as(path)
    folder = made_batch(tmp_path / "night", command=f"napari-sa2va batch {path}")
    unit = add_unit(folder, "0001-quintessa-xavier", movie="Quintessa Xavier", path=str(path))
    end(
        folder, unit, table=table_of([5]), objects=[found("Xavier's heart")],
        warnings=("xavier was here",),
    )  # fmt: skip
    other = add_unit(folder, "0002-xavier", movie="Xavier", path=str(path))
    end(folder, other, "failed", certain=True, cause=f"{path} is broken.", hint="Ask Xavier.")
    Verdicts(folder).set("0001-quintessa-xavier", "accept", "Quintessa")
    write_report(folder)
    text = (folder.path / "report.html").read_text(encoding="utf-8").lower()
    assert "quintessa" not in text
    assert "xavier" not in text
    assert "(patientname)" in text


# Numbers


def test_numbers_are_those_of_the_table_with_the_scale_that_it_implies(tmp_path) -> None:
    (tmp_path / "objects.csv").write_text(
        "object,name,frame,time_s,area_px,area_um2,score,present\n"
        "1,a,0,0.0,0,0,0.1,0\n2,b,0,0.0,8,2.0,0.5,1\n"
        "1,a,3,1.5,12,3.0,,1\n"
    )
    numbers = read_numbers(tmp_path / "objects.csv")
    assert (numbers.num_frames, numbers.um2_per_px, numbers.interval_s) == (4, 0.25, 0.5)
    one, two = numbers.lanes
    assert one.known.tolist() == [True, False, False, True]
    assert one.present.tolist() == [False, False, False, True]
    assert np.isnan(one.score[3])
    assert (two.object_id, two.name, two.score[0], two.area_px[0]) == (2, "b", 0.5, 8)


def test_a_score_is_that_of_the_frames_on_which_the_object_is(tmp_path) -> None:
    (tmp_path / "objects.csv").write_text(
        "object,frame,area_px,score\n1,0,9,0.5\n1,1,9,0.75\n1,2,0,0.0\n2,0,9,\n3,0,0,0.9\n"
    )
    assert read_numbers(tmp_path / "objects.csv").scores == {1: 0.625}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "object,frame\n1,0\n",
        "object,frame,area_px\nx,y,z\n",
        "object,frame,area_px\n1,0\n",
        "object,frame,area_px\n1,-5,9\n",
        "object,frame,area_px\n1,99999999999,9\n",
        "object,frame,area_px\n1,0,inf\n",
        '"' + "x" * 200_000,
        "\0" * 4096,
    ],
)
def test_a_table_that_is_gone_or_none_has_no_numbers(tmp_path, text) -> None:
    if text is not None:
        (tmp_path / "objects.csv").write_text(text)
    assert read_numbers(tmp_path / "objects.csv").lanes == ()


def test_a_table_is_read_up_to_where_it_is_damaged(tmp_path) -> None:
    (tmp_path / "objects.csv").write_text(
        "object,frame,time_s,area_px,area_um2,score\n1,0,0.0,9,2.25,0.5\n1,1,0.0,9,2.25,0.5\n"
    )
    numbers = read_numbers(tmp_path / "objects.csv")
    assert (numbers.num_frames, numbers.um2_per_px, numbers.interval_s) == (2, 0.25, None)


# Plots


def numbers_of(areas: list[float], **scale: float) -> Numbers:
    area = np.array(areas, float)
    number = len(area)
    nothing = np.zeros(number, bool)
    lane = Lane(
        3, "c", (0, 0, 0), ~nothing, area > 0, np.full(number, 0.9), area,
        np.full(number, np.nan), nothing, nothing,
    )  # fmt: skip
    return Numbers((lane,), **scale)


def line_of(svg: str) -> str:
    tree = ElementTree.fromstring(svg)
    (path,) = [e for e in tree.iter("path") if "line" in e.get("class", "").split()]
    assert path.get("class") == "line o3"
    return path.get("d", "")


def texts_of(svg: str) -> list[str]:
    return [e.text or "" for e in ElementTree.fromstring(svg).iter("text")]


def test_a_line_goes_through_the_values_of_its_object() -> None:
    svg = area_plot(numbers_of([0.0, 100.0, 50.0]), "title")
    # The plot is from x 56 to 548 and from y 154 (nothing) to 12 (105 px, a margin above 100).
    assert line_of(svg) == "M302.0 18.8h0L548.0 86.4"


def test_a_line_is_broken_where_the_object_is_absent() -> None:
    d = line_of(area_plot(numbers_of([50, 50, 0, 0, 50, 50]), "title"))
    assert d.count("M") == 2
    assert d.count("L") == 2


def test_an_object_on_a_single_frame_is_a_dot() -> None:
    assert re.fullmatch(r"M[\d.]+ [\d.]+h0", line_of(area_plot(numbers_of([0, 9, 0]), "title")))


def test_axes_are_labelled_with_the_units_that_the_movie_knows() -> None:
    plain = texts_of(area_plot(numbers_of([5, 6, 7]), "title"))
    assert {"Area (px)", "Frame", "0", "1", "2"} <= set(plain)
    scaled = texts_of(area_plot(numbers_of([5] * 100, um2_per_px=0.25, interval_s=60), "title"))
    assert {"Area (µm²)", "Time (min)"} <= set(scaled)
    assert "Time (h)" in texts_of(area_plot(numbers_of([5] * 500, interval_s=60.0), "title"))
    assert "Time (s)" in texts_of(area_plot(numbers_of([5, 5], interval_s=0.04), "title"))


def test_frames_are_counted_in_whole_numbers() -> None:
    labels = texts_of(area_plot(numbers_of([5.0] * 10), "title"))
    assert not [label for label in labels[: labels.index("Area (px)")] if "." in label]


def test_a_long_movie_has_a_short_line_that_shows_its_lowest_and_highest_values() -> None:
    areas = np.full(10_000, 50.0)
    areas[5000], areas[7000] = 100.0, 10.0
    d = line_of(area_plot(numbers_of(areas.tolist()), "title"))
    assert len(d) < 4000
    heights = [float(y) for y in re.findall(r"(?:[ML][\d.]+ |V)([\d.]+)", d)]
    assert (min(heights), max(heights)) == (18.8, 140.5)  # of 100 and of 10


@pytest.mark.parametrize("areas", [[7.0], [0.0], [1e-9, 1e9]])
def test_plots_of_odd_movies_are_drawn(areas) -> None:
    ElementTree.fromstring(area_plot(numbers_of(areas), "a < b & c"))


def test_progress_is_a_staircase() -> None:
    svg = progress_plot([10.0, 20.0, 40.0], "title")
    (path,) = [
        e for e in ElementTree.fromstring(svg).iter("path") if e.get("class") == "line plain"
    ]
    # 492 px are 40 s; 142 px are 3.15 movies.
    assert path.get("d") == "M56.0 154.0H179.0V108.9H302.0V63.8H548.0V18.8"
    assert "Time (s)" in texts_of(svg)
