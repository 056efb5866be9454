"""Records that name the one of several models that is to score them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_runs import (
    EVERY_STAGE,
    PLAIN,
    Ended,
    assert_not_whole,
    contents,
    read_manifest,
    read_result,
    record,
    records,
    snapshot,
    write_lines,
)
from parity import Outcome, Table, lines, text, written
from several import APART, BOTH, CROSSINGS, Engine, in_small_ranges, models_file

from model_dofns import Scorer
from model_dofns.exceptions import UnreadableFileError
from model_dofns.formats.base import Block, Layout, Range
from model_dofns.model_spec import ModelSpec
from model_dofns.scorer import Scored

Run = Callable[..., Ended]

BY_COLOUR = {"red": PLAIN, "green": "models:JudgedModel", "blue": EVERY_STAGE}


def assert_accounts(out: Path, names: Sequence[str]) -> None:
    """Each folder accounts for its records, and the one above for all."""
    top = read_manifest(out)
    read, scored, rejected = 0, 0, Counter[str]()
    for name in names:
        manifest = read_manifest(out / name)
        assert manifest.job == top.job
        own = manifest.records
        assert own["read"] == own["scored"] + sum(own["rejected"].values())
        assert own["read"] == sum(file.records for file in manifest.inputs)
        assert own["rejected"].keys().isdisjoint({"route"})
        read, scored = read + own["read"], scored + own["scored"]
        rejected += Counter(own["rejected"])
    unnamed = Counter(json.loads(line)["stage"] for line in read_result(out).rejects.elements())
    del unnamed["read"]  # files
    assert set(unnamed) <= {"decode", "route"}
    assert top.records["read"] == read + unnamed.total()
    assert top.records["read"] == sum(file.records for file in top.inputs)
    assert top.records["scored"] == scored
    assert top.records["rejected"] == dict(rejected + unnamed)
    folders = [out, *(out / name for name in names)]
    files = {path for folder in folders for path in folder.glob("part-*")}
    assert {Path(file.path) for file in top.outputs} == files
    files = {path for folder in folders for path in folder.glob("_rejects/part-*")}
    assert {Path(file.path) for file in top.rejects} == files
    assert list(out.glob("part-*")) == []


def name_of(record: Any, field: str) -> str | None:
    """The model that a record names; None where it names none that there may be."""
    value = record.get(field) if isinstance(record, Mapping) else None
    return value if isinstance(value, str) else None


def expected(table: Table, files: Path, field: str, name: str) -> Outcome:
    """What becomes of the records that name a model, each looked at alone, without any engine."""
    spec = ModelSpec(table.model)
    settled = table._settled(sorted(files.iterdir()))
    scorer = Scorer(spec, settled.layout, formats=settled.formats)
    format_, outcome = settled.formats[table.format], Outcome(Counter(), Counter(), Counter())
    limit = settled.layout.max_record_bytes

    def add(block: Block) -> None:
        alone = Layout(frozenset([field]), keep_fields=(), max_record_bytes=limit)
        plainly = format_.records(block, alone)
        names = [name_of(each, field) for each in plainly.parse(range(len(plainly)))]
        own = scorer.records(block)
        scored = scorer.score_records(own, block.format, block.path)
        for row, reject in zip(scored.rejected, scored.rejects, strict=True):
            if names[row] == name:
                outcome.rejects[text(reject)] += 1
        for index, row in enumerate(scored.rows.tolist()):
            if names[row] == name:
                one = Scored(
                    scored.rows[index : index + 1], scored.predictions.slice(index, 1), [], [], {}
                )
                outcome.predictions.update(lines(scorer.written(block, own, one)))

    for file in settled.files:
        with open(file.path, "rb") as data:
            whole = Range(file.path, 0, sys.maxsize)
            try:
                for block in format_.read_blocks(data, whole, max_record_bytes=limit):
                    add(block)
            except UnreadableFileError:
                continue
    return outcome


@BOTH
@pytest.mark.parametrize(("format_name", "into"), CROSSINGS)
def test_hostile_files_give_each_model_what_names_it(
    format_name: str,
    into: str,
    engine: Engine,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables = {name: Table(format_name, into, path) for name, path in BY_COLOUR.items()}
    files, out = tables["red"].write(tmp_path / "hostile files"), tmp_path / "out"
    in_small_ranges(monkeypatch)
    flags = ("--models", models_file(tmp_path, **BY_COLOUR), "--model_field", "colour")

    ended = run(engine, *flags, *tables["red"].flags[2:], files=files, out=out)

    assert ended.exit_code == 0, ended.err
    assert_accounts(out, list(BY_COLOUR))
    for name, table in tables.items():
        assert written(out / name) == expected(table, files, "colour", name), name
    alone = tables["red"].expected(files)
    top = written(out)
    assert top.unreadable == alone.unreadable
    assert read_manifest(out).records["read"] == sum(
        file.records for file in read_manifest(out).inputs
    )
    # What cannot be decoded says why as it would alone, but for the model, which is not known.
    decoded = [json.loads(reject) for reject in alone.rejects.elements()]
    own = {"model": None, "version": None}
    as_alone = Counter(json.dumps({**each, **own}) for each in decoded if each["stage"] == "decode")
    unnamed = [json.loads(reject) for reject in top.rejects.elements()]
    undecoded = Counter(json.dumps(each) for each in unnamed if each["stage"] == "decode")
    assert bool(undecoded) == (format_name != "parquet")
    assert not undecoded - as_alone
    assert {each["error"] for each in unnamed if each["stage"] == "route"} == {"UnknownModel"}


@pytest.mark.parametrize("engine", APART.values(), ids=APART)
def test_worker_processes_route(engine: Engine, data: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    flags = ("--models", models_file(tmp_path, **BY_COLOUR), "--model_field", "colour")
    ended = run(engine, *flags, "--max_errors", "100%", files=data / "csv", out=out)
    assert ended.exit_code == 0, ended.err
    assert_accounts(out, list(BY_COLOUR))
    for name in BY_COLOUR:
        rows = [row.partition("\n")[2] for row in read_result(out / name).predictions]
        assert len(rows) > 5
        assert all(f",{name}," in row for row in rows)


# --- which model a record names ---

LONG = "e\u0301u" * 200
REGIONS = {"eu": PLAIN, "us": EVERY_STAGE}


def reasons(out: Path) -> list[tuple[str, str, int]]:
    """Of the records that name no model: stage, message and place."""
    rejects = [json.loads(line) for line in read_result(out).rejects.elements()]
    return sorted(
        (each["stage"], each["message"], each.get("row", each.get("offset"))) for each in rejects
    )


def ids(folder: Path) -> list[int]:
    found = [json.loads(line)["id"] for line in read_result(folder).predictions]
    return sorted(int(each) for each in found)


@pytest.fixture
def by_region(tmp_path: Path) -> tuple[object, ...]:
    file = models_file(tmp_path, **REGIONS)
    return ("--models", file, "--model_field", "region", "--output_format", "jsonl")


@BOTH
def test_what_names_no_model_is_a_reject_that_says_why(
    engine: Engine, by_region: Sequence[object], tmp_path: Path, run: Run
) -> None:
    good = [record(n, region=("eu", "us")[n % 2]) for n in range(4)]
    odd = [None, 7, ["eu"], "EU", LONG, 10**20]
    given = [*good, *(record(9, region=each) for each in odd), record(9), b"{bro"]
    file = write_lines(tmp_path / "in" / "a.jsonl", given)
    ended = run(engine, *by_region, "--max_errors", 8, files=tmp_path / "in", out=tmp_path / "out")
    assert ended.exit_code == 0, ended.err
    assert_accounts(tmp_path / "out", list(REGIONS))
    assert (ids(tmp_path / "out/eu"), ids(tmp_path / "out/us")) == ([0, 2], [1, 3])
    starts = [0]
    for line in file.read_bytes().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    messages = [
        ("decode", "Expecting property name enclosed in double quotes at character 1"),
        ("route", "region is null, and no model's name"),
        ("route", "region is of type int, and no model's name"),
        ("route", "region is of type list, and no model's name"),
        ("route", "region is 'EU', and the models are: eu, us"),
        ("route", f"region is {LONG!r:.100}, and the models are: eu, us"),
        ("route", "region is of type int, and no model's name"),
        ("route", "there is no field 'region', to name a model"),
    ]
    places = [starts[11], *starts[4:11]]
    assert reasons(tmp_path / "out") == sorted(
        (*each, place) for each, place in zip(messages, places, strict=True)
    )
    assert "rejected at route                7" in ended.out


@BOTH
def test_columns_of_parquet_name_models_by_any_type_of_text(
    engine: Engine, by_region: Sequence[object], tmp_path: Path, run: Run
) -> None:
    (tmp_path / "in").mkdir()
    plain = pa.Table.from_pylist(records(4))
    regions: dict[str, pa.Array] = {
        "a": pa.array(["eu", "us", None, "mars"]),
        "b": pa.array(["eu", "us", None, "mars"], pa.large_string()),
        "c": pa.array(["eu", "us", None, "mars"]).dictionary_encode(),
        "d": pa.array([1, 2, 3, 4]),
    }
    for name, column in regions.items():
        table = plain.append_column("region", column)
        pq.write_table(table, tmp_path / "in" / f"{name}.parquet", row_group_size=3)
    pq.write_table(plain, tmp_path / "in" / "e.parquet")
    flags = (*by_region, "--max_errors", 14)
    ended = run(engine, *flags, files=tmp_path / "in", out=tmp_path / "out")
    assert ended.exit_code == 0, ended.err
    assert_accounts(tmp_path / "out", list(REGIONS))
    assert (ids(tmp_path / "out/eu"), ids(tmp_path / "out/us")) == ([0], [1])
    assert read_result(tmp_path / "out/eu").predictions.total() == 3
    text_columns = [
        ("route", "region is null, and no model's name", 2),
        ("route", "region is 'mars', and the models are: eu, us", 3),
    ] * 3
    integers = [("route", "region is of type int, and no model's name", n) for n in range(4)]
    absent = [("route", "there is no field 'region', to name a model", n) for n in range(4)]
    assert reasons(tmp_path / "out") == sorted([*text_columns, *integers, *absent])


@BOTH
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_folders_name_models(suffix: str, engine: Engine, tmp_path: Path, run: Run) -> None:
    """Whatever the names look like: 2026 is no number here."""
    for number, name in enumerate(("2026", "2027", "2028")):
        rows, folder = records(3, 3 * number), tmp_path / "in" / f"region={name}"
        folder.mkdir(parents=True)
        if suffix == "jsonl":
            write_lines(folder / "a.jsonl", rows)
        elif suffix == "csv":
            names = ",".join(rows[0])
            text_ = [names, *(",".join(map(str, row.values())) for row in rows), ""]
            (folder / "a.csv").write_text("\n".join(text_))
        else:
            pq.write_table(pa.Table.from_pylist(rows), folder / "a.parquet")
    file = models_file(tmp_path, **{"2026": PLAIN, "2027": EVERY_STAGE})
    flags = ("--models", file, "--model_field", "region", "--output_format", "jsonl")
    ended = run(engine, *flags, "--max_errors", 3, files=tmp_path / "in", out=tmp_path / "out")
    assert ended.exit_code == 0, ended.err
    assert_accounts(tmp_path / "out", ["2026", "2027"])
    assert (ids(tmp_path / "out/2026"), ids(tmp_path / "out/2027")) == ([0, 1, 2], [3, 4, 5])
    messages = [message for _, message, _ in reasons(tmp_path / "out")]
    assert messages == ["region is '2028', and the models are: 2026, 2027"] * 3


@BOTH
def test_of_parquet_the_field_is_read_and_shown_to_no_model(
    engine: Engine, tmp_path: Path, run: Run
) -> None:
    """With --keep_fields only what is needed is read; a model's reject is as it would be alone."""
    rows = [record(n, n=None, region="eu" if n % 2 else "us", more=n) for n in range(4)]
    for folder, some in (("in", rows), ("eu", rows[1::2])):
        (tmp_path / folder).mkdir()
        pq.write_table(pa.Table.from_pylist(some), tmp_path / folder / "a.parquet")
    flags = ("--keep_fields", "none", "--max_errors", "100%")
    alone = run(engine, "--model", PLAIN, *flags, files=tmp_path / "eu", out=tmp_path / "alone")
    assert alone.exit_code == 0, alone.err
    file = models_file(tmp_path, eu=PLAIN, other="models:CellsModel")
    more = ("--models", file, "--model_field", "region")
    ended = run(engine, *more, *flags, files=tmp_path / "in", out=tmp_path / "out")
    assert ended.exit_code == 0, ended.err
    found = [
        sorted((each["input"], each["message"]) for each in map(json.loads, rejects))
        for rejects in (
            read_result(tmp_path / "out/eu").rejects.elements(),
            read_result(tmp_path / "alone").rejects.elements(),
        )
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 2
    unnamed = [json.loads(line) for line in read_result(tmp_path / "out").rejects]
    assert all('"region": "us"' in each["input"] for each in unnamed)
    assert all('"more"' not in each["input"] for each in unnamed)


# --- how it ends ---


@pytest.mark.parametrize(
    ("max_errors", "statuses"),
    [
        ("0", {"": "too_many_errors", "eu": "done", "us": "too_many_errors"}),
        ("1", {"": "too_many_errors", "eu": "done", "us": "done"}),
        ("2", {"": "done", "eu": "done", "us": "done"}),
        ("20%", {"": "too_many_errors", "eu": "done", "us": "too_many_errors"}),
    ],
)
@BOTH
def test_too_many_errors_are_judged_of_each_folder(
    max_errors: str,
    statuses: Mapping[str, str],
    engine: Engine,
    by_region: Sequence[object],
    tmp_path: Path,
    run: Run,
) -> None:
    """Of each model those among its own records; and of all records those that name none."""
    eu = [record(n, region="eu") for n in range(8)]
    us = [record(8, region="us"), record(9, region="us", x=13.0)]
    write_lines(tmp_path / "in" / "a.jsonl", [*eu, *us, b"{bro", record(10)])
    out = tmp_path / "out"
    ended = run(engine, *by_region, "--max_errors", max_errors, files=tmp_path / "in", out=out)
    found = {name: read_manifest(out / name).status for name in statuses}
    assert found == statuses
    assert ended.exit_code == (0 if set(found.values()) == {"done"} else 3)
    assert_accounts(out, list(REGIONS))


@BOTH
def test_a_model_that_no_record_names_has_an_empty_folder(
    engine: Engine, by_region: Sequence[object], tmp_path: Path, run: Run
) -> None:
    write_lines(tmp_path / "in" / "a.jsonl", [record(n, region="eu") for n in range(3)])
    ended = run(engine, *by_region, files=tmp_path / "in", out=tmp_path / "out")
    assert ended.exit_code == 0, ended.err
    assert contents(tmp_path / "out/us") == {"_job.json", "_manifest.json"}
    assert read_manifest(tmp_path / "out/us").records == {"read": 0, "scored": 0, "rejected": {}}
    assert_accounts(tmp_path / "out", list(REGIONS))


@BOTH
def test_a_model_that_fails_the_job_fails_all_folders(
    engine: Engine, tmp_path: Path, run: Run
) -> None:
    rows = [record(n, region=("eu", "us")[n % 2]) for n in range(4_000)]
    write_lines(tmp_path / "in" / "a.jsonl", rows)
    file, out = models_file(tmp_path, eu=PLAIN, us="models:FailingModel"), tmp_path / "out"
    flags = ("--models", file, "--model_field", "region")
    ended = run(engine, *flags, files=tmp_path / "in", out=out)
    assert ended.exit_code == 1, ended.err
    for name in ("eu", "us"):
        assert_not_whole(out / name, "failed")
    assert_not_whole(out, "failed")
    models_file(tmp_path, **REGIONS)
    ended = run(
        engine, *flags, "--overwrite", "--max_errors", "100%", files=tmp_path / "in", out=out
    )
    assert ended.exit_code == 0, ended.err
    assert_accounts(out, ["eu", "us"])


@BOTH
def test_no_folder_is_taken_for_another_job_s(
    engine: Engine, by_region: Sequence[object], tmp_path: Path, run: Run
) -> None:
    write_lines(tmp_path / "in" / "a.jsonl", [record(n, region="eu") for n in range(3)])
    out = tmp_path / "out"
    assert run(engine, *by_region, files=tmp_path / "in", out=out).exit_code == 0
    before = snapshot(tmp_path)
    together = ("--model", PLAIN, "--model", EVERY_STAGE, "--overwrite")
    for more in ((), ("--plan",)):  # out/_manifest.json would tell of folders that are not there
        ended = run(engine, *together, *more, files=tmp_path / "in", out=out)
        assert (ended.exit_code, snapshot(tmp_path)) == (4, before)
        assert "has a _job.json of its own" in ended.err
    models_file(tmp_path, eu=PLAIN, asia=PLAIN)  # and out/us would stay
    for more in ((), ("--plan",)):
        ended = run(engine, *by_region, "--overwrite", *more, files=tmp_path / "in", out=out)
        assert ended.exit_code == 4
        assert "out has us, which is of none of these models" in ended.err
    models_file(tmp_path, **REGIONS)
    assert snapshot(tmp_path) == before
    assert run(engine, *by_region, "--overwrite", files=tmp_path / "in", out=out).exit_code == 0
    assert_accounts(out, list(REGIONS))


@BOTH
def test_one_model_alone_cannot_be_named(engine: Engine, tmp_path: Path, run: Run) -> None:
    given = write_lines(tmp_path / "a.jsonl", records(3))
    flags = ("--model", PLAIN, "--model_field", "region")
    ended = run(engine, *flags, files=given, out=tmp_path / "out")
    assert ended.exit_code == 2
    assert "--model_field region has each record name its model" in ended.err
    assert contents(tmp_path) == {"a.jsonl"}


@BOTH
def test_limits_and_bad_files_are_those_of_all(
    engine: Engine, by_region: Sequence[object], tmp_path: Path, run: Run
) -> None:
    rows = [record(n, region=("eu", "us")[n % 2]) for n in range(20)]
    write_lines(tmp_path / "in" / "a.jsonl", rows)
    (tmp_path / "in" / "0.jsonl.gz").write_bytes(b"not gzip")
    flags = (*by_region, "--limit", 5, "--skip_bad_files")
    ended = run(engine, *flags, files=tmp_path / "in", out=tmp_path / "out")
    assert ended.exit_code == 0, ended.err
    assert_accounts(tmp_path / "out", list(REGIONS))
    assert (ids(tmp_path / "out/eu"), ids(tmp_path / "out/us")) == ([0, 2, 4], [1, 3])
    ((reject, count),) = read_result(tmp_path / "out").rejects.items()
    assert (json.loads(reject)["stage"], count) == ("read", 1)
    assert not (tmp_path / "out/eu/_rejects").exists()
    for name in ("", "eu", "us"):
        inputs = read_manifest(tmp_path / "out" / name).inputs
        assert [bool(file.error) for file in inputs] == [True, False]


@BOTH
def test_a_plan_tries_each_model_with_the_records_that_name_it(
    engine: Engine, by_region: Sequence[object], tmp_path: Path, run: Run
) -> None:
    rows = [record(n, region=("eu", "eu", "us")[n % 3]) for n in range(9)]
    rows[8]["x"] = 13.0
    write_lines(tmp_path / "in" / "a.jsonl", [*rows, record(9), b"{bro"])
    before = snapshot(tmp_path)
    ended = run(engine, *by_region, "--plan", files=tmp_path / "in", out=tmp_path / "out")
    assert ended.exit_code == 0, ended.err
    assert snapshot(tmp_path) == before
    top, *of_each = ended.out.split("scored with     ")
    assert f"no model named  of 11 records 2 would be rejected into {tmp_path}/out\n" in top
    assert "UnknownModel" in top
    assert "of 6 records from 1 file 6 would be scored" in of_each[0]
    assert "of 3 records from 1 file 2 would be scored, and 1 rejected" in of_each[1]
