"""Rows of CSV: where they begin and end, by lines but for line ends in quoted cells; their cells.

The grammar is RFC 4180's, with any delimiter and quote. A record whose quoting is *unsound* (text
behind a closing quote, a quote in a cell that does not begin with one, a cell that is not closed
before the end or before the record is too long) is the one line it begins on, so that a stray
quote takes no line down but its own.

Whether a record is sound is decided from its own first byte on, and from nothing before it. So
text that is cut where a record begins is split just as the whole is.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model_dofns.exceptions import RecordError, UsageError
from model_dofns.formats.base import Rows

_LINE_END, _RETURN = ord("\n"), ord("\r")


class Split(NamedTuple):
    """Records of a text, each from ``starts[i]`` to ``line_ends[i]``, where its line end is.

    ``decided`` is how much of the text they are; what follows needs more text. A record of more
    lines than one has at most ``max_record_bytes``.
    """

    starts: Rows
    line_ends: Rows
    sound: npt.NDArray[np.bool_]
    decided: int
    max_record_bytes: int

    def between(self, begin: int, stop: int) -> Split:
        """The same of the text from ``begin`` to ``stop``, where records begin or end."""
        if begin == 0 and stop == self.decided:
            return self
        these = slice(*np.searchsorted(self.starts, [begin, stop]))
        return Split(
            self.starts[these] - begin,
            self.line_ends[these] - begin,
            self.sound[these],
            stop - begin,
            self.max_record_bytes,
        )

    def ends(self, data: bytes) -> Rows:
        """Where each record ends, without its line end, which may be of two bytes."""
        ends = self.line_ends.copy()
        if b"\r" in data:
            two = np.flatnonzero((ends > self.starts) & (ends < len(data)))
            ends[two] -= np.frombuffer(data, np.uint8)[ends[two] - 1] == _RETURN
        return ends


@dataclass(frozen=True)
class Dialect:
    """How rows of CSV are written.

    Attributes:
        delimiter: stands between two cells; one ASCII character.
        quote: stands round a cell that has special characters; doubled in it, it means itself.

    Raises:
        UsageError: they cannot be these.
    """

    delimiter: str = ","
    quote: str = '"'

    def __post_init__(self) -> None:
        for what, character in (("delimiter", self.delimiter), ("quote", self.quote)):
            # A number never needs quotes.
            unfit = character.isalnum() or character in "\r\n\0.+-"
            if len(character) != 1 or not character.isascii() or unfit:
                raise UsageError(
                    f"--csv_{what} {character!r}: write one ASCII character that is no letter, no"
                    r" digit, no line end and none of .+-, or \t for a tab"
                )
        if self.delimiter == self.quote:
            raise UsageError(f"--csv_delimiter and --csv_quote are both {self.quote!r}")

    def split(self, data: bytes, max_record_bytes: int, *, final: bool = True) -> Split:
        """The records of a text that begins with one, blank ones included.

        Args:
            final: the text ends the file; else only records are given that no more text can change.
        """
        if self.quote.encode() in data:
            return _Quoted(data, self, max_record_bytes, final).split()
        line_ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _LINE_END)
        return _as_split(data, line_ends, [], max_record_bytes, final)

    def cells_of(self, row: str) -> list[str]:
        """The cells of a row, without their quotes.

        Raises:
            RecordError: its quoting is unsound.
        """
        if self.quote not in row:
            return row.split(self.delimiter)
        quoted, plain = self._cell_patterns
        found, position = [], 0
        while True:
            is_quoted = row.startswith(self.quote, position)
            match = (quoted if is_quoted else plain).match(row, position)
            if match is None:
                raise RecordError(
                    "InvalidCSV", f"the cell at character {position} is quoted, and never closed"
                )
            cell, position = match[1], match.end()
            found.append(cell.replace(self.quote * 2, self.quote) if is_quoted else cell)
            if position == len(row):
                return found
            if row[position] != self.delimiter:
                what = (
                    "text behind a closing quote"
                    if is_quoted
                    else "a quote in a cell that does not begin with one"
                )
                raise RecordError("InvalidCSV", f"{what}, at character {position}")
            position += 1

    @functools.cached_property
    def _cell_patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        quote, delimiter = re.escape(self.quote), re.escape(self.delimiter)
        quoted = f"{quote}([^{quote}]*+(?:{quote}{quote}[^{quote}]*+)*+){quote}"
        return re.compile(quoted), re.compile(f"([^{quote}{delimiter}]*+)")


def _as_split(
    data: bytes, line_ends: Rows, unsound: list[int], max_record_bytes: int, final: bool
) -> Split:
    """The split at these line ends, and at the end of the text where that is final."""
    decided = int(line_ends[-1]) + 1 if len(line_ends) else 0
    if final and decided < len(data):
        line_ends = np.append(line_ends, len(data))
        decided = len(data)
    starts = np.append(0, line_ends + 1)[: len(line_ends)]
    sound = np.ones(len(starts), np.bool_)
    sound[np.searchsorted(starts, np.array(unsound, np.int64))] = False
    return Split(starts, line_ends, sound, decided, max_record_bytes)


def _is_one_of(neighbours: npt.NDArray[np.uint8], dialect: Dialect) -> npt.NDArray[np.bool_]:
    """Which bytes beside a quote may stand outside of its cell, or are its double."""
    found: npt.NDArray[np.bool_] = neighbours == _LINE_END
    found |= neighbours == ord(dialect.delimiter)
    found |= neighbours == ord(dialect.quote)
    return found


class _Role(NamedTuple):
    """What follows where the even quotes open cells, or where the odd ones do.

    Attributes:
        bad_quotes: those whose neighbours do not let them.
        ends: the line ends that end records, if all is sound; -1 for that before the text.
        long: where records of several lines begin that are too long.
    """

    bad_quotes: Rows
    ends: Rows
    long: Rows


class _Quoted:
    """Splits a text that has quotes.

    In sound text every other quote opens a cell, or goes on with one behind a doubled quote, and
    the ones between close it. So a line end ends a record where an even number of quotes stands
    between the record's start and it. Behind an unsound record the count begins anew, which
    swaps the two roles if the number of quotes up to there is odd: what follows from either role
    is computed once for each, where it is needed.
    """

    def __init__(self, data: bytes, dialect: Dialect, max_record_bytes: int, final: bool) -> None:
        self._data, self._max, self._final = data, max_record_bytes, final
        view = np.frombuffer(data, np.uint8)
        self._lines = np.append(-1, np.flatnonzero(view == _LINE_END))
        self._quotes = np.flatnonzero(view == ord(dialect.quote))
        # Beyond both ends it is as if there were line ends.
        before = view[self._quotes - 1]
        after = view[np.minimum(self._quotes + 1, len(view) - 1)]
        self._opens = _is_one_of(before, dialect) | (self._quotes == 0)
        self._closes = _is_one_of(after, dialect) | (self._quotes == len(view) - 1)
        if b"\r" in data:
            self._closes |= self._before_two_byte_end(view, after)
        self._quotes_before_lines = np.searchsorted(self._quotes, self._lines)
        self._roles: dict[int, _Role] = {}

    def _role(self, begin: int) -> _Role:
        """What a text is that goes on with a record at ``begin``."""
        phase = int(np.searchsorted(self._quotes, begin)) % 2
        if phase not in self._roles:  # of sound text only one is ever needed
            good = np.empty(len(self._quotes), np.bool_)
            good[phase::2] = self._opens[phase::2]
            good[1 - phase :: 2] = self._closes[1 - phase :: 2]
            ends = self._lines[self._quotes_before_lines % 2 == phase]
            self._roles[phase] = _Role(self._quotes[~good], ends, self._too_long(ends))
        return self._roles[phase]

    def _before_two_byte_end(
        self, view: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.bool_]:
        """Which quotes stand before a line end of two bytes, or before one that may be cut off."""
        second = self._quotes[after == _RETURN] + 2
        is_line_end = view[np.minimum(second, len(view) - 1)] == _LINE_END
        ends: npt.NDArray[np.bool_] = after == _RETURN
        ends[ends] = np.where(second < len(view), is_line_end, not self._final)
        return ends

    def _too_long(self, ends: Rows) -> Rows:
        """The starts of records of several lines that are too long."""
        starts, lengths = ends[:-1] + 1, np.diff(ends) - 1
        candidates = np.flatnonzero(lengths > self._max)
        first, last = (np.searchsorted(self._lines, ends[candidates + i]) for i in (0, 1))
        candidates = candidates[last - first > 1]
        fits = [
            lengths[i] == self._max + 1 and self._data[ends[i + 1] - 1] == _RETURN
            for i in candidates
        ]
        return starts[candidates[~np.array(fits, np.bool_)]]

    def split(self) -> Split:
        found: list[Rows] = []
        unsound: list[int] = []
        begin = 0
        while (stop := self._first_unsound(begin)) is not None:
            line = self._data.find(b"\n", stop)
            if line < 0 and not self._final:
                found.append(self._between(begin, stop))
                break
            found.append(self._between(begin, stop))
            unsound.append(stop)
            begin = line + 1 if line >= 0 else len(self._data)
            found.append(np.array([begin - 1 if line >= 0 else begin]))
        else:
            found.append(self._between(begin, len(self._data)))
        line_ends = np.concatenate(found)
        if line_ends.size and line_ends[-1] == len(self._data):  # an unsound record ends the text
            starts = np.append(0, line_ends + 1)[: len(line_ends)]
            sound = ~np.isin(starts, unsound)
            return Split(starts, line_ends, sound, len(self._data), self._max)
        return _as_split(self._data, line_ends, unsound, self._max, self._final)

    def _between(self, begin: int, stop: int) -> Rows:
        """The line ends of the sound records in ``[begin, stop)``."""
        ends = self._role(begin).ends
        between: Rows = ends[np.searchsorted(ends, begin) : np.searchsorted(ends, stop)]
        return between

    def _first_unsound(self, begin: int) -> int | None:
        """Where the first record begins, at or behind ``begin``, that is unsound."""
        if begin >= len(self._data):
            return None
        role = self._role(begin)
        ends = role.ends
        stops = []
        bad = _first_from(role.bad_quotes, begin)
        if bad is not None:
            stops.append(int(ends[np.searchsorted(ends, bad) - 1]) + 1)
        too_long = _first_from(role.long, begin)
        if too_long is not None:
            stops.append(too_long)
        tail = int(ends[-1]) + 1
        length = len(self._data) - tail
        is_open = (len(self._quotes) - int(np.searchsorted(self._quotes, tail))) % 2 == 1
        has_line_end = int(self._lines[-1]) >= tail
        if self._final:
            if is_open or (has_line_end and length > self._max):
                stops.append(tail)
        elif has_line_end and length > self._max + len("\r\n"):
            stops.append(tail)
        return min(stops, default=None)


def _first_from(positions: Rows, begin: int) -> int | None:
    index = np.searchsorted(positions, begin)
    return int(positions[index]) if index < len(positions) else None
