"""The page on Hadoop, and the README's jobs of one's own: run as they stand, on a bare cluster."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster
from configuration import SCORER
from job_runs import Ended, assert_whole, read_result, scored_directly
from scoring import ROOT, Scoring, end, while_running
from wheels import make_wheels

PAGE = (ROOT / "docs" / "hadoop.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
HOME = f"hdfs:///user/{SCORER}"
# What a reader puts in the place of the page's names.
READERS = {
    "python3.11": shlex.quote(sys._base_executable),  # type: ignore[attr-defined]  # it is there
    "my-model": "iris-model",
    "hdfs:///user/me": HOME,
    "hdfs:///data/irises/": f"{HOME}/irises/jsonl/ --max-errors 5%",
}
IRIS = "iris_model.iris_predict:IrisModel"
ENVIRONMENT = (
    *("--archives", f"{HOME}/env.tar.gz#env", "--python-bin", "env/bin/python"),
    *("--hadoop-tmp-dir", f"{HOME}/tmp"),  # as the account's name is not that of HDFS's user
)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


LAUNCH, MAKE_ENVIRONMENT = blocks(PAGE, "sh")


class Reader:
    """Someone who has nothing but the page: no checkout, and no packages but those in wheels."""

    def __init__(self, scoring: Scoring, folder: Path) -> None:
        self.folder = folder
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        environment = scoring.environment
        self.environment = {
            **{name: value for name, value in environment.items() if name != "PYTHONPATH"},
            "PATH": f"{folder / 'env' / 'bin'}:{environment['PATH']}",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_NO_COMPILE": "1",
            "GZIP": "-1",  # of half a gigabyte
        }

    def started(self, command: str) -> subprocess.Popen[str]:
        for theirs, ours in READERS.items():
            command = command.replace(theirs, ours)
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", command],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str) -> Ended:
        with self.started(command) as process:
            ended = end(process)
        assert ended.exit_code == 0, f"{command}\n{ended.out}\n{ended.err}"
        return ended


@pytest.fixture(scope="module")
def reader(scoring: Scoring, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """One who has made the environment as the page says, and has the README's jobs."""
    reader = Reader(scoring, tmp_path_factory.mktemp("reader"))
    names = ["model-dofns[mapreduce]", "iris-model"]
    make_wheels([ROOT, ROOT / "examples" / "iris_model"], names, reader.wheels)
    reader.run(MAKE_ENVIRONMENT)
    script = ROOT / "examples" / "make_iris_data.py"
    subprocess.run([sys.executable, script, reader.folder / "irises"], check=True)
    reader.run(f"hadoop fs -put irises {HOME}/irises")
    for text in blocks(README, "python"):
        if name := re.match(r"# (\w+\.py)\n", text):
            (reader.folder / name[1]).write_text(text)
    return reader


@pytest.fixture(scope="module")
def own_jobs(reader: Reader) -> Iterator[dict[str, Future[Ended]]]:
    """The README's, which run while the page's own command does."""
    (first, *_) = (reader.folder / "irises" / "jsonl" / "irises-0.jsonl").read_text().splitlines()
    (reader.folder / "returns.jsonl").write_text(
        first.replace(", ", ",\r ", 1) + '\r\n{"id": 1000}\r\n'
    )
    flags = shlex.join(ENVIRONMENT)
    counted = f"-r hadoop --model iris --max-errors 5% --keep-predictions {flags}"
    with ThreadPoolExecutor(2) as threads:
        yield {
            "count": threads.submit(
                reader.run,
                f"python count_species.py {counted} --output-dir {HOME}/counted"
                f" {HOME}/irises/jsonl/",
            ),
            "probable": threads.submit(
                reader.run,
                f"hadoop fs -put returns.jsonl {HOME}/returns.jsonl &&"
                f" python probable_species.py -r hadoop {flags} --output-dir {HOME}/probable"
                f" -D mapreduce.job.maps=4 {HOME}/irises/jsonl/*.jsonl {HOME}/returns.jsonl",
            ),
        }


def test_the_page_s_commands_score_on_nodes_that_have_nothing(
    reader: Reader, scoring: Scoring, hadoop: Cluster, own_jobs: object
) -> None:
    bare = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    look = ["python3", "-c", "import model_dofns"]
    found = subprocess.run(look, env=bare, cwd="/", capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError: No module named 'model_dofns'" in found.stderr

    environments: list[bytes] = []
    with reader.started(LAUNCH) as process:
        for _ in while_running(process, 200):
            for mapper in hadoop.processes("mapper"):
                if not mapper.command[0]:  # it ends as one looks
                    continue
                assert mapper.command[0].endswith("env/bin/python")
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                    environments.append(Path(f"/proc/{mapper.process.pid}/environ").read_bytes())
        ended = end(process)
    assert ended.exit_code == 0, ended.err
    assert environments
    assert not any(str(ROOT).encode() in environment for environment in environments)
    out = scoring.fetch(f"{HOME}/scored")
    assert assert_whole(out).records["scored"] == 150
    expected = scored_directly(reader.folder / "irises" / "jsonl", "jsonl", IRIS)
    assert read_result(out).predictions == expected.predictions


def pairs_of(folder: Path) -> dict[str, Any]:
    lines = [line for part in folder.glob("part-*") for line in part.read_text().splitlines()]
    pairs = {json.loads(key): json.loads(value) for key, value in map(_split, lines)}
    assert len(pairs) == len(lines)
    return pairs


def _split(line: str) -> tuple[str, str]:
    key, _, value = line.partition("\t")
    return key, value


def test_a_job_of_one_s_own_counts_and_keeps_what_it_counts(
    reader: Reader, scoring: Scoring, own_jobs: dict[str, Future[Ended]]
) -> None:
    own_jobs["count"].result()
    out = scoring.fetch(f"{HOME}/counted")
    expected = scored_directly(reader.folder / "irises" / "jsonl", "jsonl", IRIS).predictions
    species = Counter(json.loads(line)["prediction"]["species"] for line in expected)
    assert pairs_of(out) == species
    kept = [part.read_text().splitlines() for part in (out / "_predictions").glob("part-*")]
    assert Counter(line for lines in kept for line in lines) == expected
    manifest = json.loads((out / "_manifest.json").read_text())
    assert manifest["records"]["scored"] == 150
    assert sum(manifest["records"]["rejected"].values()) == 5
    assert len(list((out / "_rejects").iterdir())) == len(manifest["rejects"]) > 0


def test_a_job_that_reads_its_own_input_gets_lines_as_streaming_cuts_them(
    reader: Reader, scoring: Scoring, own_jobs: dict[str, Future[Ended]]
) -> None:
    ended = own_jobs["probable"].result()
    assert int(re.findall(r"Launched map tasks=(\d+)", ended.err)[0]) >= 4
    found = pairs_of(scoring.fetch(f"{HOME}/probable"))
    result = scored_directly(reader.folder / "irises" / "jsonl", "jsonl", IRIS)
    predictions = [json.loads(line)["prediction"] for line in result.predictions]
    expected = Counter(each["species"] for each in predictions)
    expected.update(f"rejected at {json.loads(line)['stage']}" for line in result.rejects)
    # Elsewhere the carriage return in a record is white space; Hadoop ends a line there.
    expected["rejected at decode"] += 2
    expected["rejected at validate"] += 1
    assert {key: value["records"] for key, value in found.items()} == expected
