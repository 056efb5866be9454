"""The contract between a model and whatever runs it.

A model's author subclasses :class:`MLModel` in a package of their own and never sees an engine, a
file format or a serialization. Whoever deploys it names the class in a configuration: the Strategy
pattern, with the model as the strategy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class MLModel(ABC):
    """A model that can be loaded once and asked for predictions many times.

    Attributes of the class, or of the instance where its configuration decides them; all of them
    public facts about the model:

    ``display_name``
        The name a person reads, such as ``"Iris species"``.
    ``qualified_name``
        The name a machine reads, unique among the models of an organisation: ``"iris_model"``.
    ``description``
        A sentence or two on what it predicts and from what.
    ``version``
        A semantic version, ``"MAJOR.MINOR.PATCH"``. It is written beside every reject and into
        every manifest.
    ``deterministic``
        True where the same record always gets the same prediction.
    ``thread_safe``
        True where several threads may call ``predict`` at once. Where it is False, callers take
        turns.
    ``input_schema``, ``output_schema``
        Pydantic classes: what a record must be, and what a prediction is. A JSON Schema will do,
        or another kind that :func:`model_dofns.schemas.record_schema` knows; of most of these,
        records are dicts.

    ``__init__`` takes the configuration as keyword arguments, JSON values all, and loads the
    parameters; it runs once a process, where the model is used.

    A model that can score many records faster than one by one also has ``predict_batch``::

        def predict_batch(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch: ...

    It is handed exactly the fields of ``input_schema``, in their order, validated, with defaults
    filled in and enumerations as their values; float fields are ``float64``, int ``int64``, text
    ``string``, bool ``bool``. It returns the fields of ``output_schema`` and as many rows, in the
    same order. It must agree with ``predict``, which remains the meaning of the model.

    >>> from pydantic import BaseModel
    >>> class Passenger(BaseModel):
    ...     age: float
    >>> class Fare(BaseModel):
    ...     fare: float
    >>> class FareModel(MLModel):
    ...     display_name = "Fare"
    ...     qualified_name = "fare_model"
    ...     description = "The fare of a passenger, from the age."
    ...     version = "1.0.0"
    ...     input_schema = Passenger
    ...     output_schema = Fare
    ...
    ...     def __init__(self, full_fare: float = 10.0) -> None:
    ...         self._full_fare = full_fare
    ...
    ...     def predict(self, record: Passenger) -> Fare:
    ...         return Fare(fare=self._full_fare / 2 if record.age < 14 else self._full_fare)
    >>> FareModel(full_fare=20.0).predict(Passenger(age=7.0))
    Fare(fare=10.0)
    """

    display_name: str
    qualified_name: str
    description: str
    version: str
    deterministic: bool = True
    thread_safe: bool = True
    input_schema: Any
    output_schema: Any

    @abstractmethod
    def predict(self, record: Any) -> Any:
        """Score one record: an instance of ``input_schema`` in, one of ``output_schema`` out.

        An exception rejects this record and no other.
        """
