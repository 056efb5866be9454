"""The job as a graph: for pipelines of one's own, and its last stage."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.metrics import MetricsFilter
from apache_beam.testing.test_pipeline import TestPipeline as CheckedPipeline
from apache_beam.testing.util import assert_that, equal_to
from job_runs import (
    DATA_FORMATS,
    EVERY_STAGE,
    PLAIN,
    contents,
    read_manifest,
    read_result,
    scored_directly,
    snapshot,
)

from beam_jobs.score import Job, build, parse_args, plan
from model_dofns import MLModel, ModelSpec, ScoringError
from model_dofns.dofns import ScoredRecords
from model_dofns.formats.base import Block
from model_dofns.jobs.accounts import Account, write_manifests
from model_dofns.manifest import OutputFile
from model_dofns.model_spec import ModelMetadata

# In a runner's UI.
STAGES = [
    "Input files",
    "Cut into ranges",
    "Spread over workers",
    "Read blocks",
    "Bad files",
    "Score",
    "Write predictions",
    "Write rejects",
    "Records by file",
    "Models",
    "All that was done",
    "Sum by model",
    "When all is written",
    "Commit",
]


def planned(data: Path, out: Path, *more: str, model: str = EVERY_STAGE) -> Job:
    words = ["--model", model, "--input", str(data), "--output", str(out), *more]
    return plan(parse_args(words), "FnApiRunner")


@pytest.mark.parametrize("format_name", DATA_FORMATS)
def test_planning_and_building_write_and_run_nothing(
    format_name: str, data: Path, tmp_path: Path
) -> None:
    before = snapshot(data)
    pipeline = beam.Pipeline(runner="FnApiRunner")
    build(pipeline, planned(data / format_name, tmp_path / "out"))
    assert contents(tmp_path) == set()
    assert snapshot(data) == before


def test_building_does_not_load_the_model(data: Path, tmp_path: Path) -> None:
    job = planned(data / "jsonl", tmp_path / "out", "--no_preflight", model="nowhere:Model")
    build(beam.Pipeline(runner="FnApiRunner"), job)


def test_stages_have_names_for_people(data: Path, tmp_path: Path) -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    build(pipeline, planned(data / "jsonl", tmp_path / "out"))
    graph = pipeline.to_runner_api()
    (top,) = graph.root_transform_ids
    stages = graph.components.transforms[top].subtransforms
    assert [graph.components.transforms[stage].unique_name for stage in stages] == STAGES


def test_blocks_are_weighed_without_pickling_them(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one process, what passes between two stages that a runner has fused."""
    weighed, coder = [], type(beam.coders.registry.get_coder(Block))

    def weigh(_: Any, element: Block | ScoredRecords) -> int:
        weighed.append(type(element))
        return element.nbytes

    monkeypatch.setattr(coder, "estimate_size", weigh)
    monkeypatch.delattr(coder, "encode")
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        build(pipeline, planned(data / "jsonl", tmp_path / "out"))
    assert set(weighed) == {Block, ScoredRecords}


def test_a_job_in_a_pipeline_of_ones_own(data: Path, tmp_path: Path) -> None:
    job = planned(data / "parquet", tmp_path / "out", "--max_errors", "50%")
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        assert_that(build(pipeline, job), equal_to(["done"]))
    assert read_result(tmp_path / "out") == scored_directly(data / "parquet", "parquet")
    manifest = read_manifest(tmp_path / "out")
    assert manifest.records["read"] == sum(file.records for file in manifest.inputs) > 0


class Scoring(beam.PTransform):
    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        return build(root, self.job)


def test_two_jobs_in_one_pipeline(data: Path, tmp_path: Path) -> None:
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        for name in DATA_FORMATS:
            job = planned(data / name, tmp_path / name, "--max_errors", "50%")
            status = pipeline | f"Score {name}" >> Scoring(job)
            assert_that(status, equal_to(["done"]), label=f"Done {name}")
    for name in DATA_FORMATS:
        assert read_result(tmp_path / name) == scored_directly(data / name, name)


