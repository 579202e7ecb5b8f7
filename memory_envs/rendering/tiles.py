"""The small pictures that a drawing of a trial is put together from: one for each step of each row.

People of every colour vision can tell the colours apart (after Okabe & Ito), and colour is never alone:
values carry their digits, marks have a shape. Tiles are cached and read-only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from memory_envs.rendering.font import mask
from memory_envs.rendering.view import rounded

Pixels: TypeAlias = npt.NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]

PAPER, NOW, FUTURE = (255, 255, 255), (255, 240, 178), (236, 238, 241)
INK, PALE, LINE = (28, 32, 38), (120, 126, 134), (176, 182, 190)
_POSITIVE, _NEGATIVE = (0, 92, 158), (240, 178, 60)
RIGHT, WRONG = (0, 128, 96), (204, 70, 0)
_HALF = 13
_SIGN_SHIFT = 9


@lru_cache(maxsize=512)
def word(text: str, width: int, height: int, ink: Colour, back: Colour) -> Pixels:
    """A tile that shows some letters only."""
    tile = _blank(width, height, back)
    _write(tile, text, ink)
    return _done(tile)


@lru_cache(maxsize=256)
def label(value: int, width: int, height: int, counts: bool, back: Colour) -> Pixels:
    """A label or a bit: 1 full, 0 an empty frame, a bare digit where it does not count."""
    tile = _blank(width, height, back)
    if counts:
        middle = height // 2
        tile[middle - _HALF : middle + _HALF, 2:-2] = _POSITIVE if value else LINE
        if not value:
            tile[middle - _HALF + 2 : middle + _HALF - 2, 4:-4] = PAPER
    _write(tile, str(value), PALE if not counts else PAPER if value else INK)
    return _done(tile)


@lru_cache(maxsize=256)
def pulse(value: int, width: int, height: int, back: Colour) -> Pixels:
    """A whole number of either sign: raised and dark, lowered and bright, or hardly anything."""
    tile = _blank(width, height, back)
    if value == 0:
        _write(tile, "0", LINE)
    else:
        shift = min(_SIGN_SHIFT, height // 2 - _HALF - 1)
        middle = height // 2 + (-shift if value > 0 else shift)
        tile[middle - _HALF : middle + _HALF, 2:-2] = _POSITIVE if value > 0 else _NEGATIVE
        _write(tile, f"{value:+d}", PAPER if value > 0 else INK, middle)
    return _done(tile)


def bar(value: float, full: float, width: int, height: int, counts: bool, back: Colour) -> Pixels:
    """A number as a bar up or down from a middle line, its digits on the other side; ``full`` fills it."""
    length = round(min(abs(value) / full, 1.0) * (height // 2 - 3))
    digits = rounded(value, 2 if abs(value) < 0.995 else 1)
    text = f"{digits:.2f}".replace("0.", ".", 1) if abs(digits) < 1 else f"{digits:.1f}"
    return _bar(text, -length if value < 0 else length, width, height, counts, back)


@lru_cache(maxsize=1024)
def _bar(text: str, length: int, width: int, height: int, counts: bool, back: Colour) -> Pixels:
    tile, middle, up = _blank(width, height, back), height // 2, length > 0
    colour = LINE if not counts else _POSITIVE if up else _NEGATIVE
    tile[middle - max(length, 0) : middle - min(length, 0), 4:-4] = colour
    tile[middle - 1 : middle + 1] = LINE
    _write(tile, text, INK if counts else PALE, middle + min(12, middle - 8) * (1 if up else -1))
    return _done(tile)


@lru_cache(maxsize=64)
def mark(counts: bool, right: bool, width: int, height: int, back: Colour) -> Pixels:
    """A bare tick for a right answer, a cross on a full tile for a wrong one, a dot for one unpaid."""
    tile = _blank(width, height, back)
    if not counts:
        _write(tile, "\u00b7", LINE)
    elif right:
        _write(tile, "\u2713", RIGHT)
    else:
        tile[2:-2, 2:-2] = WRONG
        _write(tile, "\u2717", PAPER)
    return _done(tile)


def _blank(width: int, height: int, back: Colour) -> Pixels:
    return np.full((height, width, 3), back, np.uint8)


def _done(tile: Pixels) -> Pixels:
    tile.setflags(write=False)
    return tile


def _write(tile: Pixels, text: str, ink: Colour, middle: int | None = None) -> None:
    """Writes upon the middle of a tile, or around another height. Text that is too wide is left out."""
    letters = mask(text)[:14]
    height, width = letters.shape
    x, y = (tile.shape[1] - width + 1) // 2, (tile.shape[0] // 2 if middle is None else middle) - 7
    if x >= 0:
        tile[y : y + height, x : x + width][letters] = ink
