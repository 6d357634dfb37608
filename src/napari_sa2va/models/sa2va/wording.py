"""How a request is worded, as each family member was trained or evaluated on it.

One function per task; the first question of a conversation starts with `<image>`, later ones do
not.
"""

from __future__ import annotations

import re
from typing import Literal

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.prompt import IMAGE
from napari_sa2va.models.sa2va.prompt_format import Mode

Task = Literal["segment", "ask", "caption", "describe"]

# "segment the cell" asks; "segment 3 of the larva" names.
_ASKS_TO_SEGMENT = re.compile(r"(?:please\s+)?segment(?:\s+(?!\d|of\b|[ivx]+\b)|$)", re.IGNORECASE)
_QUESTION_TO_SEGMENT = re.compile(
    r"\b(?:can|could|will|would) you (?:\w+ )?segment\b", re.IGNORECASE
)
_MASK_REQUEST = "Please respond with a segmentation mask."


def video_question(expression: str) -> str:
    """Word an expression as the models were evaluated on videos.

    * `the bright cell` becomes `Please segment the bright cell.`
    * `segment the bright cell` and `Please segment the bright cell.` become the same: the request
      is not wrapped twice, and there is one full stop.
    * A question (anything with `?`) is kept, and followed by a request for a mask, unless it is
      one itself: `Can you segment ...?`, a form of the models' training data.
    * A text that holds `<image>` is taken to the letter.

    Raises
    ------
    RequestError
        If the expression is empty.

    Notes
    -----
    Reference: evaluation of referring video segmentation, including the space before a question.
    """
    return _worded(expression, "Please segment {}.", space="")


def image_question(expression: str) -> str:
    """Word an expression as the models were evaluated on single images; see `video_question`."""
    return _worded(expression, "Please segment {} in this image.", space=" ")


def question_for(expression: str, mode: Mode = "video") -> str:
    """The user text, with `<image>`, for an expression such as `the bright cell`.

    Examples
    --------
    >>> question_for("the bright cell")
    '<image>\\nPlease segment the bright cell.'
    """
    return video_question(expression) if mode == "video" else image_question(expression)


def caption_question() -> str:
    """Ask for a caption whose phrases have masks (grounded caption generation).

    Notes
    -----
    Reference: its evaluation, without the row of spaces that a broken source line left there.
    """
    return (
        f"{IMAGE}\nCould you please give me a brief description of the image? Please respond with "
        "interleaved segmentation masks for the corresponding parts of the answer."
    )


def region_question(number: int = 1) -> str:
    """Ask what a marked region shows.

    Parameters
    ----------
    number : int
        Which of the marked regions, from 1.
    """
    return (
        f"{IMAGE}\nCan you provide me with a detailed description of the region in the picture "
        f"marked by region{number}?"
    )


_ASKS = re.compile(
    r"(?:what|which|who|whose|where|when|why|how|is|are|was|were|do|does|did|has|have|can|could|"
    r"describe|explain|tell|count|list|compare)\b",
    re.IGNORECASE,
)


def is_question(text: str) -> bool:
    """Whether a text asks something; otherwise it names what to segment.

    A request for a mask is no question, however it is put.

    Examples
    --------
    >>> [is_question(t) for t in ("How many cells?", "the large cell", "now the one to its left")]
    [True, False, False]
    >>> is_question("Can you segment the large cell?")
    False
    """
    text = text.replace(IMAGE, "").strip()
    if _QUESTION_TO_SEGMENT.search(text) or _ASKS_TO_SEGMENT.match(text):
        return False
    return text.endswith("?") or bool(_ASKS.match(text))


def free_question(text: str) -> str:
    """A question in the user's own words; one that holds `<image>` is taken to the letter.

    Raises
    ------
    RequestError
        If it is empty.
    """
    if not text.replace(IMAGE, "").strip():
        raise RequestError("The question is empty.", "Ask something, such as 'How many cells?'.")
    return text if IMAGE in text else f"{IMAGE}\n{' '.join(text.split())}"


def as_later_turn(question: str) -> str:
    """A worded question as it stands later in a conversation: the pictures were shown before."""
    return question.replace(IMAGE, "").strip()


def _worded(expression: str, wording: str, *, space: str) -> str:
    text = expression.strip()
    bare = _ASKS_TO_SEGMENT.sub("", text.replace(IMAGE, "").strip(), count=1)
    if not bare.strip(" .?"):
        raise RequestError(f"The sentence {expression!r} is empty.", "Say what to segment.")
    if IMAGE in text:
        return expression
    if "?" in text:
        request = "" if _QUESTION_TO_SEGMENT.search(text) else f" {_MASK_REQUEST}"
        return f"{IMAGE}\n {text}{request}"
    asked = _ASKS_TO_SEGMENT.match(text)
    if asked is not None:
        text = text[asked.end() :]
    text = text.rstrip(" .")
    ending = wording.partition("{}")[2]
    text = text.removesuffix(ending.rstrip("."))
    return f"{IMAGE}\n{space}{wording.format(text)}"
