"""Train the iris model: ``python train.py [FILE]`` writes its parameters as JSON.

Without FILE it replaces those that the package ships. A fixed split makes it repeatable: 105 of
scikit-learn's 150 irises to train on, 45 held out to measure on, the species in equal parts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from iris_model.iris_predict import FEATURES, SHIPPED_PARAMETERS, Parameters
from numpy.typing import NDArray
from sklearn.datasets import load_iris  # type: ignore[import-untyped]  # it ships no types
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # as above
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]  # as above

SEED = 42

Flowers: TypeAlias = tuple[NDArray[np.float64], NDArray[np.str_]]


def split_irises() -> tuple[Flowers, Flowers]:
    """Return the irises to train on and those held out: (n, 4) cm and (n,) species each."""
    irises = load_iris()
    species = irises.target_names[irises.target]
    train_x, test_x, train_y, test_y = train_test_split(
        irises.data, species, test_size=0.3, stratify=species, random_state=SEED
    )
    return (train_x, train_y), (test_x, test_y)


def fit(measurements: NDArray[np.float64], species: NDArray[np.str_]) -> LogisticRegression:
    """Return a fitted regression, with scikit-learn's default regularisation.

    The tight tolerance takes it so near to the one optimum that every machine arrives at the same.
    """
    return LogisticRegression(tol=1e-8, max_iter=10_000).fit(measurements, species)


def to_parameters(regression: LogisticRegression) -> Parameters:
    """Return what the model needs of a fitted regression.

    Six decimals are more than 105 flowers can tell, and leave out the last bits, which depend on
    the machine and would differ in every diff.
    """
    return Parameters.model_validate(
        {
            "features": FEATURES,
            "classes": tuple(regression.classes_.tolist()),
            "coef": regression.coef_.round(6).tolist(),
            "intercept": regression.intercept_.round(6).tolist(),
        }
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Train, write the parameters, and print the accuracy on the irises held out."""
    parser = argparse.ArgumentParser(description="Train the iris model.")
    parser.add_argument("file", nargs="?", type=Path, default=SHIPPED_PARAMETERS, metavar="FILE")
    file: Path = parser.parse_args(argv).file

    training, held_out = split_irises()
    regression = fit(*training)
    parameters = to_parameters(regression)
    file.write_text(json.dumps(parameters.model_dump(), indent=2) + "\n", encoding="utf-8")
    print(f"held-out accuracy {regression.score(*held_out):.3f} ({len(held_out[1])} irises)")


if __name__ == "__main__":
    main()
