"""What a file format is to the rest of the library.

A format cuts a file into :class:`Range`\\ s, reads a range as :class:`Block`\\ s, shows a block as
:class:`Records`, and writes what comes of them. Formats know nothing of models and engines.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model_dofns.exceptions import InputError, RecordError, UsageError
from model_dofns.formats.compression import SUFFIXES, codec_of, decompressed

if TYPE_CHECKING:
    from model_dofns.formats.csv.records import CsvRows

RANGE_BYTES = 64 << 20
BLOCK_BYTES = 4 << 20
# Of narrow ones: their columns stay in a processor's caches, and all may become rejects of 1 kB.
MAX_BLOCK_RECORDS = 1 << 16
MAX_RECORD_BYTES = 16 << 20
# Of a record that is too long to be held, this much stands in its reject.
HEAD_BYTES = 1 << 10

Rows: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
# What a writer takes: whole lines of text, or a table; CSV's lines know their header.
Payload: TypeAlias = "bytes | pa.Buffer | pa.RecordBatch | CsvRows"


@dataclass(frozen=True)
class Range:
    """The records of a file that *start* in the bytes ``[start, stop)``."""

    path: str
    start: int
    stop: int


@dataclass(frozen=True)
class Block:
    """A run of whole records of one file, about 4 MB.

    Attributes:
        format: the name of its format.
        path: the file.
        data: bytes for a text format; a RecordBatch for Parquet.
        position: where it begins: a byte offset for a text format, a row's number for Parquet.
        whole_length: set where the block is the head of one record that is too long to be held;
            the length of the whole record in bytes.
        places: of each record where it stands in its file, as ``position`` says it, where others
            that stood between them have been left out.
        split: where its records begin and end, as its format says it, if its reader found out.
    """

    format: str
    path: str
    data: bytes | pa.RecordBatch
    position: int
    whole_length: int | None = None
    places: Rows | None = None
    split: Any = field(default=None, compare=False, repr=False)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return payload_bytes(self.data)

    def head(self, stop: int) -> Block:
        """Its beginning: so many bytes of text, or rows."""
        return replace(self, data=self.data[:stop], split=None)


@dataclass(frozen=True)
class Layout:
    """What a format must know to read a job's records and to write them.

    What the command line says travels with the job; what the model says is added where it is
    loaded.

    Raises:
        UsageError: the name of the prediction is no plain name.

    Attributes:
        input_names: the keys of a record that the model's input class reads.
        input_types: the types of those that have a column type; text is read as them.
        output_names: the fields of a prediction: the model's output class's, and with
            ``with_version`` behind them ``model`` and ``version``.
        whole_record: the judge is handed all of a record, not only those keys.
        prediction_field: the name that the prediction gets in a record.
        max_record_bytes: a record of text that is longer is rejected.
        output_format: the format of the predictions; None for the record's own.
        keep_fields: the fields of a record that come out with its prediction; None for all.
        schema: the columns of the fields that are kept, where the output has columns that had to
            be settled; see :mod:`model_dofns.settling`.
        partition_types: the fields that the folders of the input name, ``year=2026/``, and the
            column type of each.
        with_version: the model's name and version go with each prediction.
        known_names: the fields of records that are known at launch.
    """

    input_names: frozenset[str] = frozenset()
    input_types: Mapping[str, pa.DataType] = field(default_factory=dict)
    output_names: tuple[str, ...] = ()
    whole_record: bool = False
    prediction_field: str = "prediction"
    max_record_bytes: int = MAX_RECORD_BYTES
    output_format: str | None = None
    keep_fields: tuple[str, ...] | None = None
    schema: pa.Schema | None = None
    partition_types: Mapping[str, pa.DataType] = field(default_factory=dict)
    with_version: bool = False
    known_names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        plain_name(self.prediction_field)

    def prediction_columns(self) -> list[str]:
        """The names of the prediction's columns, in a format that has columns."""
        return [f"{self.prediction_field}_{name}" for name in self.output_names]

    def added_names(self, format_name: str) -> set[str]:
        """What no field of a record may be named that comes out in its own format, or another."""
        columnar = (self.output_format or format_name) != "jsonl"
        added = self.prediction_columns() if columnar else [self.prediction_field]
        return set(filter(self.keeps, added))

    def refuse_clashes(self) -> None:
        """Refuse fields that are named as the prediction will be.

        At launch, and again where the model is loaded, if that was not done at launch.

        Raises:
            InputError: there is one.
        """
        if self.output_format is None:
            return
        if clashes := self.added_names(self.output_format) & self.known_names:
            raise InputError(
                f"the input has fields named {', '.join(sorted(clashes))} already: name the"
                " prediction otherwise with --prediction_field"
            )

    def keeps(self, name: str) -> bool:
        """Whether a field comes out again."""
        return self.keep_fields is None or name in self.keep_fields

    def kept(self, names: Iterable[str]) -> list[str]:
        """Those of the names that come out again, in the order they come out in."""
        if self.keep_fields is None:
            return list(names)
        return [name for name in self.keep_fields if name in set(names)]


def plain_name(name: str) -> str:
    """The name of a prediction, which must look the same in every format.

    Raises:
        UsageError: it has other characters than ASCII letters, digits and ``_``.
    """
    if not (name.isascii() and name.isidentifier()):
        raise UsageError(
            f"the prediction cannot be named {name!r}: write letters, digits and _, as in 'score'"
        )
    return name


