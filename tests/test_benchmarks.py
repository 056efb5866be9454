"""The benchmark's own logic: figures, tables, checks. Nothing is timed here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from benchmarks import __main__ as program
from benchmarks.checking import Checksum, WrongResultError, checksum, refuse_difference
from benchmarks.contenders import COMMANDS, Task, command
from benchmarks.figures import LOST, Headline, headlines
from benchmarks.inputs import CHUNK_ROWS, FILES, Spoiled, chunks, irises, write
from benchmarks.measuring import Cost
from benchmarks.plot import draw
from benchmarks.readme import BEGIN, END, section, update
from benchmarks.report import CONTENDERS, markdown, spread, table
from benchmarks.results import Measured, Results, Run, Spread, cpu, wall
from benchmarks.running import refuse_wrong_rejects
from benchmarks.scenarios import (
    BEAM,
    FORMATS,
    IMPORTS,
    LIMIT,
    LINE_MAPPER,
    MODELS,
    MRJOB,
    PEERS,
    RUN_INFERENCE,
    SCENARIOS,
    SPOILED,
    STARTUP,
    NothingChosenError,
    chosen,
)

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / "benchmarks" / "results"


def measured(
    rows: tuple[int, int], seconds: dict[str, list[tuple[float, float]]], kind: str = "jsonl"
) -> Measured:
    """Of each contender, a pair of wall times a repeat; CPU is a tenth of them."""
    runs = tuple(
        Run(who, size, repeat, Cost(took, took / 10, size << 20))
        for who, pairs in seconds.items()
        for repeat, pair in enumerate(pairs)
        for size, took in zip(rows, pair, strict=True)
    )
    return Measured("logistic", kind, rows, tuple(seconds), runs)


# The limit starts in 1 s; Beam in 3 s, and a row more costs twice as much: in the third round all
# is ten times slower, as on a machine that has other things to do.
ONE = measured(
    (100, 1100),
    {LIMIT: [(1.1, 2.1), (1.1, 2.1), (11, 21)], BEAM: [(3.2, 5.2), (3.2, 5.2), (32, 52)]},
)


def test_marginal_cost_has_no_startup_in_it() -> None:
    assert ONE.marginal(LIMIT, wall) == pytest.approx([0.001, 0.001, 0.01])
    assert ONE.marginal(BEAM, cpu) == pytest.approx([0.0002, 0.0002, 0.002])


def test_ratios_are_made_within_a_repeat() -> None:
    times = ONE.marginal_ratio(BEAM, wall)
    assert times is not None
    assert (times.median, times.low, times.high) == pytest.approx((2, 2, 2))
    whole = ONE.whole_ratio(BEAM, wall)
    assert whole is not None
    assert whole.median == pytest.approx(5.2 / 2.1)


def test_a_size_more_that_took_no_time_has_no_ratio() -> None:
    none = measured((100, 200), {LIMIT: [(2.0, 1.9)], BEAM: [(3.0, 4.0)]})
    assert none.marginal_ratio(BEAM, wall) is None
    assert none.is_lost(LIMIT, wall)
    assert not none.is_lost(BEAM, wall)
    text = markdown(Results({}, {}, (none,)))
    assert f"| {LIMIT} | 2.00 | 1.90 | 1.00 | 0.19 | 1.00 | {LOST} | {LOST} | {LOST} |" in text
    told = section(Results({}, {}, (none,)))
    assert LOST not in told
    assert BEAM not in told.partition("\n- ")[2]  # nor is there a line without a figure


def test_a_difference_that_is_a_small_share_of_the_time_is_lost_in_noise() -> None:
    little = measured((100, 200), {LIMIT: [(1.0, 2.0), (1.96, 2.0)], BEAM: [(1.0, 2.0)] * 2})
    assert little.is_lost(LIMIT, wall)
    assert little.marginal_ratio(BEAM, wall) is None


def test_a_slow_one_is_compared_with_ours_at_the_sizes_that_tell_most() -> None:
    slow = measured((1, 11), {LIMIT: [(1, 1)], MRJOB: [(3, 3)], LINE_MAPPER: [(5, 6)]})
    fast = measured((100, 1100), {LIMIT: [(1, 2)], MRJOB: [(3, 4)]})
    said = {each.what: each.measured for each in headlines(Results({}, {}, (slow, fast)))}
    row = f"jsonl, a row more: {LINE_MAPPER}, x {MRJOB} (ours at 1.1 k rows)"
    assert said[row] == "100"
    assert said[f"jsonl, 11 rows: {LINE_MAPPER}, x {MRJOB}"] == "2.00"


def test_run_inference_is_compared_with_ours_where_both_ran() -> None:
    both = measured((1, 11), {BEAM: [(1, 2)], RUN_INFERENCE: [(1, 5)]}, "parquet")
    large = measured((100, 1100), {BEAM: [(1, 2)]}, "parquet")
    said = {each.what: each for each in headlines(Results({}, {}, (both, large)))}
    row = said[f"parquet, a row more: {RUN_INFERENCE}, x {BEAM}"]
    assert (row.measured, row.verdict) == ("4.00", "missed")


def test_a_target_is_met_or_missed() -> None:
    assert Headline.of("x", "≤ 1.2", 1.2).verdict == "met"
    assert Headline.of("x", "< 1.2", 1.2).verdict == "missed"
    assert Headline.of("x", "≥ 20", 19.9).verdict == "missed"
    assert Headline.of("x", "≥ 20", None).verdict == ""
    assert Headline.of("x", "", 1.0).verdict == ""


def test_every_contender_is_explained_and_no_heading_stands_twice() -> None:
    assert set(CONTENDERS) == set(COMMANDS)
    everything, _, _ = chosen([], 1.0, None, peers=True)
    results = tuple(
        replace(
            measured(each.rows, {who: [(1.0, 2.0)] for who in each.contenders}, each.format),
            model=each.model,
            about=each.about,
        )
        for each in everything
    )
    text = markdown(Results({}, {}, results))
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert len(set(headings)) == len(headings) == len(everything) + 2
    for header in (line for line in text.splitlines() if "wall, s" in line):
        assert len(set(header.split(" | "))) == len(header.split(" | "))


def test_the_picture_has_what_has_a_figure_and_says_that_it_is_a_trial(tmp_path: Path) -> None:
    lost = replace(measured((1, 2), {LIMIT: [(1.0, 1.0)], BEAM: [(1.0, 2.0)]}), model="forest")
    draw(Results({}, {"trial": "0.1 of the rows"}, (ONE, lost)), tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text()
    assert "logistic regression" in text
    assert "forest" not in text
    assert "A trial: 0.1 of the rows" in text


def test_spreads_and_tables_as_text() -> None:
    assert spread(Spread.over([1.0, 1.234, 3.0])) == "1.23 (1.00-3.00)"
    assert spread(Spread.over([1234.5])) == "1,234"
    assert spread(None) == LOST
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_the_report_has_all_that_was_measured() -> None:
    bad = replace(
        measured((100, 1100), {"0 %": [(1.0, 2.0)], "1 %": [(1.0, 2.5)], "50 %": [(1.0, 9.0)]}),
        stage="decode",
    )
    bad = replace(bad, runs=bad.runs[:1] + bad.runs[1::2])  # with bad ones, at one size alone
    start = measured((1, 1), {IMPORTS: [(1.0, 1.0)], BEAM: [(1.4, 1.4)]})
    start = replace(start, runs=start.runs[::2])  # one size, not two
    results = Results({"cores": "2"}, {"measured": "today"}, (ONE,), (bad,), (start,))
    assert Results.from_json(results.to_json()) == results
    text = markdown(results)
    assert "- measured: today\n- cores: 2\n" in text
    assert f"| {BEAM} | 3.20 (3.20-32.00) | 5.20 (5.20-52.00) | 2.48 |" in text
    assert "| decode | 1,100 | 2.00 | 2.50 | 1.25 | 1.45 | 9.00 | 4.50 | 7.36 |" in text
    assert f"| {BEAM} | 1.40 | 0.14 | 0.40 |" in text
    assert [each.measured for each in headlines(results)] == [
        "2.00",
        "2.00",
        "1.25",
        "1.45",
        "0.40",
    ]


def test_the_checksum_is_the_same_from_every_format_and_in_any_order(tmp_path: Path) -> None:
    columns = {"id": [1, 2, 3], "x": [0.1, 0.2, 0.3]}
    labels, chances = ["a", "b", "a"], [0.5, 0.25, 1.0]
    flat = pa.table({**columns, "prediction_label": labels, "prediction_chance": chances})
    for name in ("csv", "parquet", "jsonl"):
        (tmp_path / name / "_rejects").mkdir(parents=True)
        (tmp_path / name / "_rejects" / "part-0.jsonl").write_text("{}\n")
    pyarrow.csv.write_csv(flat, tmp_path / "csv" / "part-0.csv")
    pq.write_table(flat, tmp_path / "parquet" / "part-0.parquet")
    for number in range(3):
        prediction = {"label": labels[number], "chance": chances[number]}
        record = {name: values[number] for name, values in columns.items()}
        line = json.dumps({**record, "prediction": prediction})
        (tmp_path / "jsonl" / f"part-{2 - number}.jsonl").write_text(f"{line}\n")
    expected = checksum(tmp_path / "parquet")
    assert expected.rows == 3
    assert expected.sums["prediction_chance"] == 1.75
    labels_found = expected.counts["prediction_label"]
    assert {name: labels_found[name] for name in ("a", "b")} == {"a": 2, "b": 1}
    for name in ("csv", "jsonl"):
        refuse_difference(name, checksum(tmp_path / name), expected, 3)
    with pytest.raises(WrongResultError, match="no part file"):
        checksum(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"prediction_label": ["b", "a", "b", "a"], "prediction_p": [0.4, 0.3, 0.2, 0.1]},
        {"prediction_p": [0.25] * 4},
        {"id": [2, 2, 3, 3]},
        {"prediction_label": ["a", "b", "b", "a"]},
    ],
    ids=["other rows", "the mean", "ids twice", "labels swapped"],
)
def test_predictions_beside_other_records_are_seen(
    wrong: dict[str, list[object]], tmp_path: Path
) -> None:
    columns: dict[str, list[object]] = {
        "id": [1, 2, 3, 4],
        "prediction_label": ["a", "b", "a", "b"],
        "prediction_p": [0.1, 0.2, 0.3, 0.4],
    }
    for name, values in (("right", columns), ("wrong", columns | wrong)):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table(values), tmp_path / name / "part-0.parquet")
    expected = checksum(tmp_path / "right")
    with pytest.raises(WrongResultError):
        refuse_difference("x", checksum(tmp_path / "wrong"), expected, 4)


RIGHT = Checksum(2, {"p": 1.5}, {"id": {"sum": 3}, "label": {"a": 2}})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (replace(RIGHT, rows=1), "number of records is 1, and should be 2"),
        (replace(RIGHT, sums={"p": 1.5 + 1e-8}), "sum of p"),
        (replace(RIGHT, sums={}), "what has floats"),
        (replace(RIGHT, counts={"id": {"sum": 3}, "label": {"a": 1, "b": 1}}), "how often"),
        (replace(RIGHT, counts={"id": {"sum": 4}, "label": {"a": 2}}), "how often"),
        (replace(RIGHT, sums={"p": float("nan")}), "sum of p"),
    ],
)
def test_a_wrong_result_fails_loudly(wrong: Checksum, words: str) -> None:
    refuse_difference("x", replace(RIGHT, sums={"p": 1.5 + 1e-12}), RIGHT, 2)
    with pytest.raises(WrongResultError, match=f"x: .*{words}"):
        refuse_difference("x", wrong, RIGHT, 2)
    with pytest.raises(WrongResultError, match="number of records"):
        refuse_difference("x", RIGHT, RIGHT, 3)


def test_rejects_at_another_stage_fail_loudly(tmp_path: Path) -> None:
    truth = {"rows": 2, "rejected": 1, "probability": 1.5}
    found = Checksum(2, {"prediction_probability": 1.5}, {})

    def judge(rejected: dict[str, int]) -> None:
        manifest = {"records": {"read": 3, "scored": 2, "rejected": rejected}}
        (tmp_path / "_manifest.json").write_text(json.dumps(manifest))
        refuse_wrong_rejects("1 %", "decode", tmp_path, found, truth)

    judge({"decode": 1, "validate": 0})
    for wrong in ({"validate": 1}, {"decode": 2}, {"decode": 1, "output": 1}, {}):
        with pytest.raises(WrongResultError, match="bad at decode"):
            judge(wrong)


def test_as_many_records_are_spoiled_as_are_said_to_be(tmp_path: Path) -> None:
    for stage in ("decode", "validate"):
        spoiled = Spoiled.share(stage, 0.01, 1_000)
        assert len(set(spoiled.bad.tolist())) == 10
        folders = tmp_path / f"good-{stage}", tmp_path / stage
        for chunk, folder in zip((irises, spoiled), folders, strict=True):
            folder.mkdir()
            write(chunk, "jsonl", 1_000, folder)
        good, bad = (
            [line for file in sorted(folder.iterdir()) for line in file.read_text().splitlines()]
            for folder in folders
        )
        differ = [row for row, (a, b) in enumerate(zip(good, bad, strict=True)) if a != b]
        assert differ == spoiled.bad.tolist()
    assert len(list(folders[1].iterdir())) == FILES
    assert [json.loads(line)["id"] for line in good] == list(range(1_000))


@pytest.mark.parametrize("rows", [1, 3, 1_000, 3_000_001])
def test_the_files_of_a_data_set_have_all_its_records(rows: int) -> None:
    places = chunks(rows)
    assert [end for _, end in places[:-1]] == [begin for begin, _ in places[1:]]
    assert (places[0][0], places[-1][1]) == (0, rows)
    assert all(begin < end <= begin + CHUNK_ROWS for begin, end in places)


def test_every_model_format_and_contender_is_measured(tmp_path: Path) -> None:
    task = Task("logistic", tmp_path / "in.jsonl", tmp_path / "out", tmp_path, tmp_path)
    contenders = {who for each in SCENARIOS for who in each.contenders}
    assert contenders == set(COMMANDS)
    assert all(command(who, task) for who in contenders)
    assert {each.model for each in SCENARIOS} | {"faulty"} == set(MODELS)
    assert {each.format for each in SCENARIOS} == set(FORMATS)
    assert all(each.contenders[0] == LIMIT for each in SCENARIOS)
    assert {RUN_INFERENCE, *PEERS} < contenders
    names = [each.name for each in (*SCENARIOS, *SPOILED, STARTUP)]
    assert len(set(names)) == len(names)  # each can be chosen alone


def test_scenarios_are_chosen_by_their_names() -> None:
    scenarios, bad, start = chosen(["csv", "decode"], 0.5, 1, peers=False)
    assert {each.format for each in scenarios} == {"csv", "csv, quoted"}
    assert [each.stage for each in bad] == ["decode"]
    assert not start
    assert scenarios[0].rows == (200_000, 2_000_000)
    everything, _, _ = chosen([], 1.0, None, peers=False)
    assert not any(set(PEERS) & set(each.contenders) for each in everything)
    (one,), _, _ = chosen(["csv, quoted, 4 M rows"], 0.01, None, peers=False)
    assert one.rows == (4_000, 40_000)  # its own name is that at its own sizes
    for nothing in (["nosuch"], ["csv", "nosuch"], ["Spark"]):
        with pytest.raises(NothingChosenError, match=f"no scenario has '{nothing[-1]}'"):
            chosen(nothing, 1.0, None, peers=False)
    peers, _, _ = chosen(["Spark"], 1.0, None, peers=True)
    assert all(set(PEERS) < set(each.contenders) for each in peers)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--only nosuch", "--list names them"),
        ("--list --only nosuch", "--list names them"),
        ("--publish --only csv", "for a whole run"),
        ("--publish --quick", "for a whole run"),
        ("--publish --render --scale 0.5", "for a whole run"),
        ("--scale 0", "--scale"),
        ("--scale nan", "--scale"),
        ("--repeat 0", "--repeat"),
        ("--threads -1", "--threads"),
        ("--render", "measure first"),
        ("--peers", "Java"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_measured(
    flags: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    published = {file: file.read_bytes() for file in PUBLISHED.iterdir()}
    with pytest.raises(SystemExit) as error:
        program.main([*flags.split(), "--output", str(tmp_path)])
    assert error.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())
    assert {file: file.read_bytes() for file in PUBLISHED.iterdir()} == published


def test_a_list_has_each_scenarios_own_rows(capsys: pytest.CaptureFixture[str]) -> None:
    program.main(["--list", "--quick", "--only", "csv"])
    assert capsys.readouterr().out.splitlines() == [
        "logistic regression, csv, 4 M rows",
        "logistic regression, csv, quoted, 4 M rows",
    ]


def test_only_a_whole_run_is_published() -> None:
    scenarios, spoiled, startup = chosen([], 1.0, None, peers=False)
    results = Results(
        {},
        {},
        tuple(Measured(each.model, each.format, each.rows, (), ()) for each in scenarios),
        tuple(Measured("", "", each.rows, (), (), stage=each.stage) for each in spoiled),
        tuple(Measured("", "", (1, 1), (), ()) for _ in startup),
    )
    assert program.is_whole(results)
    assert not program.is_whole(Results({}, {}))
    assert not program.is_whole(replace(results, scenarios=results.scenarios[:-1]))
    assert not program.is_whole(replace(results, spoiled=results.spoiled[1:]))


INTERRUPTED = """
import sys
from pathlib import Path
from benchmarks import __main__ as program
from benchmarks.measuring import measure
from benchmarks.running import Bench

