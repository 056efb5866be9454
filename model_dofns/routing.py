"""Records that say themselves which of several models is to score them, by a field of theirs.

Each block is taken apart: into blocks of the records that name a model, for each model one, which
are scored as any other, and rejects for the records that name none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model_dofns import counters
from model_dofns.exceptions import RecordError
from model_dofns.formats.base import Block, Format, Layout, Mask, Rows
from model_dofns.rejects import ROUTE_STAGE, Reject

UNKNOWN_MODEL = "UnknownModel"


@dataclass(frozen=True)
class Routed:
    """A block, taken apart.

    Attributes:
        blocks: for each model that is named, by its number, the records that name it.
        rejects: one for each other record, by where they stand in the file.
        records_read: how many records the block had.
        counts: of the rejected records alone, as all others are counted where they are scored.
    """

    blocks: Mapping[int, Block]
    rejects: list[Reject]
    records_read: int
    counts: dict[str, int]


@dataclass(frozen=True)
class Router:
    """Finds out which model each record names; it holds nothing, and travels.

    Attributes:
        field: the field of a record that names its model.
        names: of the models.
        formats: the formats of blocks, by name.
        partition_types: of the fields that the folders of the input name.
        max_record_bytes: a record of text that is longer is rejected.
    """

    field: str
    names: tuple[str, ...]
    formats: Mapping[str, Format]
    partition_types: Mapping[str, pa.DataType]
    max_record_bytes: int

    def route(self, block: Block) -> Routed:
        """Take a block apart. What cannot be decoded names no model, and is rejected as ever."""
        records = self.formats[block.format].records(block, self._layout)
        numbers, sure = self._decided_by_column(records.columns(self._schema), len(records))
        rejects = []
        doubtful = np.flatnonzero(~sure).tolist()
        for row, record in zip(doubtful, records.parse(doubtful), strict=True):
            try:
                numbers[row] = self._number_of(record)
            except RecordError as error:
                is_decoded = not isinstance(record, RecordError)
                rejects.append(
                    Reject(
                        stage=ROUTE_STAGE if is_decoded else "decode",
                        error=error.error,
                        message=error.message,
                        source=records.source(row),
                        format=block.format,
                        file=block.path,
                        model=None,
                        version=None,
                    )
                )
        blocks = {
            number: records.only(np.flatnonzero(numbers == number))
            for number in np.unique(numbers[numbers >= 0]).tolist()
        }
        counts = {counters.RECORDS_READ: len(rejects)}
        for stage, count in counters.rejected_by_stage(rejects).items():
            counts[counters.records_rejected(stage)] = count
        return Routed(blocks, rejects, len(records), counts)

    @property
    def _schema(self) -> pa.Schema:
        return pa.schema([(self.field, pa.string())])

    @property
    def _layout(self) -> Layout:
        """What reads one field and writes none: what clashes with a prediction is for the model."""
        return Layout(
            input_names=frozenset([self.field]),
            input_types={self.field: pa.string()},
            keep_fields=(),
            partition_types=self.partition_types,
            max_record_bytes=self.max_record_bytes,
        )

    def _decided_by_column(
        self, decoded: tuple[Rows, pa.RecordBatch], size: int
    ) -> tuple[Rows, Mask]:
        """The number of each record's model, as far as a column says it; and how far it does."""
        rows, batch = decoded
        numbers, sure = np.full(size, -1), np.zeros(size, np.bool_)
        column = batch.column(self.field)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            found = pc.index_in(column, pa.array(self.names, column.type))
            known = found.is_valid().to_numpy(zero_copy_only=False)
            sure[rows] = known
            numbers[rows[known]] = found.drop_null().to_numpy()
        return numbers, sure

    def _number_of(self, record: Mapping[str, Any] | RecordError) -> int:
        """The number of the model that a record names.

        Raises:
            RecordError: it names none, or is none.
        """
        if isinstance(record, RecordError):
            raise record
        if self.field not in record:
            raise RecordError(UNKNOWN_MODEL, f"there is no field {self.field!r}, to name a model")
        value = record[self.field]
        if not isinstance(value, str):
            what = "null" if value is None else f"of type {type(value).__name__}"
            raise RecordError(UNKNOWN_MODEL, f"{self.field} is {what}, and no model's name")
        if value not in self.names:
            raise RecordError(
                UNKNOWN_MODEL,
                f"{self.field} is {value!r:.100}, and the models are: {', '.join(self.names)}",
            )
        return self.names.index(value)
