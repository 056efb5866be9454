"""Train the flight delay model: ``python train.py [FILE]`` writes its parameters as JSON.

Without FILE it replaces those that the package ships, and the figures in README.md; either way it
prints these. It trains on the flights of January to September 2013 and measures on those of October
to December. Flights that never arrived where they were due, cancelled or diverted, are left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # as above
from flight_delay_model.flight_delay_predict import (
    HIGH_FROM,
    LATE_MINUTES,
    MEDIUM_FROM,
    FlightDelayModel,
    FlightInput,
    bin_positions,
    weekdays,
)
from flight_delay_model.flights import WEATHER_FIELDS, read_flights
from flight_delay_model.parameters import NUMBERS, SHIPPED_PARAMETERS, TEXTS, Parameters
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack  # type: ignore[import-untyped]  # scipy ships no types
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # as scipy
from sklearn.metrics import (  # type: ignore[import-untyped]  # as scipy
    brier_score_loss,
    log_loss,
    roc_auc_score,
)

README = Path(__file__).parent / "README.md"
LAST_MONTH_TO_TRAIN_ON = 9
EDGES: dict[str, tuple[float, ...]] = {
    "weekday": (1, 2, 3, 4, 5, 6),
    "hour": tuple(range(6, 24)),
    "humid": (40, 50, 60, 70, 80, 90),
    "wind_speed": (5, 8, 12, 16, 20, 25),
    "precip": (0.01, 0.02, 0.05, 0.1, 0.2),
    "pressure": (1000, 1005, 1010, 1015, 1020, 1025),
    "visib": (0.5, 1, 2, 3, 5, 8, 10),
}
BANDS = (0.0, 0.1, MEDIUM_FROM, 0.3, HIGH_FROM, 0.6, 1.0)

Flights: TypeAlias = tuple[pa.RecordBatch, NDArray[np.bool_]]


def split_flights() -> tuple[Flights, Flights]:
    """Return the flights to train on and those held out: the model's input, and who was late."""
    flights = read_flights()
    flights = flights.filter(pc.is_valid(flights["arr_delay"]))
    early = pc.less_equal(flights["month"], LAST_MONTH_TO_TRAIN_ON)
    return _flights(flights.filter(early)), _flights(flights.filter(pc.invert(early)))


def _flights(flights: pa.Table) -> Flights:
    (inputs,) = flights.select(list(FlightInput.model_fields)).combine_chunks().to_batches()
    return inputs, pc.greater(flights["arr_delay"], LATE_MINUTES).to_numpy()


def one_hot(positions: NDArray[np.intp], width: int) -> csr_array:
    """Return a row for each position, with a 1 there; with none where it is beyond the width."""
    rows = np.flatnonzero(positions < width)
    return csr_array((np.ones(len(rows)), (rows, positions[rows])), shape=(len(positions), width))


def fit(inputs: pa.RecordBatch, late: NDArray[np.bool_]) -> Parameters:
    """Return the weights of a logistic regression, with scikit-learn's default regularisation.

    The weights of each feature are moved so that their mean over the flights is 0: then a weight
    says how far from the average something is, and what is not known can count as average.
    """
    texts = {name: sorted(pc.unique(inputs.column(name)).to_pylist()) for name in TEXTS}
    numbers = dict(zip(inputs.schema.names, inputs.columns, strict=True))
    numbers["weekday"] = weekdays(inputs)
    columns = {}
    for name in TEXTS:
        positions = pc.index_in(inputs.column(name), pa.array(texts[name])).to_numpy()
        columns[name] = one_hot(positions, len(texts[name]))
    for name in NUMBERS:
        columns[name] = one_hot(bin_positions(EDGES[name], numbers[name]), len(EDGES[name]) + 1)
    # Newton's method comes so near to the one optimum that every machine arrives at the same.
    regression = LogisticRegression(solver="newton-cholesky", tol=1e-8)
    regression.fit(hstack(list(columns.values()), format="csr"), late)

    intercept = float(regression.intercept_[0])
    begins = np.cumsum([ones.shape[1] for ones in columns.values()])[:-1]
    fitted = {}
    for (name, ones), weights in zip(
        columns.items(), np.split(regression.coef_[0], begins), strict=True
    ):
        counts = ones.sum(axis=0)
        mean = float(weights @ counts / counts.sum())
        intercept += mean
        fitted[name] = (weights - mean).round(4).tolist()
    # Four decimals are more than the flights can tell, and leave out the last bits, which depend
    # on the machine and would differ in every diff.
    return Parameters.model_validate(
        {
            "intercept": round(intercept, 4),
            **{name: dict(zip(texts[name], fitted[name], strict=True)) for name in TEXTS},
            **{name: {"edges": EDGES[name], "weights": fitted[name]} for name in NUMBERS},
        }
    )


def without_weather(inputs: pa.RecordBatch) -> pa.RecordBatch:
    """Return the same flights, and nothing known of the weather."""
    for name in WEATHER_FIELDS:
        place = inputs.schema.get_field_index(name)
        inputs = inputs.set_column(place, name, pa.nulls(inputs.num_rows, pa.float64()))
    return inputs


def figures(model: FlightDelayModel, rate: float, held_out: Flights) -> str:
    """Return how good the model is on flights held out, in Markdown.

    ``rate`` is the share of late flights in those it was trained on.
    """
    inputs, late = held_out
    predicted = model.predict_batch(inputs).column("late_probability").to_numpy()
    blind = model.predict_batch(without_weather(inputs)).column("late_probability").to_numpy()
    lines = [
        f"Of the {len(late):,} flights held out {late.mean():.1%} were late, of those it was"
        f" trained on {rate:.1%}.",
        "",
        "| | ROC AUC | log loss | Brier score |",
        "|---|---|---|---|",
    ]
    for name, probability in (
        ("this model", predicted),
        ("this model, where nothing is known of the weather", blind),
        (f"always {rate:.3f}", np.full(len(late), rate)),
    ):
        scores = (score(late, probability) for score in (roc_auc_score, log_loss, brier_score_loss))
        lines.append(f"| {name} | {' | '.join(f'{score:.3f}' for score in scores)} |")
    lines += [
        "",
        "| predicted probability | flights | its mean | were late |",
        "|---|---|---|---|",
    ]
    bands = np.searchsorted(BANDS[1:-1], predicted, side="right")
    for band in range(len(BANDS) - 1):
        chosen = bands == band
        lines.append(
            f"| {BANDS[band]} to {BANDS[band + 1]} | {chosen.sum():,}"
            f" | {predicted[chosen].mean():.3f} | {late[chosen].mean():.3f} |"
        )
    return "\n".join(lines)


def write_figures(text: str) -> None:
    """Put the figures into README.md, between the marks there."""
    begin, end = "<!-- written by train.py -->\n", "<!-- end -->\n"
    before, rest = README.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    README.write_text(f"{before}{begin}{text}\n{end}{after}", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Train, write the parameters, and print how good they are on the flights held out."""
    parser = argparse.ArgumentParser(description="Train the flight delay model.")
    parser.add_argument("file", nargs="?", type=Path, default=SHIPPED_PARAMETERS, metavar="FILE")
    file: Path = parser.parse_args(argv).file

    (inputs, late), held_out = split_flights()
    parameters = fit(inputs, late)
    file.write_text(json.dumps(parameters.model_dump(), indent=2) + "\n", encoding="utf-8")
    text = figures(FlightDelayModel(str(file)), float(late.mean()), held_out)
    print(text)
    if file == SHIPPED_PARAMETERS:
        write_figures(text)


if __name__ == "__main__":
    main()