def counters_of(pipeline: beam.Pipeline) -> dict[str, int]:
    result = pipeline.run()
    result.wait_until_finish()
    counters = result.metrics().query(MetricsFilter().with_namespace("model_dofns"))["counters"]
    return {counter.key.metric.name: counter.committed for counter in counters}


def test_counters_say_what_the_manifest_says(data: Path, tmp_path: Path) -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    build(pipeline, planned(data / "jsonl", tmp_path / "out"))
    counted = counters_of(pipeline)
    records = read_manifest(tmp_path / "out").records
    assert counted.pop("records_read") == records["read"]
    assert counted.pop("records_scored") == records["scored"]
    assert counted.pop("batches_scored") > 0
    assert counted.pop("predict_milliseconds") >= 0
    inputs = read_manifest(tmp_path / "out").inputs
    assert counted.pop("bytes_read") == sum(file.bytes for file in inputs)
    assert counted.pop("files_read") == len(inputs) == 4
    counted.pop("model_load_milliseconds", None)
    assert counted == {f"records_rejected_{k}": v for k, v in records["rejected"].items()}


def test_the_time_that_loading_takes_is_counted(data: Path, tmp_path: Path) -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    model = "worker_models:HeavyModel"
    build(pipeline, planned(data / "jsonl", tmp_path / "out", "--no_preflight", model=model))
    assert counters_of(pipeline)["model_load_milliseconds"] >= 100


# --- the last stage ---


def metadata(version: str = "1.2.3") -> ModelMetadata:
    model: MLModel = ModelSpec(PLAIN).load()
    return dataclasses.replace(ModelMetadata.of(model), version=version)


def last_stage(job: Job, *, scored: int = 5, rejected: int = 2, versions: tuple[str, ...]) -> str:
    """The last stage after seven records were read."""
    account = Account(
        job.targets[0],
        [OutputFile(f"{job.folder.path}/part-0", {"scored": scored}, 10)],
        [OutputFile(f"{job.folder.path}/_rejects/part-0", {"predict": rejected}, 10)],
        {job.files[0].path: 7},
        [metadata(version) for version in versions],
    )
    (manifest,) = write_manifests(job, [account], {})
    return manifest.status


def test_the_last_stage_may_be_tried_again(data: Path, tmp_path: Path) -> None:
    job = planned(data / "jsonl", tmp_path / "out", model=PLAIN)
    tries = []
    for _ in range(2):
        assert last_stage(job, versions=("1.2.3", "1.2.3")) == "too_many_errors"
        assert contents(tmp_path / "out") == {"_manifest.json"}
        tries.append(json.loads((tmp_path / "out/_manifest.json").read_text()) | {"ended": ""})
    assert tries[0] == tries[1]


@pytest.mark.parametrize(
    ("preflight", "versions", "found"),
    [
        ((), ("1.2.4",), ("1.2.3", "1.2.4")),
        ((), ("1.2.3", "2.0.0"), ("1.2.3", "2.0.0")),
        (("--no_preflight",), ("1.0.0", "1.0.1"), ("1.0.0", "1.0.1")),
    ],
    ids=["launcher and worker", "launcher and one worker", "two workers"],
)
def test_different_versions_of_the_model_fail_the_job(
    preflight: tuple[str, ...],
    versions: tuple[str, ...],
    found: tuple[str, str],
    data: Path,
    tmp_path: Path,
) -> None:
    job = planned(data / "jsonl", tmp_path / "out", *preflight, model=PLAIN)
    with pytest.raises(ScoringError, match=f"plain {found[0]}, plain {found[1]}"):
        last_stage(job, versions=versions)
    assert contents(tmp_path) == set()


@pytest.mark.parametrize(("scored", "rejected"), [(4, 2), (5, 3), (6, 2), (0, 0)])
def test_a_record_lost_or_twice_fails_the_job(
    scored: int, rejected: int, data: Path, tmp_path: Path
) -> None:
    job = planned(data / "jsonl", tmp_path / "out", model=PLAIN)
    with pytest.raises(ScoringError, match=f"7 records were read, but {scored} were scored and"):
        last_stage(job, scored=scored, rejected=rejected, versions=("1.2.3",))
    assert contents(tmp_path) == set()
