"""Scoring inside a Beam pipeline of one's own: records in memory, from wherever it got them.

:class:`ScoreDicts`, :class:`ScoreRows` and :class:`ScoreTables` take a PCollection and give two,
``predictions`` and ``rejects``, as ``scored.predictions`` or ``scored["predictions"]``. What
becomes of a record is decided where it is for files, in :class:`~model_dofns.Scorer`.

Every prediction and every reject has the timestamp, the windows and the pane of the element that
it comes from.
"""

from __future__ import annotations

import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import DoOutputsTuple, PCollection, TaggedOutput
from apache_beam.typehints.decorators import TypeCheckError
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.utils.windowed_value import WindowedValue

from model_dofns import counters
from model_dofns.dofns import PREDICTIONS, REJECTS, count
from model_dofns.exceptions import ModelError, UsageError
from model_dofns.formats.base import Block, Layout, plain_name
from model_dofns.formats.dicts import DictRecords, RowRecords
from model_dofns.formats.parquet import TableRows
from model_dofns.held import Held, give_back, hold
from model_dofns.model_spec import ModelSpec, find_class
from model_dofns.rejects import Reject
from model_dofns.schemas import RecordSchema, record_schema
from model_dofns.schemas.fast_accept import ARROW_TYPES
from model_dofns.scorer import Scorer

_MAX_TABLE_ROWS = 1 << 16  # at once, as of a file

logger = logging.getLogger(__name__)


class _Transform(beam.PTransform, ABC):  # type: ignore[misc]  # Beam's classes are not typed
    """What the three have in common."""

    def __init__(self, spec: ModelSpec, prediction_field: str = "prediction") -> None:
        super().__init__()
        if not isinstance(spec, ModelSpec):
            raise TypeError(f"{spec!r} is no ModelSpec: write ModelSpec('package.module:Class')")
        self._spec = spec
        self._prediction_field = plain_name(prediction_field)

    @staticmethod
    def _scored(pcoll: PCollection, dofn: _ScoreDoFn, predictions: Any) -> DoOutputsTuple:
        """Both outputs, with their types: ``predictions`` is that of a prediction."""
        scoring = beam.ParDo(dofn).with_outputs(REJECTS, main=PREDICTIONS)
        scored = pcoll | "Score" >> scoring
        scored[PREDICTIONS].element_type = predictions
        scored[REJECTS].element_type = Reject
        return scored


class _TransformOfEach(_Transform):
    """Gathers single elements into batches for the model.

    Where elements stand in many windows (each in a session of its own, say), a batch takes from
    all of them: each element travels with its window, timestamp and pane, and what comes of it gets
    them back. As anywhere in Beam, an element in several windows is one in each of them.
    """

    def __init__(
        self,
        spec: ModelSpec,
        prediction_field: str = "prediction",
        *,
        min_batch_size: int = 1,
        max_batch_size: int = 10_000,
        target_batch_duration_secs: float = 10.0,
        element_size_fn: Callable[[Any], int] | None = None,
    ) -> None:
        super().__init__(spec, prediction_field)
        self._batching: dict[str, Any] = {
            "min_batch_size": min_batch_size,
            "max_batch_size": max_batch_size,
            "target_batch_duration_secs": target_batch_duration_secs,
        }
        if element_size_fn is not None:
            self._batching["element_size_fn"] = lambda held: element_size_fn(held.windowed.value)
        # Not its max_batch_duration_secs: what Beam keeps in state from bundle to bundle holds the
        # watermark back by its first element alone, so an older one might come out late.
        beam.BatchElements(**self._batching)  # refuses here what makes no sense

    def _scored_in_batches(
        self, pcoll: PCollection, dofn: _ScoreDoFn, predictions: Any
    ) -> DoOutputsTuple:
        batches = hold(pcoll) | "Batch" >> beam.BatchElements(**self._batching)
        scored = self._scored(batches, dofn, predictions)
        for tag in (PREDICTIONS, REJECTS):
            give_back(scored[tag], pcoll)
        return scored


