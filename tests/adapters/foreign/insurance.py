"""Insurance charges, as an author wrote it who knows ml_base alone."""

from enum import Enum

from ml_base import MLModel
from ml_base.decorator import MLModelDecorator
from pydantic import BaseModel, Field


class Region(str, Enum):  # noqa: UP042  # as such packages have it
    southwest = "southwest"
    northeast = "northeast"


class ChargesInput(BaseModel):
    age: int = Field(None, ge=18, le=65)
    bmi: float | None = Field(None, ge=15.0, le=60.0)
    smoker: bool | None = None
    region: Region | None = None


class ChargesOutput(BaseModel):
    charges: float


class ChargesModel(MLModel):
    @property
    def display_name(self) -> str:
        return "Insurance charges"

    @property
    def qualified_name(self) -> str:
        return "insurance_charges_model"

    @property
    def description(self) -> str:
        return "The charges of an insured person."

    @property
    def version(self) -> str:
        return "0.2"

    @property
    def input_schema(self) -> type[BaseModel]:
        return ChargesInput

    @property
    def output_schema(self) -> type[BaseModel]:
        return ChargesOutput

    def __init__(self, base: float = 1000.0) -> None:
        self._base = base
        self._rates = {Region.southwest: 1.0, Region.northeast: 1.25}

    def predict(self, data: ChargesInput) -> ChargesOutput:
        rate = self._rates[data.region] * (2 if data.smoker else 1)
        return ChargesOutput(charges=self._base + 10.0 * data.age * data.bmi * rate)


class Rounded(MLModelDecorator):
    """Rounds charges to so many places."""

    def predict(self, data: ChargesInput) -> ChargesOutput:
        charges = self._model.predict(data=data).charges
        return ChargesOutput(charges=round(charges, self._configuration["places"]))

    def __reduce__(self) -> str:
        raise TypeError("a decorated model is not for pickling")
