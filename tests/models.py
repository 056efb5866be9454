"""Models for tests, as ``"models:PlainModel"``: ``tests/`` is on the path, in workers too.

All read and predict the same, but for what their names say.
"""

from __future__ import annotations

import datetime
import enum
import logging
import math
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
)

from model_dofns import MLModel

# Of ``x``: where they meet it, the misbehaving models do what they are there for.
POISON = 13.0


class PlainInput(BaseModel):
    x: float
    n: int
    colour: Literal["red", "green", "blue"]
    name: str
    weight: float | None = None


class PlainOutput(BaseModel):
    label: str
    score: float
    ratio: float | None


class RecordModel(MLModel):
    """The plain model with only ``predict``."""

    display_name = "Plain"
    qualified_name = "plain"
    description = "Adds up what it is given."
    version = "1.2.3"
    input_schema: ClassVar[type[BaseModel]] = PlainInput
    output_schema: ClassVar[type[BaseModel]] = PlainOutput

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def predict(self, record: Any) -> Any:
        return self.output_schema.model_construct(
            label=f"{record.name} is {record.colour}",
            score=2 * record.x + record.n + (record.weight or 0.0) + self.offset,
            ratio=record.x / record.n if record.n else math.nan,
        )


class PlainModel(RecordModel):
    """The plain model."""

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        x, n = batch.column("x").to_numpy(), batch.column("n").to_numpy()
        names, colours = batch.column("name").to_pylist(), batch.column("colour").to_pylist()
        weight = batch.column("weight").fill_null(0.0).to_numpy()
        with np.errstate(all="ignore"):
            score = 2 * x + n + weight + self.offset
            ratio = np.where(n == 0, math.nan, x / n)
        return pa.RecordBatch.from_pydict(
            {
                "label": [f"{a} is {b}" for a, b in zip(names, colours, strict=True)],
                "score": score,
                "ratio": ratio,
            }
        )


