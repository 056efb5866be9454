"""Packaging of the iris model: a model is an installable package of its own."""

import re
from pathlib import Path

# Old releases of setuptools ship no types, new ones do.
from setuptools import find_packages, setup  # type: ignore[import-untyped, unused-ignore]

HERE = Path(__file__).parent


def read_version() -> str:
    """Return the package's ``__version__``, read as text: importing it would need its location."""
    source = (HERE / "iris_model" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if found is None:
        raise RuntimeError('iris_model/__init__.py has no line __version__ = "…"')
    return found[1]


setup(
    name="iris-model",
    version=read_version(),
    description="The species of an iris, from four measurements of the flower.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["iris_model*"]),
    package_data={"iris_model": ["py.typed", "parameters/*.json"]},
    zip_safe=False,  # the parameters are opened by path
    install_requires=[
        "model-dofns",
        "numpy>=1.26,<3",
        "pyarrow>=18",
        # The release that trained the parameters. LogisticRegression is filled in by attribute,
        # which is no promise of scikit-learn's: a new release is a deliberate step, tests and all.
        "scikit-learn==1.9.1",
    ],
    entry_points={"ml_models": ["iris = iris_model.iris_predict:IrisModel"]},
)
