"""What is measured: which model, on which data, by whom, at which sizes.

Not the full cross product: every model, format and contender stands somewhere, the slow ones at
sizes of their own. Two sizes tell what it costs to start from what a row costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Model:
    """A model that is measured.

    Attributes:
        title: for people.
        path: its class; or, of an estimator in a file, empty.
        file: of an estimator, the name of its file and of its entry in the models file.
        data: the data set that it reads.
    """

    title: str
    path: str = ""
    file: str = ""
    data: str = "irises"


MODELS = {
    "logistic": Model("logistic regression", "iris_model.iris_predict:IrisModel"),
    "forest": Model("random forest, 100 trees", file="forest"),
    "boosting": Model("histogram gradient boosting", file="boosting"),
    "only-predict": Model("only `predict`, plain Python", "benchmarks.models:OnlyPredict"),
    "judged": Model("input class with a validator", "benchmarks.models:JudgedIris"),
    "flights": Model(
        "flights: nulls, text, categories",
        "flight_delay_model.flight_delay_predict:FlightDelayModel",
        data="flights",
    ),
    "faulty": Model("logistic regression that fails on marks", "benchmarks.models:FaultyIris"),
}

# Suffixes of files, by the format's name.
FORMATS = {
    "parquet": ".parquet",
    "jsonl": ".jsonl",
    "jsonl.gz": ".jsonl.gz",
    "csv": ".csv",
    "csv, quoted": "-quoted.csv",
}

LIMIT = "limit"
VALIDATED = "limit, validated"
BEAM, BEAM_2 = "Beam, 1 process", "Beam, 2 processes"
MRJOB, MRJOB_LOCAL = "mrjob inline", "mrjob local"
OURS = (BEAM, BEAM_2, MRJOB, MRJOB_LOCAL)
RUN_INFERENCE = "RunInference"
LINE_MAPPER = "mapper, a line at a time"
SPARK, RAY = "Spark mapInArrow", "Ray map_batches"
PEERS = (SPARK, RAY)


@dataclass(frozen=True)
class Scenario:
    """Contenders that score the same data with the same model, in turn.

    Attributes:
        model, format: keys of ``MODELS`` and ``FORMATS``.
        contenders: the first one is the limit, which says what is right.
        rows: a small and a large number of them.
        repeats: how often all of them run.
        note: told above the table.
        about: who is beside ours, where that tells it from another scenario.
    """

    model: str
    format: str
    contenders: tuple[str, ...]
    rows: tuple[int, int]
    repeats: int = 2
    note: str = ""
    about: str = ""

    @property
    def name(self) -> str:
        """For people, and for ``--only``."""
        return title(self.model, self.format, self.about, self.rows[1])


@dataclass(frozen=True)
class Spoiled:
    """Records of which a share is rejected, scored by the same job.

    Attributes:
        stage: at which they are rejected.
        rows: a small number, scored with no bad record to find out what starting takes; and a large
            one, scored with each share.
        shares: of records that are rejected; the first is none.
        format: key of ``FORMATS``.
    """

    stage: str
    rows: tuple[int, int]
    repeats: int = 2
    shares: tuple[float, ...] = (0.0, 0.0001, 0.01, 0.5)
    format: str = "jsonl"

    @property
    def name(self) -> str:
        """For people, and for ``--only``."""
        return f"rejects at {self.stage}, {self.format}, {short(self.rows[1])} rows"


@dataclass(frozen=True)
class Startup:
    """Jobs that score one record, and what they cannot but import.

    Attributes:
        contenders: of what is only imported, the modules; of jobs, nothing.
    """

    model: str
    format: str
    contenders: Mapping[str, str]
    repeats: int = 2

    @property
    def name(self) -> str:
        """For people, and for ``--only``."""
        return "start-up"


IMPORTS, IMPORTS_MRJOB = "importing Beam and scikit-learn", "importing mrjob and scikit-learn"
STARTUP = Startup(
    "logistic",
    "jsonl",
    {
        IMPORTS: "apache_beam, sklearn.linear_model",
        BEAM: "",
        IMPORTS_MRJOB: "mrjob.job, sklearn.linear_model",
        MRJOB: "",
    },
)

SCENARIOS = (
    # The model costs nothing: all that is seen is the way to it, in every format.
    Scenario("logistic", "parquet", (LIMIT, *OURS), (2_000_000, 20_000_000), 3),
    Scenario("logistic", "jsonl", (LIMIT, *OURS), (400_000, 4_000_000), 3),
    Scenario("logistic", "csv", (LIMIT, *OURS), (400_000, 4_000_000), 1),
    Scenario("logistic", "csv, quoted", (LIMIT, BEAM), (400_000, 4_000_000), 1),
    Scenario(
        "logistic",
        "jsonl.gz",
        (LIMIT, *OURS),
        (400_000, 2_000_000),
        1,
        note="A compressed file is read by one worker; there are four.",
    ),
    # Those who call Python for each record, at sizes that they can do.
    Scenario(
        "logistic",
        "parquet",
        (LIMIT, BEAM, RUN_INFERENCE),
        (200_000, 2_000_000),
        1,
        about="against RunInference",
    ),
    Scenario(
        "logistic",
        "jsonl",
        (LIMIT, BEAM, MRJOB, RUN_INFERENCE, LINE_MAPPER),
        (20_000, 200_000),
        1,
        about="against RunInference and a line at a time",
    ),
    # Those who have two cores, like ours in two processes; only where they are installed.
    Scenario(
        "logistic",
        "parquet",
        (LIMIT, BEAM_2, *PEERS),
        (2_000_000, 20_000_000),
        1,
        about="against Spark and Ray",
    ),
    Scenario(
        "logistic",
        "jsonl",
        (LIMIT, BEAM_2, *PEERS),
        (400_000, 4_000_000),
        1,
        about="against Spark and Ray",
    ),
    # The model costs something.
    Scenario("forest", "parquet", (LIMIT, *OURS, RUN_INFERENCE), (50_000, 500_000), 1),
    Scenario("boosting", "parquet", (LIMIT, BEAM, MRJOB), (50_000, 500_000)),
    # The models that the columns do not help.
    Scenario(
        "only-predict",
        "jsonl",
        (LIMIT, BEAM, MRJOB, LINE_MAPPER),
        (50_000, 300_000),
        1,
        note="A call and two pydantic objects a record, whoever makes them.",
    ),
    Scenario(
        "judged",
        "jsonl",
        (LIMIT, VALIDATED, BEAM, MRJOB),
        (50_000, 500_000),
        1,
        note="The limit checks nothing; the validated one asks pydantic about all records of a"
        " block at once.",
    ),
    Scenario("flights", "jsonl", (LIMIT, BEAM, MRJOB), (200_000, 1_000_000), 1),
    Scenario("flights", "parquet", (LIMIT, BEAM, MRJOB), (400_000, 4_000_000), 1),
)

SPOILED = (
    Spoiled("decode", (100_000, 1_000_000), 1),
    Spoiled("validate", (100_000, 1_000_000), 1),
    Spoiled("predict", (20_000, 200_000), 1),
    Spoiled("output", (100_000, 1_000_000), 1),
)


class NothingChosenError(Exception):
    """A text is in the name of no scenario."""


Chosen = tuple[list[Scenario], list[Spoiled], list[Startup]]


def chosen(only: Sequence[str], scale: float, repeats: int | None, *, peers: bool) -> Chosen:
    """What is to be measured.

    Args:
        only: texts, of which one is in each name, which has the scenario's own rows; none for all.
        scale: so many times the rows.
        repeats: instead of each one's own.
        peers: Spark and Ray take part.

    Raises:
        NothingChosenError: one of the texts is in no name.
    """
    there = [each for each in SCENARIOS if peers or not set(PEERS) & set(each.contenders)]
    names = [each.name for each in (*there, *SPOILED, STARTUP)]
    for text in only:
        if not any(text in name for name in names):
            raise NothingChosenError(f"no scenario has {text!r} in its name")

    def is_chosen(each: Scenario | Spoiled | Startup) -> bool:
        return not only or any(text in each.name for text in only)

    def rows(each: Scenario | Spoiled) -> tuple[int, int]:
        small, large = (max(1_000, round(rows * scale)) for rows in each.rows)
        return small, max(large, small + 1)

    scenarios = [
        replace(each, rows=rows(each), repeats=repeats or each.repeats)
        for each in filter(is_chosen, there)
    ]
    spoiled = [
        replace(each, rows=rows(each), repeats=repeats or each.repeats)
        for each in filter(is_chosen, SPOILED)
    ]
    startup = [
        replace(each, repeats=repeats or each.repeats) for each in filter(is_chosen, [STARTUP])
    ]
    return scenarios, spoiled, startup


def title(model: str, kind: str, about: str, rows: int) -> str:
    """What a scenario is called: ``random forest, 100 trees, parquet, 500 k rows``."""
    parts = (MODELS[model].title, kind, about, f"{short(rows)} rows")
    return ", ".join(part for part in parts if part)


def short(rows: int) -> str:
    """As text: ``20 M``."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if rows >= unit:
            return f"{rows / unit:.3g} {name}"
    return str(rows)
