"""The prompts of earlier runs, kept on this machine between sessions. No Qt.

Two viewers may be open: each run is added to what is in the file by then.
"""

from __future__ import annotations

from typing import Any

from napari_sa2va.core import user_files
from napari_sa2va.gui.preferences import preferences
from napari_sa2va.gui.request import sentences_in

_FILE = "recent_prompts"


def recent_prompts() -> list[str]:
    """Whole prompts as they were run, the latest first; none while they are not to be kept."""
    wanted = preferences()
    return _texts(user_files.read(_FILE))[: wanted.num_recent] if wanted.keep_recent else []


def single_sentences(prompts: list[str]) -> list[str]:
    """The lines of prompts that have several, each once, in their order."""
    found: dict[str, None] = {}
    for prompt in prompts:
        lines = sentences_in(prompt)
        if len(lines) > 1:
            found |= dict.fromkeys(lines)
    return list(found)


def keep_prompt(text: str) -> None:
    """Keep what is being run; if prompts are not to be kept any more, forget what is kept.

    Parameters
    ----------
    text : str
        All sentences, one per line. One that was kept before becomes the latest.
    """
    wanted = preferences()
    prompt = "\n".join(sentences_in(text))
    if not wanted.keep_recent and user_files.read(_FILE):
        forget_prompts()
    if not wanted.keep_recent or not prompt:
        return

    def with_prompt(before: Any) -> list[str]:
        others = [other for other in _texts(before) if other != prompt]
        return [prompt, *others][: wanted.num_recent]

    user_files.change(_FILE, with_prompt)


def forget_prompts() -> None:
    """Forget all prompts."""
    user_files.change(_FILE, lambda before: [])


def _texts(kept: Any) -> list[str]:
    return [text for text in kept if isinstance(text, str)] if isinstance(kept, list) else []