def payload_bytes(payload: Payload) -> int:
    """Bytes of memory."""
    if isinstance(payload, pa.RecordBatch):
        return int(payload.nbytes)
    return len(payload)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """No rows."""
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)


class Candidates(ABC):
    """Records to be scored, wherever they are, numbered from 0: their values and their source.

    Attributes:
        are_texts: values are text, whatever they mean; the judge takes them so.
    """

    are_texts: ClassVar[bool] = False

    @abstractmethod
    def __len__(self) -> int:
        """How many records there are, good and bad."""

    @abstractmethod
    def columns(self, schema: pa.Schema) -> tuple[Rows, pa.RecordBatch]:
        """Decode many records at once: those that prove to be sound, and their values.

        Args:
            schema: the fields to decode. A format that brings its own types keeps them.

        Returns:
            The numbers of the records, ascending, and their columns, named as in ``schema``.
            Records left out are for :meth:`parse`, which alone says whether they are sound.
        """

    @abstractmethod
    def parse(self, rows: Iterable[int]) -> Iterator[Mapping[str, Any] | RecordError]:
        """Decode records one by one, for the judge; what cannot be decoded is an error instead."""

    @abstractmethod
    def source(self, row: int) -> Mapping[str, Any]:
        """What a reject says of a record: ``input`` or ``input_base64``; ``offset`` or ``row``."""


class Records(Candidates):
    """The records of a block, which have a way out too."""

    @abstractmethod
    def with_predictions(self, rows: Rows, predictions: pa.RecordBatch) -> Payload:
        """The records as they came, each with its prediction; ``rows`` ascend."""

    @abstractmethod
    def fields(self, rows: Rows) -> pa.RecordBatch:
        """The fields that are kept of records that are sound, as columns, for another format.

        They are those of the layout's schema where that is settled; else as the format has them.
        What they do not say is in a column of :mod:`~model_dofns.formats.extra`.
        """

    @abstractmethod
    def first(self, count: int) -> Block:
        """A block of the first records alone."""

    @abstractmethod
    def only(self, rows: Rows) -> Block:
        """A block of some records alone, which are sound; ``rows`` ascend."""


class Writer(Protocol):
    """Writes payloads of one format into one open file."""

    def write(self, payload: Payload) -> None:
        """Add the records of a payload."""

    def close(self) -> None:
        """Write what is left. The file itself stays open: it is the caller's."""


class Format(ABC):
    """One file format; an instance is what a job says of it, and holds no other state."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    may_be_compressed: ClassVar[bool]  # as a whole, by a codec that the file's suffix names
    compressions: ClassVar[tuple[str, ...]]  # what a writer may use; the first is the default

    def ranges(
        self,
        path: str,
        size: int,
        range_bytes: int = RANGE_BYTES,
        *,
        open_file: Callable[[str], BinaryIO] | None = None,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> list[Range]:
        """Cut a file of ``size`` bytes into ranges that can be read side by side.

        A compressed file is one range. So is an empty one: reading it shows whether the format
        may be empty.

        Args:
            open_file: for a format that must look into a file to cut it.
        """
        if self.may_be_compressed and codec_of(path) is not None:
            return [Range(path, 0, sys.maxsize)]
        return [
            Range(path, start, min(start + range_bytes, size))
            for start in range(0, max(size, 1), range_bytes)
        ]

    def opened(self, file: BinaryIO, path: str) -> BinaryIO:
        """The file as :meth:`read_blocks` takes it: decompressed, where its suffix says so."""
        codec = codec_of(path) if self.may_be_compressed else None
        return file if codec is None else decompressed(file, codec)

    @abstractmethod
    def read_blocks(
        self,
        file: BinaryIO,
        part: Range,
        *,
        block_bytes: int = BLOCK_BYTES,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> Iterator[Block]:
        """The records of a range, in blocks of about ``block_bytes``.

        Raises:
            UnreadableFileError: the file is not of this format, or it is cut short.
        """

    @abstractmethod
    def records(self, block: Block, layout: Layout) -> Records:
        """The records of a block."""

    @abstractmethod
    def encode(
        self, fields: pa.RecordBatch, predictions: pa.RecordBatch, layout: Layout
    ) -> Payload:
        """Records of another format, by their :meth:`Records.fields`, with their predictions."""

    @abstractmethod
    def writer(self, file: BinaryIO, compression: str | None = None) -> Writer:
        """A writer into an open file; ``compression`` is one of this format's, or its default."""

    def part_suffix(self, compression: str | None = None) -> str:
        """What the name of a part file ends in."""
        codec = SUFFIXES.get(compression or "none", "") if self.may_be_compressed else ""
        return self.suffixes[0] + codec

    def column_names(self, file: BinaryIO) -> list[str]:
        """The names of a file's columns, where the format says them in one place; else none.

        Raises:
            UnreadableFileError: the file is not of this format, or it is cut short.
        """
        return []

    def count_records(self, file: BinaryIO) -> int | None:
        """How many records a file has, where the format says that in one place; else None.

        Raises:
            UnreadableFileError: the file is not of this format, or it is cut short.
        """
        return None

    def same_file(self, payload: Payload, other: Payload) -> bool:
        """True where the two payloads may stand in one file."""
        return True