class BulkyModel(PlainModel):
    """Holds 200 MB of parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters = np.ones(25_000_000)


class PoisonModel(PlainModel):
    """Raises for a whole batch that has a poison record."""

    def predict(self, record: Any) -> Any:
        self.taste([record.x])
        return super().predict(record)

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        self.taste(batch.column("x").to_pylist())
        return super().predict_batch(batch)

    def taste(self, xs: Sequence[float]) -> None:
        if POISON in xs:
            raise ValueError("poison")


class PoisonRecordModel(PoisonModel):
    predict_batch = None  # type: ignore[assignment]  # as if it had none


class FailingModel(PoisonModel):
    def taste(self, xs: Sequence[float]) -> None:
        raise RuntimeError("always")


class FailingRecordModel(FailingModel):
    predict_batch = None  # type: ignore[assignment]


class ExitModel(PoisonModel):
    def taste(self, xs: Sequence[float]) -> None:
        if POISON in xs:
            sys.exit("poison")


class NoisyModel(PoisonModel):
    """Prints, logs and warns."""

    def taste(self, xs: Sequence[float]) -> None:
        print('{"x":1.0}')
        print("to stderr", file=sys.stderr)
        logging.getLogger("noisy").error("%s", "a log line")
        warnings.warn("a warning", stacklevel=2)


class MutatingModel(PoisonModel):
    """Overwrites what it was handed, wherever that can be written to, and only then raises."""

    def predict(self, record: Any) -> Any:
        x, output = record.x, RecordModel.predict(self, record)
        for field in PlainInput.model_fields:
            setattr(record, field, None)
        self.taste([x])
        return output

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        xs, output = batch.column("x").to_pylist(), PlainModel.predict_batch(self, batch)
        for column in batch.columns:
            for buffer in filter(None, column.buffers()[1:]):
                values = np.frombuffer(buffer, np.uint8)
                if values.flags.writeable:
                    values[:] = 0
        self.taste(xs)
        return output


class UnfitModel(PlainModel):
    """Returns something unfit for poison, and for all of a batch that has some."""

    WAYS: ClassVar[dict[str, Callable[[pa.RecordBatch], Any]]] = {
        "nothing": lambda _: None,
        "a dict": lambda batch: batch.to_pydict(),
        "a table": lambda batch: pa.table(batch),
        "a row less": lambda batch: batch.slice(1),
        "a row more": lambda batch: pa.concat_batches([batch, batch.slice(0, 1)]),
        "a column less": lambda batch: batch.select(["label", "score"]),
        "a column more": lambda batch: batch.append_column("more", batch.column("score")),
        "text for a float": lambda batch: _with_scores(batch, ["much"] * batch.num_rows),
        "lists for a float": lambda batch: _with_scores(batch, [[1.0]] * batch.num_rows),
    }

    def __init__(self, way: str) -> None:
        super().__init__()
        self.spoil = self.WAYS[way]

    def predict(self, record: Any) -> Any:
        output = super().predict(record)
        return output.model_dump() if record.x == POISON else output

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        output = super().predict_batch(batch)
        return self.spoil(output) if POISON in batch.column("x").to_pylist() else output


class UnfitRecordModel(UnfitModel):
    predict_batch = None  # type: ignore[assignment]


class BadTextModel(PlainModel):
    """Its text is no UTF-8."""

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        output = super().predict_batch(batch)
        ends = np.arange(batch.num_rows + 1, dtype=np.int32)
        text = [None, pa.py_buffer(ends), pa.py_buffer(b"\xff" * batch.num_rows)]
        label = pa.Array.from_buffers(pa.string(), batch.num_rows, text)
        return output.set_column(0, "label", label)


class NanModel(PlainModel):
    """Scores poison as NaN."""

    def predict(self, record: Any) -> Any:
        output = super().predict(record)
        return output.model_copy(update={"score": math.nan} if record.x == POISON else {})

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        output = super().predict_batch(batch)
        x = batch.column("x").to_numpy()
        return _with_scores(output, np.where(x == POISON, math.nan, output.column("score")))


class NanRecordModel(NanModel):
    predict_batch = None  # type: ignore[assignment]


class BoundedOutput(BaseModel):
    label: str
    score: float = Field(le=100.0)
    ratio: float | None


class BoundModel(PlainModel):
    """Scores above the bound of its own output class."""

    output_schema = BoundedOutput


class BoundRecordModel(BoundModel):
    predict_batch = None  # type: ignore[assignment]


def _no_devil(n: int) -> int:
    if n == 666:
        raise ValueError("no devils")
    if n == 999:
        sys.exit("no policemen")
    return n


class JudgedInput(BaseModel):
    """The fast accept refuses it: who knows what a validator does?"""

    x: float
    n: Annotated[int, AfterValidator(_no_devil)]
    colour: Literal["red", "green", "blue"]
    name: str
    weight: float | None = None


class JudgedModel(PlainModel):
    input_schema = JudgedInput


class AliasedInput(BaseModel):
    x: float = Field(alias="X")
    n: int = Field(validation_alias=AliasChoices("number", "count"))
    colour: Literal["red", "green", "blue"] = Field(validation_alias=AliasPath("colours", 0))
    name: str
    weight: float | None = None


class AliasedModel(PlainModel):
    """Reads keys of other names than its fields'."""

    input_schema = AliasedInput


class DefaultsInput(BaseModel):
    x: float = 1.0
    n: int = 2
    colour: Literal["red", "green", "blue"] = "red"
    name: str = "nobody"
    weight: float | None = None


class DefaultsModel(PlainModel):
    """Takes ``{}``."""

    input_schema = DefaultsInput


class OneAtATimeModel(PlainModel):
    """Not thread safe, and notices: ``collisions`` counts how often it was entered while busy."""

    thread_safe = False

    def __init__(self) -> None:
        super().__init__()
        self.collisions = 0
        self._busy = threading.Lock()

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        if not self._busy.acquire(blocking=False):
            self.collisions += 1
            raise RuntimeError("busy")
        try:
            time.sleep(0.002)
            return super().predict_batch(batch)
        finally:
            self._busy.release()


class CarelessModel(OneAtATimeModel):
    """Says that it is thread safe, and is not."""

    thread_safe = True


def _with_scores(batch: pa.RecordBatch, scores: Any) -> pa.RecordBatch:
    return batch.set_column(1, "score", pa.array(scores))


class Panic(BaseException):  # as Rust's libraries name theirs
    """What is no Exception, and no one's wish to end the process."""


class PanickingModel(PoisonModel):
    """Panics at poison."""

    def taste(self, xs: Sequence[float]) -> None:
        if POISON in xs:
            raise Panic("index out of bounds")


