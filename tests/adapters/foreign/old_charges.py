"""Models of older contracts: schemas of the library schema; records are dicts."""

from old_contract import MLModel
from schema import And, Optional, Or, Schema


def charges(data):
    rate = {"southwest": 1.0, "northeast": 1.25}[data["region"]] * (2 if data["smoker"] else 1)
    return {"charges": 1000.0 + 10.0 * data["age"] * data["bmi"] * rate}


INPUT = Schema(
    {
        "age": And(int, lambda age: 18 <= age <= 65),
        "bmi": And(float, lambda bmi: 15.0 <= bmi <= 60.0),
        "region": Or("southwest", "northeast"),
        Optional("smoker", default=False): bool,
    }
)


class ChargesModel(MLModel):
    display_name = "Insurance charges"
    qualified_name = "old_charges"
    description = "The charges of an insured person."
    major_version = 3
    minor_version = 1
    input_schema = INPUT
    output_schema = Schema({"charges": float})

    def __init__(self):
        pass

    def predict(self, data):
        super().predict(data=data)
        return charges({"smoker": False, **data})


class FirstModel:
    """Charges, from the days before models had names.

    And before they had versions.
    """

    input_schema = INPUT
    output_schema = Schema({"charges": float})

    def predict(self, data):
        self.input_schema.validate(data)
        return charges({"smoker": False, **data})


class BareModel:
    def predict(self, data):
        return charges({"smoker": False, **data})


class FailingModel(BareModel):
    @property
    def output_schema(self):
        return {}["no such key"]


class OwnContract:
    """Of a contract that is known to no one but its adapter."""

    def answer(self, age, bmi, region, smoker):
        return charges({"age": age, "bmi": bmi, "region": region, "smoker": smoker})["charges"]
