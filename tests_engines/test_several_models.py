"""Several models in one pass: each folder is what the model alone would have given."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from job_runs import (
    DATA_FORMATS,
    EVERY_STAGE,
    PLAIN,
    Ended,
    assert_not_whole,
    assert_whole,
    contents,
    read_manifest,
    read_result,
    record,
    records,
    scored_directly,
    snapshot,
    write_lines,
    write_rows,
)
from parity import Table, written
from several import APART, BOTH, CROSSINGS, HERE, Engine, in_small_ranges, models_file

from beam_jobs.score import build, parse_args, plan
from model_dofns.formats.base import Block
from model_dofns.jobs.reading import BlockReader
from model_dofns.manifest import OutputFile

Run = Callable[..., Ended]

# One whose rows are decided by the column; one that judges each alone; one that reads all of a
# record; one that reads nothing of it; one that rejects at every stage.
MODELS = {
    "plain": PLAIN,
    "judged": "models:JudgedModel",
    "forbidding": "models:ForbiddingModel",
    "idle": "models:IdleModel",
    "every-stage": EVERY_STAGE,
}

# --- the same as alone ---


@BOTH
@pytest.mark.parametrize(("format_name", "into"), CROSSINGS)
def test_hostile_files_give_each_model_what_it_gives_alone(
    format_name: str,
    into: str,
    engine: Engine,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = dict(MODELS)
    if into == "parquet":
        del models["idle"]  # which takes text that is no UTF-8, and Python cannot read back
    tables = {name: Table(format_name, into, path) for name, path in models.items()}
    files, out = tables["plain"].write(tmp_path / "hostile files"), tmp_path / "out"
    expected = {name: table.expected(files) for name, table in tables.items()}
    in_small_ranges(monkeypatch)

    flags = ("--models", models_file(tmp_path, **models), *tables["plain"].flags[2:])
    ended = run(engine, *flags, files=files, out=out)

    assert ended.exit_code == 0, ended.err
    assert {path.name for path in out.iterdir()} == set(models)
    for name in models:
        assert written(out / name) == expected[name], name
    assert len({read_manifest(out / name).records["read"] for name in models}) == 1
    assert len({len(each.rejects) for each in expected.values()}) > 2  # they do not do the same


@pytest.mark.parametrize("engine", APART.values(), ids=APART)
@pytest.mark.parametrize("format_name", DATA_FORMATS)
def test_worker_processes_hold_all_models(
    engine: Engine, format_name: str, data: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out"
    flags = ("--model", PLAIN, "--model", EVERY_STAGE, "--max_errors", "60%")
    ended = run(engine, *flags, files=data / format_name, out=out)
    assert ended.exit_code == 0, ended.err
    for name, model in (("PlainModel", PLAIN), ("EveryStageModel", EVERY_STAGE)):
        assert assert_whole(out / name).model["class"] == model
        assert read_result(out / name) == scored_directly(data / format_name, format_name, model)
        assert len(read_manifest(out / name).outputs) >= 2


@BOTH
def test_columns_that_other_models_need_are_not_there(
    engine: Engine, tmp_path: Path, run: Run
) -> None:
    """Of Parquet only what is needed is read, for all models at once; a reject shows its own."""
    bad = {"x": "no number"}
    write_rows(tmp_path / "in" / "a.parquet", [record(n, **bad, text="a") for n in range(3)])
    write_rows(tmp_path / "in" / "b.parquet", [{"other": 1, "count": n, "id": n} for n in range(3)])
    write_rows(tmp_path / "in" / "c.parquet", [{"other": 1}])
    models = {"plain": PLAIN, "cells": "models:CellsModel", "idle": "models:IdleModel"}
    flags = ("--keep_fields", "none", "--max_errors", "100%", "--output_format", "jsonl")
    for name, path in models.items():
        alone = ("--model", path, *flags)
        ended = run(engine, *alone, files=tmp_path / "in", out=tmp_path / "alone" / name)
        assert ended.exit_code == 0, ended.err
    together = [word for path in models.values() for word in ("--model", path)]
    ended = run(engine, *together, *flags, files=tmp_path / "in", out=tmp_path / "out")
    assert ended.exit_code == 0, ended.err
    for name, folder in (("plain", "PlainModel"), ("cells", "CellsModel"), ("idle", "IdleModel")):
        result = read_result(tmp_path / "out" / folder)
        assert result == read_result(tmp_path / "alone" / name)
    rejects = read_result(tmp_path / "out" / "PlainModel").rejects
    shown = {frozenset(json.loads(json.loads(text)["input"])) for text in rejects}
    assert shown == {frozenset({"x", "n", "colour", "name"}), frozenset({"other"})}


# --- one reading ---


@BOTH
def test_each_block_is_read_once(
    engine: Engine, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_ranges(monkeypatch)
    write_lines(tmp_path / "in" / "a.jsonl", records(50))
    write_lines(tmp_path / "in" / "b.jsonl", records(50, 50))
    read: list[tuple[str, int]] = []
    blocks_of = BlockReader._blocks

    def counted(reader: BlockReader, element: Any) -> Iterator[tuple[Block, int]]:
        for block, size in blocks_of(reader, element):
            read.append((block.path, block.position))
            yield block, size

    monkeypatch.setattr(BlockReader, "_blocks", counted)
    flags = [word for model in MODELS.values() for word in ("--model", model)]
    ended = run(engine, *flags, "--max_errors", "100%", files=tmp_path / "in", out=tmp_path / "out")
    assert ended.exit_code == 0, ended.err
    assert len(read) == len(set(read)) > 10
    for path in MODELS.values():
        assert read_manifest(tmp_path / "out" / path.partition(":")[2]).records["read"] == 100


def test_stages_of_a_pipeline_name_their_model(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", records(3))
    words = ["--model", PLAIN, "--model", EVERY_STAGE]
    words += ["--input", str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "out")]
    pipeline = beam.Pipeline(runner="FnApiRunner")
    build(pipeline, plan(parse_args(words), "FnApiRunner"))
    graph = pipeline.to_runner_api()
    (top,) = graph.root_transform_ids
    stages = graph.components.transforms[top].subtransforms
    names = [graph.components.transforms[stage].unique_name for stage in stages]
    assert names.count("Read blocks") == 1
    own = ["Score", "Write predictions", "Write rejects", "Records by file", "Models"]
    for model in ("PlainModel", "EveryStageModel"):
        assert [name for name in names if name.endswith(f": {model}")] == [
            f"{stage}: {model}" for stage in own
        ]
    assert contents(tmp_path) == {"a.jsonl"}


@BOTH
def test_limits_shards_and_bad_files_are_those_of_each_model(
    engine: Engine, tmp_path: Path, run: Run
) -> None:
    write_lines(tmp_path / "in" / "a.jsonl", [*records(5), record(5, x=13.0), *records(20, 6)])
    (tmp_path / "in" / "0.jsonl.gz").write_bytes(b"not gzip")
    out = tmp_path / "out"
    flags = ("--model", PLAIN, "--model", EVERY_STAGE, "--skip_bad_files", "--max_errors", 1)
    more = ("--limit", 10, "--num_shards", 1, "--with_version")
    ended = run(engine, *flags, *more, files=tmp_path / "in", out=out)
    assert ended.exit_code == 0, ended.err
    for name, rejected in (("PlainModel", {}), ("EveryStageModel", {"predict": 1})):
        manifest = assert_whole(out / name)
        assert manifest.records == {
            "read": 10,
            "scored": 10 - sum(rejected.values()),
            "rejected": rejected,
        }
        assert [bool(file.error) for file in manifest.inputs] == [True, False]
        assert {reason.stage for reason in manifest.reasons} == {*rejected, "read"}


# --- names and folders ---


@BOTH
def test_a_models_file_alone_gives_all_of_its_models(
    engine: Engine, tmp_path: Path, run: Run
) -> None:
    given = write_lines(tmp_path / "a.jsonl", records(3))
    file = models_file(tmp_path, one=PLAIN, two=PLAIN)
    ended = run(engine, "--models", file, files=given, out=tmp_path / "out")
    assert ended.exit_code == 0, ended.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"one", "two"}
    assert read_manifest(tmp_path / "out/one").options["model"] == []
    models_file(tmp_path, one=PLAIN)  # of one, too: another one may be added any day
    ended = run(engine, "--models", file, files=given, out=tmp_path / "of one")
    assert {path.name for path in (tmp_path / "of one").iterdir()} == {"one"}


@BOTH
def test_one_model_has_the_output_for_itself(engine: Engine, tmp_path: Path, run: Run) -> None:
    given = write_lines(tmp_path / "a.jsonl", records(3))
    file = models_file(tmp_path, one=PLAIN, two=PLAIN)
    flags = ("--models", file, "--model", "one")
    assert run(engine, *flags, files=given, out=tmp_path / "out").exit_code == 0
    assert assert_whole(tmp_path / "out").options["model"] == "one"


UNFIT = {
    "the same twice": (["--model", PLAIN, "--model", PLAIN], "'PlainModel' and 'PlainModel'"),
    "two classes of a name": (
        ["--model", "models:FailingModel", "--model", "attempt_models:FailingModel"],
        "in a models file",
    ),
    "a hidden one": (["--models", "hidden.yaml"], "'_one' cannot have a folder"),
    "one that is a path": (["--models", "path.yaml"], "'a/b' cannot have a folder"),
    "one that is a field": (["--models", "field.yaml"], "'a=b' cannot have a folder"),
    "one of part files": (["--models", "part.yaml"], "'part-1' cannot have a folder"),
    "two that may be one folder": (["--models", "case.yaml"], "'One' and 'one'"),
    "none": ([], "--model is required"),
}


@BOTH
@pytest.mark.parametrize(("flags", "hint"), UNFIT.values(), ids=UNFIT)
def test_names_that_make_no_folder_are_usage(
    flags: list[str],
    hint: str,
    engine: Engine,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, entries in {
        "hidden": ["_one"], "path": ["a/b"], "field": ["a=b"], "part": ["part-1"],
        "case": ["One", "one"],
    }.items():  # fmt: skip
        models_file(tmp_path, **dict.fromkeys(entries, PLAIN)).rename(f"{name}.yaml")
    given = write_lines(tmp_path / "a.jsonl", records(3))
    before = snapshot(tmp_path)
    ended = run(engine, *flags, files=given, out=tmp_path / "out")
    assert ended.exit_code == 2, ended.err
    assert hint in ended.err
    assert snapshot(tmp_path) == before


@BOTH
def test_where_one_folder_cannot_be_used_nothing_starts(
    engine: Engine, tmp_path: Path, run: Run
) -> None:
    given, out = write_lines(tmp_path / "a.jsonl", records(3)), tmp_path / "out"
    flags = ("--model", PLAIN, "--model", EVERY_STAGE)
    assert run(engine, "--model", PLAIN, files=given, out=out / "PlainModel").exit_code == 0
    (out / "EveryStageModel").mkdir()
    (out / "EveryStageModel" / "notes.txt").write_text("mine")
    before = snapshot(tmp_path)
    for more in ((), ("--overwrite",), ("--plan",), ("--overwrite", "--plan")):
        ended = run(engine, *flags, *more, files=given, out=out)
        assert (ended.exit_code, ended.out) == (4, "")
        assert snapshot(tmp_path) == before
    (out / "EveryStageModel" / "notes.txt").unlink()
    assert run(engine, *flags, "--overwrite", files=given, out=out).exit_code == 0
    assert contents(out) == {
        f"{name}{below}"
        for name in ("PlainModel", "EveryStageModel")
        for below in ("", "/_job.json", "/_manifest.json", "/part-00000-of-00001.jsonl")
    }


@BOTH
def test_no_input_is_read_from_among_the_folders(engine: Engine, tmp_path: Path, run: Run) -> None:
    """Or the next run would read what this one writes."""
    write_lines(tmp_path / "in" / "a.jsonl", records(3))
    before = snapshot(tmp_path)
    flags = ("--model", PLAIN, "--model", EVERY_STAGE)
    ended = run(engine, *flags, files=tmp_path / "in", out=tmp_path / "in")
    assert ended.exit_code == 4
    assert "is in the output folder" in ended.err
    assert snapshot(tmp_path) == before


@BOTH
def test_a_folder_that_turns_out_not_to_be_writable_starts_nothing(
    engine: Engine, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model_dofns.jobs.output_folder import OutputFolder

    given, out = write_lines(tmp_path / "a.jsonl", records(3)), tmp_path / "out"
    write_job = OutputFolder._write_job

    def full(folder: OutputFolder, facts: dict[str, str]) -> None:
        if folder.path.endswith("PlainModel"):  # the other one is ready by then
            raise OSError("the disk is full")
        write_job(folder, facts)

    monkeypatch.setattr(OutputFolder, "_write_job", full)
    ended = run(engine, "--model", PLAIN, "--model", EVERY_STAGE, files=given, out=out)
    assert ended.exit_code == 4
    assert "the disk is full" in ended.err
    assert_not_whole(out / "EveryStageModel", "failed")
    assert contents(out / "PlainModel") == set()


# --- how it ends ---


@BOTH
def test_too_many_rejects_of_one_model_are_exit_code_3(
    engine: Engine, tmp_path: Path, run: Run
) -> None:
    given = write_lines(tmp_path / "a.jsonl", [*records(5), record(5, x=13.0)])
    out = tmp_path / "out"
    ended = run(engine, "--model", PLAIN, "--model", EVERY_STAGE, files=given, out=out)
    assert ended.exit_code == 3
    assert f"see {out}/EveryStageModel/_rejects" in ended.err
    assert f"{out}/PlainModel/_rejects" not in ended.err
    assert assert_whole(out / "PlainModel").status == "done"
    assert assert_whole(out / "EveryStageModel").status == "too_many_errors"
    lines = [line.split()[:3] for line in ended.out.splitlines()]
    assert [line[1] for line in lines if line[:1] == ["model"]] == ["PlainModel", "EveryStageModel"]
    assert [line[1] for line in lines if line[:1] == ["scored"]] == ["6", "5"]
    assert [line[1] for line in lines if line[:1] == ["predictions"]] == [
        f"{out}/PlainModel", f"{out}/EveryStageModel"
    ]  # fmt: skip


@BOTH
def test_a_model_that_fails_the_job_fails_all(engine: Engine, tmp_path: Path, run: Run) -> None:
    given = write_lines(tmp_path / "a.jsonl", records(2_000))
    out = tmp_path / "out"
    flags = ("--model", PLAIN, "--model", "models:FailingModel")
    ended = run(engine, *flags, files=given, out=out)
    assert ended.exit_code == 1
    assert re.search(r"output folders .*/PlainModel, .*/FailingModel are not whole", ended.err)
    for name in ("PlainModel", "FailingModel"):
        assert_not_whole(out / name, "failed")
    assert {path.name for path in out.iterdir()} == {"PlainModel", "FailingModel"}
    flags = ("--model", PLAIN, "--model", EVERY_STAGE, "--overwrite")
    assert run(engine, *flags, files=given, out=out).exit_code == 3  # scores above 100
    assert assert_whole(out / "PlainModel").records["scored"] == 2_000


@BOTH
def test_a_sum_that_is_wrong_at_one_model_leaves_no_manifest(
    engine: Engine, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model_dofns.jobs import accounts

    def one_less(read: int, scored: int, rejects: tuple[OutputFile, ...]) -> Any:
        return sum_of(read - (scored < 6), scored, rejects)  # of the second model

    sum_of = accounts.sum_of_records
    monkeypatch.setattr(accounts, "sum_of_records", one_less)
    given = write_lines(tmp_path / "a.jsonl", [*records(5), record(5, x=13.0)])
    out = tmp_path / "out"
    flags = ("--model", PLAIN, "--model", EVERY_STAGE, "--max_errors", 1)
    ended = run(engine, *flags, files=given, out=out)
    assert ended.exit_code == 1
    assert "5 records were read, but 5 were scored and 1" in ended.err
    for name in ("PlainModel", "EveryStageModel"):
        assert_not_whole(out / name, "failed")


@BOTH
def test_a_version_is_expected_of_each_model(engine: Engine, tmp_path: Path, run: Run) -> None:
    given = write_lines(tmp_path / "a.jsonl", records(3))
    flags = ("--model", PLAIN, "--model", EVERY_STAGE, "--expect_version", ">=2")
    ended = run(engine, *flags, files=given, out=tmp_path / "out")
    assert ended.exit_code == 4
    assert contents(tmp_path) == {"a.jsonl"}


def test_a_job_of_ones_own_takes_one_model(tmp_path: Path, capsys: Any) -> None:
    from mapreduce_jobs.score import ScoreJob

    class Own(ScoreJob):
        def key_values(self, record: Any, prediction: Any) -> Any:
            yield 1, 1

    given = write_lines(tmp_path / "a.jsonl", records(3))
    words = ["--model", PLAIN, "--model", EVERY_STAGE, "--output-dir", str(tmp_path / "out")]
    assert Own.main([*words, str(given)]) == 2
    assert "Own has key_values of its own" in capsys.readouterr().err


# --- said before ---


@BOTH
def test_a_plan_says_what_each_model_would_do_and_what_all_weigh(
    engine: Engine, tmp_path: Path, run: Run
) -> None:
    given = write_lines(tmp_path / "a.jsonl", [*records(5), record(5, x=13.0)])
    out = tmp_path / "out"
    flags = ("--model", PLAIN, "--model", EVERY_STAGE, "--plan")
    ended = run(engine, *flags, files=given, out=out)
    assert ended.exit_code == 0, ended.err
    assert contents(tmp_path) == {"a.jsonl"}
    assert "\nmemory          each worker process holds 2 models at once\n" in ended.out
    assert re.search(
        r"^ {16}loading took about \d+ MB here, libraries included: PlainModel \d+ MB,"
        r" EveryStageModel \d+ MB$",
        ended.out,
        re.MULTILINE,
    )
    of_each = ended.out.split("scored with     ")[1:]
    assert [text.splitlines()[0] for text in of_each] == ["PlainModel", "EveryStageModel"]
    assert "6 would be scored" in of_each[0]
    assert "5 would be scored, and 1 rejected" in of_each[1]
    for text, name in zip(of_each, ("PlainModel", "EveryStageModel"), strict=True):
        assert f"output          {out}/{name}\n" in text


def test_a_plan_says_what_loading_took(tmp_path: Path, run: Run) -> None:
    given = write_lines(tmp_path / "a.jsonl", records(3))
    flags = ("--model", "models:BulkyModel", "--plan")
    ended = run(HERE["Beam"], *flags, files=given, out=tmp_path / "out")
    took = re.search(r"loading took about ([\d,]+) MB here, libraries included$", ended.out, re.M)
    assert took, ended.out + ended.err
    assert 190 <= int(took[1]) <= 260
    ended = run(HERE["Beam"], *flags, "--no_preflight", files=given, out=tmp_path / "out")
    assert "what that takes is not known" in ended.out


@BOTH
def test_one_model_is_not_put_beside_the_folders_of_several(
    engine: Engine, tmp_path: Path, run: Run
) -> None:
    given, out = tmp_path / "a.jsonl", tmp_path / "out"
    write_lines(given, records(3))
    several = ("--model", PLAIN, "--model", "models:JudgedModel", "--model_field", "colour")
    assert run(engine, *several, "--max_errors", "100%", files=given, out=out).exit_code == 0
    before = snapshot(out)
    for more in (("--overwrite",), ("--overwrite", "--plan")):
        ended = run(engine, "--model", PLAIN, *more, files=given, out=out)
        assert ended.exit_code == 4
        assert "has folders of several models: JudgedModel, PlainModel" in ended.err
    assert snapshot(out) == before


@BOTH
def test_what_a_killed_job_left_above_the_folders_goes(
    engine: Engine, tmp_path: Path, run: Run
) -> None:
    given, out = tmp_path / "a.jsonl", tmp_path / "out"
    write_lines(given, records(3))
    several = ("--model", PLAIN, "--model", "models:JudgedModel")
    assert run(engine, *several, files=given, out=out).exit_code == 0
    (out / "_temporary/killed").mkdir(parents=True)
    (out / "_temporary/killed/plan").write_text("a secret")
    assert run(engine, *several, "--overwrite", files=given, out=out).exit_code == 0
    assert not (out / "_temporary").exists()