@beam.typehints.with_input_types(Mapping[Any, Any])
class ScoreDicts(_TransformOfEach):
    """Scores dicts, or other mappings.

    ``predictions`` are new dicts: the record's keys and values as they came, and one more key,
    with the prediction as a dict. ``rejects`` are :class:`~model_dofns.Reject`, of format
    ``dict``. An element that is no mapping is a reject; a PCollection of another type is refused.

    A key that is not there and the value None are two things only where they are to the model's
    input class. A value's type is for that class alone, as with pydantic's ``model_validate``.

    Args:
        spec: the model; loaded on the workers, once a process.
        prediction_field: the key that the prediction gets. A record that has it is a reject.
        min_batch_size, max_batch_size, target_batch_duration_secs: of ``beam.BatchElements``,
            which finds the best size between them by the time that batches take; how many records
            a batch has, and how many seconds it should take at most. A batch ends with its bundle.
        element_size_fn: likewise: how much a record counts in these sizes; by default, 1.

    Raises:
        UsageError: ``prediction_field`` is no plain name.
    """

    def expand(self, pcoll: PCollection) -> DoOutputsTuple:
        dofn = _ScoreDictsDoFn(self._spec, self._prediction_field)
        return self._scored_in_batches(pcoll, dofn, beam.typehints.Dict[Any, Any])


class ScoreRows(_TransformOfEach):
    """Scores rows of a PCollection that has a schema: ``beam.Row``, named tuples, dataclasses.

    ``predictions`` are ``beam.Row`` with the fields as they came and ``prediction_<field>`` beside
    them, one for each field of the model's output class. They have a schema as well, so that
    DataFrames and ``WriteToParquet`` know them; for this, the model's class is imported where
    the pipeline is made. Where it cannot be, a warning says so, and the rows have no schema.
    ``rejects`` are :class:`~model_dofns.Reject`, of format ``row``.

    Args: as of :class:`ScoreDicts`; ``prediction_field`` is what the new fields' names begin with.

    Raises:
        UsageError: ``prediction_field`` is no plain name; when it is applied: the rows have a
            field of a new one's name.
        TypeCheckError: when it is applied: the PCollection has no schema.
        ModelError: when it is applied: a field of the output class has no column type.
    """

    def expand(self, pcoll: PCollection) -> DoOutputsTuple:
        fields = _fields_of(pcoll.element_type)
        names = [name for name, _ in fields]
        predictions: Any = beam.typehints.Any
        output_schema = _output_schema(self._spec)
        if output_schema is not None:
            added = [
                (f"{self._prediction_field}_{name}", kind)
                for name, kind in _output_fields(output_schema)
            ]
            clashes = sorted({name for name, _ in added}.intersection(names))
            if clashes:
                raise UsageError(
                    f"the rows have fields named {', '.join(clashes)} already: name the prediction"
                    " otherwise with prediction_field"
                )
            predictions = RowTypeConstraint.from_fields([*fields, *added])
        dofn = _ScoreRowsDoFn(self._spec, self._prediction_field, names)
        return self._scored_in_batches(pcoll, dofn, predictions)


@beam.typehints.with_input_types(pa.Table | pa.RecordBatch)
class ScoreTables(_Transform):
    """Scores Arrow tables and record batches.

    ``predictions`` are of the type that came in, the good rows with all their columns and
    ``prediction_<field>`` behind them; of a table without a good row, none. ``rejects`` are
    :class:`~model_dofns.Reject`, of format ``table``, one a row; ``row`` counts in its table.

    Args:
        spec: the model; loaded on the workers, once a process.
        prediction_field: what the new columns' names begin with. All rows of a table that has a
            column of such a name are rejects.

    Raises:
        UsageError: ``prediction_field`` is no plain name.
    """

    def expand(self, pcoll: PCollection) -> DoOutputsTuple:
        dofn = _ScoreTablesDoFn(self._spec, self._prediction_field)
        return self._scored(pcoll, dofn, pcoll.element_type)


class _ScoreDoFn(beam.DoFn):  # type: ignore[misc]  # as above
    """Has a scorer between ``setup`` and ``teardown``; pickling it takes no model along."""

    def __init__(self, spec: ModelSpec, prediction_field: str) -> None:
        self._spec = spec
        self._prediction_field = prediction_field
        self._scorer: Scorer | None = None
        self._load_counted = False

    def setup(self) -> None:
        layout = Layout(prediction_field=self._prediction_field)
        self._scorer = Scorer(self._spec, layout)
        self._load_counted = False

    def teardown(self) -> None:
        self._scorer = None

    def _ready_scorer(self) -> Scorer:
        """The scorer; the first time, counts how long the model took to load."""
        assert self._scorer is not None, "setup() comes first"
        if not self._load_counted:  # here, as what is counted in setup() is lost
            milliseconds = round(self._scorer.model_load_seconds * 1_000)
            count({counters.MODEL_LOAD_MILLISECONDS: milliseconds})
            self._load_counted = True
        return self._scorer


