"""The text a Qwen-VL model is shown, and the two ways of showing it its pictures.

Plain strings only, as in `prompt_format`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sa2va.models.sa2va.prompt_format import (
    QWEN_END,
    QWEN_PAD,
    QWEN_START,
    TEMPLATES,
    behind_blocks,
    with_blocks,
    without_pictures,
)
from napari_sa2va.models.sa2va.qwen_pictures import PixelLimits

if TYPE_CHECKING:
    from napari_sa2va.core.exchange import Exchange

# Whatever config.json says: all published checkpoints were trained with it, and it is also how
# the chat templates of Qwen2.5-VL and Qwen3-VL write a turn.
TEMPLATE = TEMPLATES["qwen_chat"]

_TOKEN_PX = 28 * 28  # what a vision token of Qwen2.5-VL covers; the constants are counted in it


@dataclass(frozen=True)
class Reading:
    """How a Qwen-VL checkpoint is shown its pictures and its text.

    Attributes
    ----------
    one_picture, several_pictures : PixelLimits
        Limits for each picture, if there is one and if there are several.
    resized_before : (step in px, PixelLimits) or None
        A resize before the tower's own.
    system_turn : bool
        Whether the chat template's system turn begins the conversation, if it has one.
    blocks_joined_by : str
        What stands between two pictures.
    pictures_first : bool
        Whether the pictures stand before the text, and not where it says `<image>`.
    """

    one_picture: PixelLimits
    several_pictures: PixelLimits
    resized_before: tuple[int, PixelLimits] | None
    system_turn: bool
    blocks_joined_by: str
    pictures_first: bool

    def limits(self, num_pictures: int) -> PixelLimits:
        """Limits of each of so many pictures."""
        return self.one_picture if num_pictures == 1 else self.several_pictures

    def first_turn(self, text: str, token_counts: Sequence[int]) -> str:
        """The user's first text with the placeholders of the pictures."""
        blocks = self.blocks_joined_by.join(
            f"{QWEN_START}{QWEN_PAD * n}{QWEN_END}" for n in token_counts
        )
        return behind_blocks(text, blocks) if self.pictures_first else with_blocks(text, blocks)

    def conversation(
        self, text: str, history: Sequence[Exchange], token_counts: Sequence[int], *, system: str
    ) -> str:
        """The whole prompt: what was said before, then one more user turn.

        Parameters
        ----------
        text : str
        history : sequence of Exchange
        token_counts : sequence of int
            Vision tokens of each picture. The pictures stand in the first turn.
        system : str
            What the chat template says before the first turn; empty if nothing.
        """
        first, *later = [*(exchange.question for exchange in history), text]
        questions = [
            self.first_turn(first, token_counts),
            *(without_pictures(question) for question in later),
        ]
        turns = TEMPLATE.turns(questions, [exchange.answer for exchange in history])
        if not (system and self.system_turn):
            return turns
        return f"<|im_start|>system\n{system}<|im_end|>\n{turns}"


_LARGE = PixelLimits(512 * _TOKEN_PX, 2048 * _TOKEN_PX)

READINGS = {
    # The published inference code: its helper resizes to multiples of 28 px (for Qwen3-VL too,
    # whose own step is 32), then its processor does again.
    "published": Reading(
        one_picture=_LARGE,
        several_pictures=_LARGE,
        resized_before=(28, PixelLimits(4 * _TOKEN_PX, 16384 * _TOKEN_PX)),
        system_turn=True,
        blocks_joined_by="",
        pictures_first=True,
    ),
    # The published training code.
    "trained": Reading(
        one_picture=_LARGE,
        several_pictures=PixelLimits(128 * _TOKEN_PX, 512 * _TOKEN_PX),
        resized_before=None,
        system_turn=False,
        blocks_joined_by="\n",
        pictures_first=False,
    ),
}