def forever(bench):
    bench.elsewhere.submit(int).result()  # the helper is at work, too
    wait = "import time; time.sleep(60)"
    script = f"import os, subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {wait!r}]); "
    script += "os.rename(open('new', 'w').write(f'{os.getpid()} {p.pid}') and 'new', 'pids'); "
    measure([sys.executable, "-c", script + wait], {}, bench.folder)

Bench.make_files = forever
program.FOLDER = Path(sys.argv[1])
if __name__ == "__main__":
    program.main(["--only", "start-up"])
"""


def is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_all_that_runs(signum: signal.Signals, tmp_path: Path) -> None:
    script, pids = tmp_path / "script.py", tmp_path / "pids"
    script.write_text(INTERRUPTED)
    process = subprocess.Popen(
        [sys.executable, script, tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while not pids.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signum)
    said, _ = process.communicate(timeout=30)
    assert said.splitlines() == ["interrupted, 0 of 1 measured: no report"]
    assert process.returncode == 130
    assert not any(psutil.pid_exists(int(pid)) for pid in pids.read_text().split())
    deadline = time.monotonic() + 30
    while is_there(process.pid):
        assert time.monotonic() < deadline  # nor does any other one go on
        time.sleep(0.05)


MEASURE = """
import sys
from pathlib import Path
from benchmarks.measuring import CommandFailedError, measure
# It leaves a process behind that is at work for a while.
burn = "import time\\nwhile time.process_time() < 0.3: pass"
script = "import subprocess, sys; held = b'x' * (60 << 20); "
script += f"subprocess.Popen([sys.executable, '-c', {burn!r}])"
cost = measure([sys.executable, "-c", script], {}, Path(sys.argv[1]))
print(cost.cpu_seconds >= 0.3, 60 << 20 < cost.peak_bytes < 200 << 20, cost.wall_seconds > 0)
try:
    measure([sys.executable, "-c", "raise SystemExit('no such model')"], {}, Path(sys.argv[1]))
except CommandFailedError as error:
    print("no such model" in str(error), "exit code 1" in str(error))
"""


def test_what_a_command_leaves_behind_is_counted_and_failing_is_told(tmp_path: Path) -> None:
    """In a process of its own, as it adopts what others leave behind."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.split() == ["True"] * 5, done.stderr


def test_what_is_said_of_speed_is_what_was_measured() -> None:
    """The report and the README's figures are those of the results that are committed."""
    results = Results.from_json((PUBLISHED / "results.json").read_text())
    assert (PUBLISHED / "RESULTS.md").read_text() == markdown(results)
    assert BEGIN + section(results) + END in (ROOT / "README.md").read_text()


def test_the_figures_are_put_between_their_marks(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"before\n{BEGIN}old\n{END}after\n")
    results = Results({}, {"trial": "0.1 of the rows"}, (ONE,))
    for _ in range(2):
        update(file, results)
        assert file.read_text() == f"before\n{BEGIN}{section(results)}{END}after\n"
    assert "trial (0.1 of the rows)" in file.read_text()  # no one takes it for more
    file.write_text("no marks\n")
    with pytest.raises(ValueError, match="has no lines"):
        update(file, results)
