"""Workers of a dask cluster that is started here: several processes, of which some die."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.batch_hands import (
    PULL,
    kill_worker_of_first,
    light_batch,
    states,
    stop_in_the_middle,
    times_done,
    work_off,
    workers_of,
)
from napari_sa2va._tests.made_units import made_folder, made_unit
from napari_sa2va.batch.conduct import conduct
from napari_sa2va.batch.engines import Dask
from napari_sa2va.batch.planning.identity import identity_of
from napari_sa2va.core.errors import BatchError
from napari_sa2va.models.hashes import weight_hashes
from napari_sa2va.models.zoo import find
from napari_sa2va.pipeline.record import package_versions


class LightDask(Dask):
    pull = PULL


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a cluster with two workers, for all tests that leave it as it is."""
    with closing(Dask(workers=2).cluster()) as cluster:
        yield cluster.scheduler_address


def test_a_worker_segments_a_movie_with_the_shipped_model(tmp_path: Path, address: str) -> None:
    pixels = np.zeros((4, 32, 32), "uint8")
    pixels[:, 8:24, 8:24] = 200
    movie, masks = tmp_path / "movie.tif", tmp_path / "masks.tif"
    tifffile.imwrite(movie, pixels, photometric="minisblack", metadata={"axes": "TYX"})
    more = {
        "sentences": ("the bright square",),
        "outputs": ({"path": str(masks), "kind": "ome-tiff"},),
        "identity": identity_of(str(movie)),
    }
    nano = find("nano").folder
    assert nano is not None
    known = {"weights": {"nano": weight_hashes(nano)}, "versions": package_versions()}
    folder = made_folder(tmp_path / "night", made_unit("movie", movie, **more), **known)
    work_off(folder, Dask(scheduler=address))
    assert set(states(folder).values()) <= {"done", "nothing"}
    assert tifffile.imread(masks).shape == (4, 32, 32)


def test_what_a_killed_worker_had_is_done_at_once_and_a_movie_that_kills_all_is_given_up(
    tmp_path: Path,
) -> None:
    units = ["first 60", "kill", "sleep 0.1"]
    folder = light_batch(tmp_path / "night", units, stale_s=600, attempts=2)
    # Nobody is polite to the dead for a minute.
    lost = kill_worker_of_first(folder, LightDask(workers=2), limit_s=50)
    assert states(folder) == {"0000": "done", "0001": "failed", "0002": "done"}
    assert times_done(folder) == {"0000": 1, "0001": 0, "0002": 1}
    assert lost.state == "lost"
    assert lost.cause.endswith("left the dask cluster.")


def test_two_clients_of_one_batch_on_one_cluster_are_as_good_as_one(
    tmp_path: Path, address: str
) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 0.5"] * 4)
    clients = [conduct(folder, LightDask(scheduler=address), every_s=0.05) for _ in range(2)]
    most = 0
    for looks in zip(*clients, strict=False):
        most = max(most, *(look.workers for look in looks))
    for client in clients:
        client.close()
    assert times_done(folder) == dict.fromkeys(folder.units(), 1)
    assert len(workers_of(folder)) == most == 2


SCRIPT = """
import sys
from napari_sa2va._tests.test_batch_engines_dask import LightDask
from napari_sa2va.batch.conduct import conduct
from napari_sa2va.batch.folder import BatchFolder
for look in conduct(BatchFolder.open(sys.argv[1]), LightDask(workers=1)):
    pass
"""


def test_a_script_that_cannot_be_read_twice_is_told_what_it_lacks(tmp_path: Path) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 0"])
    script = tmp_path / "night.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(folder.path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    last = done.stderr.splitlines()[-2:]
    assert "BatchError: No dask workers could be started here" in "".join(last)
    assert 'if __name__ == "__main__":' in "".join(last)


def test_a_client_that_is_stopped_stops_its_workers_and_nothing_counts_as_failed(
    tmp_path: Path, address: str
) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 60"] * 2)
    standing = stop_in_the_middle(folder, LightDask(scheduler=address))
    assert (standing.state, standing.attempts) == ("waiting", 0)
    assert standing.outcome is not None
    assert standing.outcome.state == "stopped"


def test_workers_that_are_about_to_begin_when_their_client_is_stopped_stop_too(
    tmp_path: Path, address: str
) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 60"] * 2)
    begin = monotonic()
    with LightDask(scheduler=address).crew(folder) as crew:
        while crew.size < 2:
            crew.tend()
    assert monotonic() - begin < 50  # after 60 s nobody is waited for
    assert states(folder) == {"0000": "waiting", "0001": "waiting"}


def test_workers_with_other_versions_are_refused_before_they_take_a_unit(
    tmp_path: Path, address: str
) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 0"], versions={"sam2": "0.0.7"})
    with pytest.raises(BatchError, match=r"sam2 [\d.]+ instead of 0\.0\.7"):
        work_off(folder, Dask(scheduler=address))
    assert folder.runs.scan() == {}
