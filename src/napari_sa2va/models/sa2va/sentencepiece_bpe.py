"""A SentencePiece BPE model file as a fast tokenizer, without the sentencepiece package.

The file is a protocol buffer; only the few fields needed are read. InternLM2 checkpoints ship
nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as FastTokenizer

_SPACE = "\u2581"

# Types of a piece, as sentencepiece_model.proto numbers them.
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6
_BPE = 2


@dataclass(frozen=True)
class Piece:
    """An entry of the vocabulary; its id is its place in the file."""

    text: str
    score: float
    kind: int


@dataclass(frozen=True)
class SentencePieceModel:
    """The part of a SentencePiece file that tokenising needs."""

    pieces: tuple[Piece, ...]
    model_type: int
    byte_fallback: bool
    charsmap: bytes
    dummy_prefix: bool
    squeeze_spaces: bool


def read_model(path: Path) -> SentencePieceModel:
    """Parse a tokenizer.model file.

    Raises
    ------
    CheckpointError
        If the file is cut off or is no SentencePiece model.
    """
    pieces: list[Piece] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    try:
        for number, value in _fields(path.read_bytes()):
            if number == 1 and isinstance(value, bytes):
                entry = dict(_fields(value))
                pieces.append(
                    Piece(_bytes(entry.get(1)).decode(), _float(entry.get(2)), _int(entry, 3, 1))
                )
            elif number == 2 and isinstance(value, bytes):
                trainer = dict(_fields(value))
            elif number == 3 and isinstance(value, bytes):
                normalizer = dict(_fields(value))
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a SentencePiece model: {error}.", "Copy the file again."
        ) from error
    if not pieces:
        raise CheckpointError(f"{path} has no vocabulary.", "Copy the file again.")
    return SentencePieceModel(
        tuple(pieces),
        model_type=_int(trainer, 3, 1),
        byte_fallback=bool(_int(trainer, 35, 0)),
        charsmap=_bytes(normalizer.get(2)),
        dummy_prefix=bool(_int(normalizer, 3, 1)),
        squeeze_spaces=bool(_int(normalizer, 4, 1)),
    )


def fast_tokenizer(path: Path, renamed: Mapping[int, str]) -> FastTokenizer:
    """Build the fast tokenizer that cuts text as SentencePiece does.

    Parameters
    ----------
    path : Path
        A tokenizer.model of BPE kind with byte fallback.
    renamed : mapping of int to str
        Added tokens that take over the place of an unused piece, by id (InternLM2 gives its chat
        tokens the ids of placeholders). Ids beyond the vocabulary are left to the caller.

    Raises
    ------
    CheckpointError
        If the model is of another kind.
    """
    from tokenizers import AddedToken, decoders, models, normalizers
    from tokenizers import Tokenizer as FastTokenizer

    source = read_model(path)
    if source.model_type != _BPE:
        raise CheckpointError(
            f"{path} is a SentencePiece model of kind {source.model_type}, not BPE.",
            "Give the checkpoint's tokenizer as tokenizer.json.",
        )
    texts = [renamed.get(i, piece.text) for i, piece in enumerate(source.pieces)]
    unknown = next((p.text for p in source.pieces if p.kind == _UNKNOWN), None)
    fast = FastTokenizer(
        models.BPE(
            {text: i for i, text in enumerate(texts)},
            _merges(source.pieces),
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=source.byte_fallback,
        )
    )
    steps: list[normalizers.Normalizer] = []
    if source.charsmap:
        steps.append(normalizers.Precompiled(source.charsmap))
    if source.squeeze_spaces:
        steps.append(normalizers.Replace(" +", " "))
    if source.dummy_prefix:
        steps.append(normalizers.Prepend(_SPACE))
    steps.append(normalizers.Replace(" ", _SPACE))
    fast.normalizer = normalizers.Sequence(steps)
    decoding: list[decoders.Decoder] = [
        decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(),
    ]  # fmt: skip
    if source.dummy_prefix:
        decoding.append(decoders.Strip(" ", 1, 0))
    fast.decoder = decoders.Sequence(decoding)
    controls = [
        AddedToken(text, special=True, normalized=False)
        for text, piece in zip(texts, source.pieces, strict=True)
        if piece.kind in (_CONTROL, _UNKNOWN)
    ]
    fast.add_special_tokens(controls)
    # Matched as a whole before anything else, as SentencePiece does.
    whole = [
        AddedToken(text, special=False, normalized=False)
        for i, (text, piece) in enumerate(zip(texts, source.pieces, strict=True))
        if piece.kind == _USER_DEFINED and i not in renamed
    ]
    fast.add_tokens(whole)
    return fast


def _merges(pieces: tuple[Piece, ...]) -> list[tuple[str, str]]:
    """The pairs that make up each piece, best piece first.

    SentencePiece keeps no list of merges: two neighbours merge if together they are a piece, the
    one with the highest score first.
    """
    ids = {p.text: i for i, p in enumerate(pieces) if p.kind == _NORMAL}
    ranked = []
    for text, index in ids.items():
        score = pieces[index].score
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut:]
            if left in ids and right in ids:
                ranked.append((-score, ids[left], ids[right], left, right))
    ranked.sort()
    return [(left, right) for *_, left, right in ranked]


# -- the wire format of protocol buffers ------------------------------------------------------


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and raw values of a message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"unexpected wire type {wire}")
        if at + size > len(data):
            raise ValueError("The file ends too early")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _bytes(value: int | bytes | None) -> bytes:
    return value if isinstance(value, bytes) else b""


def _float(value: int | bytes | None) -> float:
    import struct

    return float(struct.unpack("<f", value)[0]) if isinstance(value, bytes) else 0.0


def _int(fields: Mapping[int, int | bytes], number: int, default: int) -> int:
    value = fields.get(number, default)
    return value if isinstance(value, int) else default
