"""A process of its own that looks at the movies of a batch while its workers are at work.

Workers take the longest units first as far as they are known by then: 10,000 units need not be looked at
before the first one begins. And what foretells their time stays out of the client, which it would make
larger and slower.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.core.python_command import python_command

_POLITE_S = 5.0
# How often a folder to which units may still be added is looked at, in s.
_LOOK_S = 5.0
_NICER = 10


@contextmanager
def surveying(folder: BatchFolder) -> Iterator[None]:
    """Gather facts of the units of a batch as long as the block lasts.

    Nothing depends on it but the order in which units are taken up, and how well the time that is
    left is known: if it fails, the batch goes on.
    """
    process = subprocess.Popen(
        python_command("-m", __name__, str(folder.path)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the client, which ends it
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_POLITE_S)
        except subprocess.TimeoutExpired:  # it waits for a drive that is away
            process.kill()


def main(path: str) -> None:
    """The whole life of that process."""
    from napari_sa2va.batch.survey import survey_folder

    if hasattr(os, "nice"):
        os.nice(_NICER)  # the workers need the machine more
    folder, client = BatchFolder.open(path), os.getppid()
    while True:
        survey_folder(folder)
        if folder.is_cancelled or not folder.is_watching or os.getppid() != client:
            return
        sleep(_LOOK_S)


if __name__ == "__main__":
    main(sys.argv[1])
