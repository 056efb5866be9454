"""Looking for a few bytes in megabytes of text.

``bytes.find`` passes over text at a gigabyte or two a second where it does not find a few bytes,
and numpy compares ten times as fast.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_dofns.formats.base import Mask, Rows

Bytes = npt.NDArray[np.uint8]


def occurrences(text: Bytes, needle: bytes) -> Rows:
    """Where some bytes begin in a text; ascending.

    >>> occurrences(np.frombuffer(b"a NaN, NaN", np.uint8), b"NaN").tolist()
    [2, 7]
    """
    size = 4 if len(needle) >= 4 else 2 if len(needle) >= 2 else 1  # of a word of the text
    (word,) = np.frombuffer(needle[:size], f"u{size}")
    found = []
    for first in range(size):  # the text as words, from each of its first bytes on
        words = text[first : first + (len(text) - first) // size * size].view(f"u{size}")
        positions = size * np.flatnonzero(words == word) + first
        positions = positions[positions <= len(text) - len(needle)]
        for index in range(size, len(needle)):
            positions = positions[text[positions + index] == needle[index]]
        found.append(positions)
    return np.sort(np.concatenate(found))


def followed_by(text: Bytes, positions: Rows, following: bytes) -> Mask:
    """Behind which positions of a text another byte stands, and is one of these."""
    inside = positions < len(text) - 1
    is_one: Mask = np.zeros(len(positions), np.bool_)
    is_one[inside] = np.isin(text[positions[inside] + 1], np.frombuffer(following, np.uint8))
    return is_one
