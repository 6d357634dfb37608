"""Many workers on a shared disk that is slow and tells old news do every unit once."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

from napari_sa2va._tests.batch_hands import (
    light_batch,
    pull,
    states,
    times_done,
    work_off,
    workers_of,
)
from napari_sa2va._tests.slow_disk import AGE_S, SlowDisk
from napari_sa2va.batch.engines import Local
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.core.cancel import CancelToken


def pull_slowly(path: str, name: str, *, device: str = "", stop: CancelToken | None = None) -> None:
    """The life of a worker to whom the batch folder is a slow disk."""
    disk = SlowDisk(Path(path))
    with disk.between():
        pull(path, name, device=device, stop=stop)
    Path(f"{path}-{name}").write_text(str(disk.waits))


class SlowLocal(Local):
    pull = f"{__name__}:pull_slowly"


def waits_on(folder: BatchFolder) -> list[int]:
    """How often each worker that came to its end has waited for the disk."""
    files = folder.path.parent.glob(f"{folder.path.name}-*")
    return [int(file.read_text()) for file in files]


def test_the_disk_is_slow_and_what_it_tells_is_old_except_of_what_one_has_changed(
    tmp_path: Path,
) -> None:
    file = tmp_path / "disk" / "a"
    file.parent.mkdir()
    disk = SlowDisk(file.parent)
    with disk.between():
        begin = monotonic()
        assert not file.exists()
        assert list(file.parent.iterdir()) == []
        assert disk.waits == 2
        assert monotonic() - begin > 0.04
    file.touch()  # by another machine
    with disk.between():
        assert not file.exists()
        assert list(file.parent.iterdir()) == []
        assert monotonic() - begin < AGE_S
        other = file.with_name("b")
        other.touch()
        assert other.exists()
        assert {path.name for path in file.parent.iterdir()} == {"a", "b"}
        assert disk.waits > 4


def test_workers_on_a_slow_disk_do_every_unit_once(tmp_path: Path) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 0.05"] * 24)
    work_off(folder, SlowLocal(workers=6))
    assert times_done(folder) == dict.fromkeys(folder.units(), 1)
    assert set(states(folder).values()) == {"done"}
    assert all(standing.generation == 1 for standing in folder.standings().values())
    assert len(workers_of(folder)) > 3
    assert min(waits_on(folder)) > 10


def test_a_heart_that_beats_over_a_slow_disk_is_not_taken_for_a_stopped_one(
    tmp_path: Path,
) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 5"] * 2, stale_s=3.0)
    work_off(folder, SlowLocal(workers=3))
    assert times_done(folder) == dict.fromkeys(folder.units(), 1)
    assert all(standing.generation == 1 for standing in folder.standings().values())