class _ScoreBatchesDoFn(_ScoreDoFn, ABC):
    """Batches of held elements in; what becomes of each in its own windows."""

    format: str

    @abstractmethod
    def records(self, elements: list[Any], layout: Layout) -> DictRecords:
        """The elements as records."""

    def out(self, values: dict[Any, Any]) -> Any:
        """A scored record as it leaves."""
        return values

    def process(self, element: Sequence[Held]) -> Iterator[WindowedValue | TaggedOutput]:
        scorer = self._ready_scorer()
        records = self.records([held.windowed.value for held in element], scorer.layout)
        scored = scorer.score_records(records, self.format, None)
        count(scored.counts)
        joined = records.joined(scored.rows, scored.predictions)
        for row, values in zip(scored.rows.tolist(), joined, strict=True):
            yield element[row].windowed.with_value(self.out(values))
        for row, reject in zip(scored.rejected, scored.rejects, strict=True):
            yield TaggedOutput(REJECTS, element[row].windowed.with_value(reject))


class _ScoreDictsDoFn(_ScoreBatchesDoFn):
    format = "dict"

    def records(self, elements: list[Any], layout: Layout) -> DictRecords:
        return DictRecords(elements, layout)


class _ScoreRowsDoFn(_ScoreBatchesDoFn):
    format = "row"

    def __init__(self, spec: ModelSpec, prediction_field: str, names: Sequence[str]) -> None:
        super().__init__(spec, prediction_field)
        self._names = tuple(names)

    def records(self, elements: list[Any], layout: Layout) -> DictRecords:
        return RowRecords(elements, layout, self._names)

    def out(self, values: dict[Any, Any]) -> beam.Row:
        return beam.Row(**values)


class _ScoreTablesDoFn(_ScoreDoFn):
    def process(
        self, element: pa.Table | pa.RecordBatch
    ) -> Iterator[pa.Table | pa.RecordBatch | TaggedOutput]:
        scorer = self._ready_scorer()
        is_batch = isinstance(element, pa.RecordBatch)
        table = pa.Table.from_batches([element]) if is_batch else element
        position, payloads = 0, []
        for batch in table.to_batches(max_chunksize=_MAX_TABLE_ROWS):
            records = TableRows(Block("table", "", batch, position), scorer.layout)
            scored = scorer.score_records(records, "table", None)
            count(scored.counts)
            if len(scored.rows):
                payloads.append(records.with_predictions(scored.rows, scored.predictions))
            for reject in scored.rejects:
                yield TaggedOutput(REJECTS, reject)
            position += batch.num_rows
        if payloads:
            joined = pa.concat_batches if is_batch else pa.Table.from_batches
            yield joined(payloads)


def _fields_of(element_type: Any) -> list[tuple[str, Any]]:
    """The names and types of a schema's fields.

    Raises:
        TypeCheckError: the type has no schema.
    """
    row_type = element_type
    if not isinstance(row_type, RowTypeConstraint):
        row_type = RowTypeConstraint.from_user_type(element_type)
    if row_type is None:
        raise TypeCheckError(
            f"ScoreRows takes a PCollection with a schema, and this is one of {element_type!r}:"
            " make beam.Row, say with beam.Select, or use ScoreDicts"
        )
    return list(row_type._fields)


def _output_schema(spec: ModelSpec) -> RecordSchema | None:
    """That of the predictions, without making a model; None, with a warning, where it hides."""
    if spec.decorators:
        logger.warning("The predictions of ScoreRows have no schema here: decorators may change it")
        return None
    if "output_schema" in spec.metadata:
        return record_schema(spec.metadata["output_schema"])
    try:
        model_class = find_class(spec.class_path)
    except ModelError as error:
        logger.warning("The predictions of ScoreRows have no schema here: %s", error)
        return None
    with contextlib.suppress(ModelError):  # it has none, or a property
        return record_schema(getattr(model_class, "output_schema", None))
    logger.warning(
        "The predictions of ScoreRows have no schema here: %s has no output_schema before it is"
        " constructed",
        spec.class_path,
    )
    return None


def _output_fields(schema: RecordSchema) -> list[tuple[str, Any]]:
    """The fields of a prediction and their Python types.

    Raises:
        ModelError: one has no column type.
    """
    if schema.arrow_schema is None:
        raise ModelError(schema.no_arrow_schema)
    plain = {arrow: python for python, arrow in ARROW_TYPES.items()}
    types: list[tuple[str, Any]] = []
    for field in schema.arrow_schema:
        python = plain.get(field.type, Any)
        types.append(
            (field.name, beam.typehints.Optional[python] if schema.nullable[field.name] else python)
        )
    return types
