from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model_dofns.formats.searching import followed_by, occurrences

few_letters = st.lists(st.sampled_from(b"abN"), max_size=40).map(bytes)


@given(text=few_letters, needle=few_letters.filter(bool), start=st.integers(0, 3))
def test_occurrences_are_what_a_loop_finds(text: bytes, needle: bytes, start: int) -> None:
    view = np.frombuffer(b"x" * start + text, np.uint8)[start:]  # at odd addresses too
    found = [i for i in range(len(text)) if text.startswith(needle, i)]
    assert occurrences(view, needle).tolist() == found


def test_long_needles_are_found_at_every_offset_and_at_both_ends() -> None:
    for offset in range(9):
        text = b"." * offset + b'"prediction"' + b'."predictio"' + b'"prediction"'
        view = np.frombuffer(text, np.uint8)
        assert occurrences(view, b'"prediction"').tolist() == [offset, offset + 24]


@given(text=few_letters.filter(bool), following=few_letters)
def test_what_follows(text: bytes, following: bytes) -> None:
    positions = np.arange(len(text))
    expected = [text[i + 1 : i + 2] != b"" and text[i + 1] in following for i in positions]
    view = np.frombuffer(text, np.uint8)
    assert followed_by(view, positions, following).tolist() == expected
