"""Models that a check is there for: each breaks one thing that is asked of a model."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import pickle
import random
import socket
import time
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, BaseModel, Field

from model_dofns import MLModel

# Set where the tests are, and nowhere else.
REGISTERED: list[str] = []


class Goods(BaseModel):
    weight: float = Field(gt=0, le=1_000)
    kind: Literal["parcel", "letter"] = "parcel"
    name: str


class Price(BaseModel):
    price: float = Field(ge=0, le=10_000)
    label: str


class GoodModel(MLModel):
    """Breaks nothing."""

    display_name = "Prices"
    qualified_name = "prices"
    description = "The price of sending goods, by their weight."
    version: ClassVar[str] = "1.0.0"
    input_schema: ClassVar[type[BaseModel]] = Goods
    output_schema = Price

    def predict(self, record: Any) -> Any:
        return Price(price=self.price(record.weight), label=f"{record.kind} {record.name}")

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        kinds, names = batch.column("kind"), batch.column("name")
        labels = pc.binary_join_element_wise(kinds, names, " ")
        return pa.RecordBatch.from_arrays(
            [pc.multiply(batch.column("weight"), self.price(1.0)), labels], ["price", "label"]
        )

    def price(self, weight: float) -> float:
        return 2.5 * weight


class RecordModel(GoodModel):
    predict_batch = None  # type: ignore[assignment]  # as if it had none


class TwoPartVersionModel(GoodModel):
    version = "1.0"


class NamelessModel(GoodModel):
    display_name = ""


class Anything(BaseModel):
    anything: Any


class ShapelessModel(GoodModel):
    """Its predictions have no columns."""

    output_schema = Anything  # type: ignore[assignment]


def _known(name: str) -> str:
    if name != "Rumpelstiltskin":
        raise ValueError("not his name")
    return name


class SecretGoods(Goods):
    name: Annotated[str, AfterValidator(_known)]


class SecretModel(GoodModel):
    """No one guesses a record of its."""

    input_schema = SecretGoods


class RaisingModel(RecordModel):
    def price(self, weight: float) -> float:
        raise RuntimeError("no price list")


class LightRaisingModel(RecordModel):
    def price(self, weight: float) -> float:
        if weight < 1:
            raise ValueError("too light")
        return super().price(weight)


class DearModel(GoodModel):
    """Goes beyond the bound of its output class, both ways."""

    def predict(self, record: Any) -> Any:
        price = 1e6 + self.price(record.weight)
        return Price.model_construct(price=price, label=f"{record.kind} {record.name}")

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        output = super().predict_batch(batch)
        return output.set_column(0, "price", pc.add(output.column("price"), 1e6))


class DictModel(RecordModel):
    """Returns a dict, and no instance of its output class."""

    def predict(self, record: Any) -> Any:
        return super().predict(record).model_dump()


class RegisteredModel(GoodModel):
    """Loads where something was done before."""

    def __init__(self) -> None:
        if not REGISTERED:
            raise LookupError("nothing is registered")


class RegisteredLaterModel(GoodModel):
    """Loads anywhere, but predicts where something was done before."""

    def price(self, weight: float) -> float:
        return super().price(weight) * len(REGISTERED[0])


class CrashingModel(GoodModel):
    """Takes the process down with it, where nothing was done before."""

    def __init__(self) -> None:
        if not REGISTERED:
            os._exit(3)


class RandomModel(RecordModel):
    def price(self, weight: float) -> float:
        return super().price(weight) + random.random()


class ProcessModel(RecordModel):
    """Depends on the process that it is in."""

    def price(self, weight: float) -> float:
        return super().price(weight) + os.getpid() / 1e6


class CountedModel(RecordModel):
    """Depends on how many there are in this process."""

    made: ClassVar[Any] = itertools.count(1)

    def __init__(self) -> None:
        self.number = next(self.made)

    def price(self, weight: float) -> float:
        return super().price(weight) + self.number / 1e6


class RoughModel(GoodModel):
    """Computes batches with half of the digits."""

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        output = super().predict_batch(batch)
        price = output.column("price").cast(pa.float32()).cast(pa.float64())
        return output.set_column(0, "price", price)


class LabelModel(GoodModel):
    """Spells the text of batches otherwise."""

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        output = super().predict_batch(batch)
        return output.set_column(1, "label", pc.utf8_upper(output.column("label")))


class UnluckyModel(GoodModel):
    """Computes one weight otherwise in batches."""

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        output = super().predict_batch(batch)
        weight = batch.column("weight")
        price = pc.if_else(pc.equal(weight, 13.0), 0.0, output.column("price"))
        return output.set_column(0, "price", price)


class RaisingBatchModel(GoodModel):
    """Has answers for single records alone."""

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        raise NotImplementedError("later")


class SqueezingModel(GoodModel):
    """Takes a batch of one row for something else."""

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        output = super().predict_batch(batch)
        if batch.num_rows == 1:
            return output.set_column(0, "price", pa.array([0.0]))
        return output


class OrderedModel(GoodModel):
    """Takes the first of many rows for the lightest."""

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        output = super().predict_batch(batch)
        weights = batch.column("weight").to_pylist()
        if len(weights) > 10 and weights[0] > min(weights):
            return output.set_column(0, "price", pc.add(output.column("price"), 1.0))
        return output


class EmptyBatchModel(GoodModel):
    """Raises for a batch without rows."""

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        if not batch.num_rows:
            raise IndexError("no first row")
        return super().predict_batch(batch)


class SmallBatchModel(GoodModel):
    """Raises for more than a few rows, which a job gets round."""

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        if batch.num_rows > 20:
            raise MemoryError("too many rows")
        return super().predict_batch(batch)


class SharedModel(RecordModel):
    """Keeps a record in itself while it predicts."""

    weight = 0.0

    def price(self, weight: float) -> float:
        self.weight = weight
        time.sleep(0.0005)
        return super().price(self.weight)


class BusyModel(GoodModel):
    """Raises where it is entered twice."""

    busy = False

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        if self.busy:
            raise RuntimeError("busy")
        self.busy = True
        try:
            time.sleep(0.002)
            return super().predict_batch(batch)
        finally:
            self.busy = False


class ChangingModel(GoodModel):
    """Changes its record, when it has done with it."""

    def predict(self, record: Any) -> Any:
        output = super().predict(record)
        record.weight = 0.0
        return output


class OverwritingModel(GoodModel):
    """Writes into its batch, where it can."""

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        prices = pa.array(batch.column("weight").to_numpy() * self.price(1.0))
        output = super().predict_batch(batch).set_column(0, "price", prices)
        weights = np.frombuffer(batch.column("weight").buffers()[1], np.float64)
        if weights.flags.writeable:
            weights[:] = 0
        return output


class FetchingModel(GoodModel):
    """Looks up a host when it is loaded."""

    def __init__(self) -> None:
        socket.getaddrinfo("localhost", 80)


class AskingModel(RecordModel):
    """Sends something whenever it predicts."""

    def price(self, weight: float) -> float:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.connect(("127.0.0.1", 9))
        return super().price(weight)


class TryingModel(GoodModel):
    """Looks up a host, and does without."""

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            socket.getaddrinfo("localhost", 80)


class FallingBackModel(GoodModel):
    """Looks up a host, and answers otherwise without."""

    def __init__(self) -> None:
        self.factor = 1.0
        try:
            socket.getaddrinfo("localhost", 80)
        except OSError:
            self.factor = 2.0

    def price(self, weight: float) -> float:
        return super().price(weight) * self.factor


class PrintingModel(RecordModel):
    def price(self, weight: float) -> float:
        print("weighed")
        return super().price(weight)


class WritingModel(GoodModel):
    """Writes to stdout when it is loaded, as a library of C does."""

    def __init__(self) -> None:
        os.write(1, b"loaded")


class PartingModel(GoodModel):
    """Prints when Python ends."""

    def __init__(self) -> None:
        if REGISTERED != ["here"]:
            atexit.register(print, "goodbye")


class PicklingModel(RecordModel):
    """Copies itself, as some do to predict in processes of their own."""

    def price(self, weight: float) -> float:
        pickle.dumps(self)
        return super().price(weight)


class KeepingModel(RecordModel):
    """Keeps something of each prediction."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def price(self, weight: float) -> float:
        self.kept.append(bytes(100))
        return super().price(weight)


