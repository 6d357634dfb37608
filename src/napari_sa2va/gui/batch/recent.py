"""The batch folders that were looked at, kept on this machine between sessions. No Qt."""

from __future__ import annotations

from pathlib import Path

from napari_sa2va.core import user_files

_FILE = "batch_folders"
_MOST = 8


def recent_folders() -> list[Path]:
    """Batch folders that were looked at, the latest first; whether they are there is not asked."""
    kept = user_files.read(_FILE)
    return [Path(one) for one in kept if isinstance(one, str)] if isinstance(kept, list) else []


def keep_folder(folder: Path) -> None:
    """Remember a batch folder that is looked at."""

    def with_folder(before: object) -> list[str]:
        others = (
            [str(one) for one in before if one != str(folder)] if isinstance(before, list) else []
        )
        return [str(folder), *others][:_MOST]

    user_files.change(_FILE, with_folder)
