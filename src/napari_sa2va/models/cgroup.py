"""What a container may still take of the machine's memory.

Linux limits containers and batch jobs (Docker, SLURM) by control groups. What is free on the whole
machine says nothing about such a limit, and who passes it is killed without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class _Files:
    """How one version of control groups calls its files, and what can be dropped in its stat."""

    limit: str
    used: str
    droppable: tuple[str, str]


_V1 = _Files(
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    ("total_inactive_file", "total_active_file"),
)
_V2 = _Files("memory.max", "memory.current", ("inactive_file", "active_file"))


def free_bytes(
    process: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Bytes that this process may still take, or None if nothing limits it.

    Parameters
    ----------
    process : Path
        Lists the groups of the process.
    mount : Path
        Where the groups are shown as folders.

    Notes
    -----
    Files that the kernel keeps in memory count as used, but it drops them when memory runs short.
    They count as free here, as they do in `psutil.virtual_memory().available`; without that,
    weights that were just read would leave no room for themselves.
    """
    left = [_left(folder, files) for folder, files in _groups(process, mount)]
    return min((bytes_ for bytes_ in left if bytes_ is not None), default=None)


def _groups(process: Path, mount: Path) -> Iterator[tuple[Path, _Files]]:
    """The group of the process and all groups above it, each of which may set a limit."""
    try:
        lines = process.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not path.startswith("/"):
            continue
        if not controllers:
            root, files = mount, _V2
        elif "memory" in controllers.split(","):
            root, files = mount / "memory", _V1
        else:
            continue
        # In a container the path may be that of the host: what exists of it is the root alone.
        group = PurePosixPath(path)
        levels = [group, *group.parents] if ".." not in group.parts else [PurePosixPath("/")]
        for level in levels:
            yield root / level.relative_to("/"), files


def _left(folder: Path, files: _Files) -> int | None:
    try:
        limit, used = ((folder / name).read_text().strip() for name in (files.limit, files.used))
        if limit == "max":
            return None
        return max(int(limit) - int(used) + _droppable(folder, files), 0)
    except (OSError, ValueError):  # no such file at this level, or one of another form
        return None


def _droppable(folder: Path, files: _Files) -> int:
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    fields = dict(line.split(maxsplit=1) for line in lines if len(line.split()) == 2)
    return sum(int(fields.get(name, 0)) for name in files.droppable)