class KeepingBatchesModel(GoodModel):
    """Keeps something of each batch."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def predict_batch(self, batch: pa.RecordBatch) -> Any:
        output = super().predict_batch(batch)
        self.kept.append(output)
        return output


class OneAtATimeModel(SharedModel):
    """Says that it is not thread safe."""

    thread_safe = False


class ChanceModel(RandomModel):
    """Says that it is not deterministic."""

    deterministic = False


GOODS = {
    "type": "object",
    "properties": {
        "weight": {"type": "number", "exclusiveMinimum": 0, "maximum": 1_000},
        "kind": {"enum": ["parcel", "letter"]},
        "name": {"type": "string", "maxLength": 9},
        "stops": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["weight", "kind", "name", "stops"],
}
PRICE = {
    "type": "object",
    "properties": {"price": {"type": "number"}, "label": {"type": "string"}},
    "required": ["price", "label"],
}


class MappingsModel(RecordModel):
    """Breaks nothing; its records are dicts, by JSON Schemas."""

    input_schema: ClassVar[Any] = GOODS
    output_schema: ClassVar[Any] = PRICE

    def predict(self, record: Any) -> Any:
        label = f"{record['kind']} {record['name']}"
        return {"price": self.price(record["weight"]), "label": label}


class ChangingMappingsModel(MappingsModel):
    """Changes what is inside its record."""

    def predict(self, record: Any) -> Any:
        record["stops"].append("here")
        return super().predict(record)


class StrangeModel:
    """Of another contract: it is no MLModel, and claims little."""

    display_name = "Strange"
    qualified_name = "strange"
    version = "1.0"
    input_schema = Goods
    output_schema = Price

    def predict(self, record: Any) -> Any:
        return Price(price=2.5 * record.weight, label=record.name)