class ForbiddingInput(PlainInput):
    model_config = ConfigDict(extra="forbid")


class ForbiddingModel(PlainModel):
    """Takes no field that it does not know."""

    input_schema = ForbiddingInput


class Cells(BaseModel):
    text: str = ""
    maybe: str | None = None
    number: float = 0.0
    ratio: float | None = None
    count: int = 0
    flag: bool = False


class CellsModel(RecordModel):
    """Predicts what it is given: a field of each type."""

    input_schema = output_schema = Cells

    def __init__(self) -> None:
        super().__init__()

    def predict(self, record: Any) -> Any:
        return record

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        return batch


class Letter(enum.Enum):
    A = "a"
    SPACE = " "
    NUMBER = "1"


class NewLetter(enum.StrEnum):
    A = "a"
    EMPTY = ""


class Number(enum.Enum):
    ONE = 1
    TEN = 10


class NewNumber(enum.IntEnum):
    ONE = 1
    TEN = 10


# How one field may be declared: its annotation and its default, if it has one.
FIELDS: dict[str, tuple[Any, Any]] = {
    "float": (float, ...),
    "int": (int, ...),
    "bool": (bool, ...),
    "str": (str, ...),
    "positive float": (Annotated[float, Field(gt=0)], ...),
    "finite float": (Annotated[float, Field(allow_inf_nan=False)], ...),
    "small int": (Annotated[int, Field(ge=-5, lt=1_000)], ...),
    "short str": (Annotated[str, Field(min_length=2, max_length=4)], ...),
    "int literal": (Literal[1, 5, 1_000], ...),
    "str literal": (Literal["a", " ", "1", "true"], ...),
    "bool literal": (Literal[True], ...),
    "enum": (Letter, ...),
    "str enum": (NewLetter, ...),
    "number enum": (Number, ...),
    "int enum": (NewNumber, ...),
    "float or None": (float | None, None),
    "int or None, required": (int | None, ...),
    "str or None": (str | None, None),
    "bool or None": (bool | None, None),
    "int literal or None": (Literal[1, 5] | None, None),
    "enum or None": (Letter | None, None),
    "int with a default": (int, 7),
    "float or None with a default": (float | None, 0.5),
    "stripped str": (Annotated[str, Field(min_length=1), BeforeValidator(str.strip)], ...),
    "date": (datetime.date, ...),
    "list": (list[int], ...),
}


class Echoed(BaseModel):
    shown: str


class EchoRecordModel(RecordModel):
    """Has one field, ``value``, and shows what its input class made of it."""

    output_schema = Echoed

    def __init__(self, field: str, strict: bool = False) -> None:
        super().__init__()
        self.input_schema = create_model(  # type: ignore[misc]  # this instance's alone
            # Not strict, nothing is said of it, or the columns would decide nothing.
            "Value",
            __config__=ConfigDict(strict=True) if strict else None,
            value=FIELDS[field],
        )

    def predict(self, record: Any) -> Any:
        return Echoed(shown=self.show(record.value))

    def show(self, value: Any) -> str:
        """The value and its type; of an enumeration its value, as columns have it."""
        return repr(value.value if isinstance(value, enum.Enum) else value)


class EchoModel(EchoRecordModel):
    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        shown = [self.show(value) for value in batch.column("value").to_pylist()]
        return pa.RecordBatch.from_pydict({"shown": pa.array(shown, pa.string())})


class NoInput(BaseModel):
    pass


class Seen(BaseModel):
    seen: bool


class IdleModel(RecordModel):
    """Reads nothing of a record, so that each that can be decoded is scored."""

    input_schema = NoInput
    output_schema = Seen

    def predict(self, record: Any) -> Any:
        return Seen(seen=True)


class Maybe(BaseModel):
    maybe: str | None


class MaybeModel(IdleModel):
    """Predicts nothing."""

    output_schema = Maybe

    def predict(self, record: Any) -> Any:
        return Maybe(maybe=None)


class Versioned(BaseModel):
    version: str


class VersionedModel(IdleModel):
    """Predicts a field of a name that it is not alone to have."""

    output_schema = Versioned

    def predict(self, record: Any) -> Any:
        return Versioned(version="2")
